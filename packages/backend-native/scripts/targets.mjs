// The platforms that get a prebuilt addon. zig brings the C libraries of all of them; what a build may need of
// its host is listed, and everything else must be inside.
import { require } from './compile.mjs';

/** What the addon may ask of Node: Node-API 8. */
export const nodeApi = Object.values(require('node-api-headers').symbols.v8).flat();

export const targets = [
  {
    name: 'linux-x64-gnu',
    zig: 'x86_64-linux-gnu.2.28',
    format: 'elf',
    libraries: /^(lib(c|m|pthread|dl)\.so\.\d|ld-linux-x86-64\.so\.2)$/,
    newest: 'GLIBC_2.28',
  },
  { name: 'linux-x64-musl', zig: 'x86_64-linux-musl', format: 'elf', libraries: /^libc\.so$/ },
  {
    name: 'win32-x64',
    zig: 'x86_64-windows-gnu',
    format: 'pe',
    libraries: /^(kernel32|ntdll|api-ms-win-crt-[a-z0-9-]+)\.dll$/i,
  },
  { name: 'darwin-x64', zig: 'x86_64-macos.11.0', format: 'macho', libraries: /^\/usr\/lib\/libSystem\.B\.dylib$/ },
];

/** An addon that is larger has taken something in that it should not. */
export const MAX_BYTES = 350_000;
