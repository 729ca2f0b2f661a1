// Runs turbo with its telemetry off, and with the pinned pnpm on its PATH.
import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { root } from '../build/workspace.mjs';
import { quietEnvironment } from './install.mjs';

const binaries = join(root, 'node_modules/.bin');
const { status } = spawnSync(join(binaries, 'turbo'), process.argv.slice(2), {
  cwd: root,
  stdio: 'inherit',
  shell: process.platform === 'win32',
  env: { ...process.env, ...quietEnvironment, PATH: `${binaries}${delimiter}${process.env.PATH}` },
});
process.exitCode = status ?? 1;
