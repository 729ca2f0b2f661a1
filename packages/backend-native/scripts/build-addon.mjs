// Compiles the addon for this machine with its C++ compiler and headers from npm; says in one line when there is no compiler.
// node scripts/build-addon.mjs [--out FILE] [--sanitize address,undefined] [--if-possible]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { out: { type: 'string' }, sanitize: { type: 'string' }, 'if-possible': { type: 'boolean' } },
});
const compiler = process.env.CXX ?? 'g++';
if (spawnSync(compiler, ['--version'], { stdio: 'ignore' }).status !== 0) {
  console.error(`No C++ compiler (${compiler}): the native backend is left out.`);
  process.exit(values['if-possible'] ? 0 : 1);
}
const { files, flags, sources } = await import('./compile.mjs');
const out = values.out ?? join(import.meta.dirname, '../build/espalier.node');
if (existsSync(out) && files.every((file) => statSync(file).mtimeMs < statSync(out).mtimeMs)) process.exit(0);

mkdirSync(dirname(out), { recursive: true });
const kind = values.sanitize
  ? ['-O1', '-g', `-fsanitize=${values.sanitize}`, '-fno-sanitize-recover=all']
  : process.platform === 'darwin'
    ? ['-O2']
    : ['-O2', '-static-libstdc++', '-static-libgcc', '-s'];
const link = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : ['-pthread'];
const { status } = spawnSync(compiler, [...flags, ...kind, '-shared', ...sources, '-o', out, ...link], {
  stdio: 'inherit',
});
process.exit(status ?? 1);
