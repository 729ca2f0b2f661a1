// Compiles the addon with the system's C++ compiler and headers from npm; says in one line when there is no compiler.
// node scripts/build-addon.mjs [--out FILE] [--if-possible]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({ options: { out: { type: 'string' }, 'if-possible': { type: 'boolean' } } });
const out = values.out ?? join(root, 'build/espalier.node');
const sources = readdirSync(join(root, 'addon')).map((name) => join(root, 'addon', name));

if (existsSync(out) && sources.every((file) => statSync(file).mtimeMs < statSync(out).mtimeMs)) process.exit(0);

const require = createRequire(import.meta.url);
const include = [require('node-addon-api').include_dir, require('node-api-headers').include_dir];
const compiler = process.env.CXX ?? 'g++';
if (spawnSync(compiler, ['--version'], { stdio: 'ignore' }).status !== 0) {
  console.error(`No C++ compiler (${compiler}): the native backend is left out.`);
  process.exit(values['if-possible'] ? 0 : 1);
}
mkdirSync(dirname(out), { recursive: true });
const link =
  process.platform === 'darwin'
    ? ['-undefined', 'dynamic_lookup']
    : ['-static-libstdc++', '-static-libgcc', '-s', '-pthread'];
const flags = ['-std=c++20', '-O2', '-fPIC', '-shared', '-fvisibility=hidden', '-Wall', '-Wextra'];
const defines = ['-DNAPI_VERSION=8', '-DNAPI_CPP_EXCEPTIONS', '-DBUILDING_NODE_EXTENSION'];
const { status } = spawnSync(
  compiler,
  [
    ...flags,
    ...defines,
    ...include.map((path) => `-I${path.replaceAll('"', '')}`),
    ...sources.filter((file) => file.endsWith('.cc')),
    '-o',
    out,
    ...link,
  ],
  { stdio: 'inherit' },
);
process.exit(status ?? 1);
