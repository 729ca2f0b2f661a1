// `npm test`: from a bare clone to unit tests over sources. Arguments go to vitest, e.g. `npm test -- packages/core`.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../build/workspace.mjs';
import { buildAddon, ensureInstalled, quietEnvironment } from './install.mjs';

ensureInstalled('all');
// The tests of native code are skipped by name where it cannot be built.
buildAddon();
const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...quietEnvironment },
  },
);
process.exitCode = status ?? 1;
