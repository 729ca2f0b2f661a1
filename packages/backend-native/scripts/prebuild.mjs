// Cross-compiles the addon for every platform that gets a package, and checks what came out: size, what it asks of the host.
// node scripts/prebuild.mjs [NAME ...]   all of scripts/targets.mjs without a name
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readBinary } from './binary.mjs';
import { flags, root, sources } from './compile.mjs';
import { MAX_BYTES, nodeApi, targets } from './targets.mjs';
import { cache, fail, generate, zig } from './zig.mjs';

/** What Node may ask an addon for. */
const entries = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !targets.some((target) => target.name === name));
if (unknown.length > 0) fail(`there is no target ${unknown}; there are ${targets.map(({ name }) => name).join(', ')}`);
const problems = targets.filter(({ name }) => wanted.length === 0 || wanted.includes(name)).flatMap(prebuild);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;

function prebuild(target) {
  const directory = join(root, 'platforms', target.name);
  const out = join(directory, JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')).main);
  mkdirSync(dirname(out), { recursive: true });
  const link = {
    elf: [`-Wl,--version-script=${versionScript()}`],
    pe: ['-DNAPI_EXTERN=', hostStubs()],
    macho: ['-Wl,-undefined,dynamic_lookup'],
  };
  const built = join(cache, `${target.name}.node`);
  zig([
    'c++',
    '-target',
    target.zig,
    '-mcpu=x86_64_v2',
    '-O2',
    '-s',
    '-shared',
    ...flags,
    ...sources,
    ...link[target.format],
    '-o',
    built,
  ]);
  copyFileSync(built, out);
  const bytes = readFileSync(out);
  const { versions } = readBinary(bytes);
  console.log(`${target.name}: ${bytes.length} bytes${versions.length > 0 ? `, ${newest(versions)}` : ''}`);
  return check(target, bytes).map((problem) => `${target.name}: ${problem}`);
}

/** What is wrong with a built addon. */
function check({ format, libraries: allowed, newest: limit }, bytes) {
  const { format: found, libraries, imports, exports, versions } = readBinary(bytes);
  const problems = [];
  if (found !== format) problems.push(`is ${found} instead of ${format}`);
  if (bytes.length > MAX_BYTES) problems.push(`has ${bytes.length} bytes, more than ${MAX_BYTES}`);
  const missing = entries.filter((name) => !exports.includes(name));
  if (missing.length > 0) problems.push(`does not export ${missing}`);
  const beyond = imports.filter((name) => /^(napi_|node_api_)/.test(name) && !nodeApi.includes(name));
  if (beyond.length > 0) problems.push(`needs more than Node-API 8: ${beyond}`);
  const strange = libraries.filter((name) => !allowed.test(name));
  if (strange.length > 0) problems.push(`needs the libraries ${strange}`);
  // Mangled C++ names, and Node's own libraries; what __cxa_ names remain are the C library's.
  const leaked = imports.filter((name) => /^(_Z|__gxx_|__cxa_(throw|begin|end|guard)|v8|uv_)/.test(name));
  if (leaked.length > 0) problems.push(`takes from the host what it must bring itself: ${leaked}`);
  if (limit && versions.length > 0 && compare(newest(versions), limit) > 0)
    problems.push(`needs ${newest(versions)}, newer than ${limit}`);
  return problems;
}

function newest(versions) {
  return versions
    .filter((version) => version.startsWith('GLIBC_'))
    .sort(compare)
    .at(-1);
}

function compare(a, b) {
  const [x, y] = [a, b].map((version) => version.replace('GLIBC_', '').split('.').map(Number));
  return x[0] - y[0] || x[1] - y[1];
}

/** Nothing else is offered: other addons bring a C++ library too. */
function versionScript() {
  return generate('addon.map', [`{ global: ${entries.map((name) => `${name};`).join(' ')} local: *; };`]);
}

/**
 * Windows links names of the host against an import library that says `node.exe`; where the host is called otherwise (Electron), that
 * fails. Jumps through pointers that are asked of whatever program is running work in both.
 */
function hostStubs() {
  return generate('addon-host.cc', [
    '#include <windows.h>',
    `static const char* const names[] = {${nodeApi.map((name) => `"${name}"`).join(', ')}};`,
    'extern "C" { void* espalier_host[sizeof(names) / sizeof(*names)];',
    ...nodeApi.map(
      (name, i) => `__attribute__((naked)) void ${name}() { __asm__("jmpq *espalier_host+${8 * i}(%rip)"); }`,
    ),
    '}',
    'static const int bound = [] {',
    '  for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)',
    '    espalier_host[i] = reinterpret_cast<void*>(GetProcAddress(GetModuleHandleA(nullptr), names[i]));',
    '  return 0;',
    '}();',
  ]);
}
