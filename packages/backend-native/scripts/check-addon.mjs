// Runs the tests of the engine over an addon that is built with the address and the undefined-behaviour sanitizer.
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const repository = join(root, '../..');
const compiler = process.env.CXX ?? 'g++';
const addon = join(root, 'build/espalier.sanitized.node');
const built = spawnSync(
  process.execPath,
  [join(import.meta.dirname, 'build-addon.mjs'), '--out', addon, '--sanitize', 'address,undefined'],
  { stdio: 'inherit' },
);
if (built.status !== 0) process.exit(1);

const library = (name) => execFileSync(compiler, [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
const { status } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--testTimeout=120000', 'packages/backend-native/test/engine.test.ts'],
  {
    cwd: repository,
    stdio: 'inherit',
    env: {
      ...process.env,
      ESPALIER_ADDON: addon,
      LD_PRELOAD: [library('libasan.so'), library('libubsan.so')].join(':'),
      // Node itself keeps what it allocates; and its faults are WebAssembly's traps.
      ASAN_OPTIONS: 'detect_leaks=0:handle_segv=0',
      UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
    },
  },
);
process.exit(status ?? 1);
