// Builds the bench, what it times and the native addon where they are not up to date, and runs it: `npm run bench -- --help`.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled } from '../bootstrap/install.mjs';
import { root } from '../build/workspace.mjs';

ensureInstalled('all');
const { quickBuild } = await import('../build/quick.mjs');
await quickBuild('@espalier/bench');
spawnSync(process.execPath, [join(root, 'packages/backend-native/scripts/build-addon.mjs'), '--if-possible'], {
  stdio: 'inherit',
});
await import('./dist/cli.js');
