// `npm start`: from a bare clone to a running example. Installs and builds only what the example needs, and only once.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../build/workspace.mjs';
import { buildAddon, ensureInstalled } from './install.mjs';

const app = 'semantic-search';

ensureInstalled(app);
buildAddon();
const { quickBuild } = await import('../build/quick.mjs');
const built = await quickBuild(app);
if (built.length > 0) console.log(`Built ${built.join(', ')}.`);

const child = spawn(process.execPath, [join(root, 'apps', app, 'dist/main.js'), ...process.argv.slice(2)], {
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
