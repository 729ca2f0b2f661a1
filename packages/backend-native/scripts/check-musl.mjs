// Runs the addon and its thread pool with musl, without a Node that is linked with it. After scripts/prebuild.mjs linux-x64-musl.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { flags, root } from './compile.mjs';
import { nodeApi } from './targets.mjs';
import { cache, fail, generate, run, zig } from './zig.mjs';

const LOADER = '/lib/ld-musl-x86_64.so.1';
const addon = join(root, 'platforms/linux-x64-musl/prebuilds/linux-x64/espalier.musl.node');
if (!existsSync(LOADER)) fail(`${LOADER} is not there: install musl (Debian: apt-get install musl)`);
if (!existsSync(addon)) fail('the addon is not built: run scripts/prebuild.mjs linux-x64-musl first');

const source = (name) => join(root, 'addon', name);
const stubs = generate('node-api-stubs.cc', [
  '#include <cstdio>',
  '#include <cstdlib>',
  '[[noreturn]] static void missing(const char* name) { std::printf("%s is not stood for\\n", name), std::fflush(stdout), std::abort(); }',
  'extern "C" {',
  ...nodeApi.map((name) => `__attribute__((weak)) void ${name}() { missing("${name}"); }`),
  '}',
]);
const visible = flags.filter((flag) => flag !== '-fvisibility=hidden');
const build = (name, ...files) => {
  const out = join(cache, name);
  // As a C++ compiler zig links musl in; this way it is loaded, as Node on Alpine does.
  const link = ['-dynamic', '-rdynamic', '-target', 'x86_64-linux-musl', '-lc', '-lc++'];
  zig(['build-exe', ...link, '-cflags', ...visible, '--', ...files, `-femit-bin=${out}`]);
  return out;
};
const load = build('load-check', source('load_check.cpp'), stubs);
process.stdout.write(`musl, addon: ${run([load, addon])}`);
const pool = build('pool-check', source('pool_check.cpp'), source('pool.cc'));
process.stdout.write(`musl, threads: ${run([pool])}`);
