/** The compiled part: finds it, loads it, or says in one line why it is not there. */

/** What addon/addon.cc exports. Addresses are numbers. */
export interface Addon {
  allocate(bytes: number, guard: boolean): number;
  release(address: number, bytes: number, guard: boolean): void;
  view(address: number, bytes: number): ArrayBuffer;
  detach(buffer: ArrayBuffer): void;
  mapCode(code: Uint8Array): number;
  unmapCode(address: number, bytes: number): void;
  mapFile(path: string): Promise<{ readonly address: number; readonly bytes: number }>;
  unmapFile(address: number, bytes: number): void;
  /** Of a view's first byte; it stays there for as long as the view's buffer is neither collected nor detached. */
  addressOf(view: Uint8Array): number;
  copyIn(address: number, bytes: Uint8Array): void;
  run(
    commands: number,
    count: number,
    trampoline: number,
    cancel: number,
    times: number,
    threads: number,
    team: number,
  ): Promise<boolean>;
  runHere(commands: number, count: number, trampoline: number): void;
  call(code: number, args: number, trampoline: number, unit?: number): void;
  cpuid(leaf: number, subleaf: number): Uint32Array | undefined;
  allowTiles(): number;
}

/** The addon and the file it came from, or in one line why this host runs without it. */
export type Found = { readonly addon: Addon; readonly file: string } | { readonly reason: string };

type Fs = typeof import('node:fs');
type Module = typeof import('node:module');

/** The packages that bring the addon, by platform, processor and C library. */
const prebuilt: Readonly<Record<string, string>> = {
  'linux-x64-glibc': '@espalier/backend-native-linux-x64-gnu',
  'linux-x64-musl': '@espalier/backend-native-linux-x64-musl',
  'win32-x64': '@espalier/backend-native-win32-x64',
  'darwin-x64': '@espalier/backend-native-darwin-x64',
};

/** The one of them for this host; undefined where there is none. */
export function prebuiltPackage(): string | undefined {
  const { process } = globalThis as { process?: NodeJS.Process };
  const library = process?.platform === 'linux' ? (isMusl() ? '-musl' : '-glibc') : '';
  return prebuilt[`${process?.platform}-${process?.arch}${library}`];
}

/**
 * Looks beside this package for a build of the repository's, then for the prebuilt package of the platform; nowhere but at the path in the
 * environment's ESPALIER_ADDON where that is set.
 */
export function findAddon(): Found {
  const { process } = globalThis as { process?: NodeJS.Process };
  const module = process?.getBuiltinModule?.('node:module') as Module | undefined;
  if (!module) return { reason: 'it needs Node' };
  const fromNpm = prebuiltPackage();
  if (!fromNpm) return { reason: `it has no kernels for ${process!.platform}-${process!.arch} yet` };
  const require = module.createRequire(import.meta.url);
  const given = process!.env['ESPALIER_ADDON'];
  for (const candidate of given ? [given] : ['../build/espalier.node', fromNpm]) {
    let file: string;
    try {
      file = require.resolve(candidate);
    } catch {
      continue; // Not there, which is usual: the next one, or the reason below.
    }
    try {
      return { addon: require(file) as Addon, file };
    } catch (error) {
      return { reason: `${file} cannot be loaded: ${(error as Error).message.split('\n')[0]}` };
    }
  }
  return { reason: given ? `there is no ${given}` : `${fromNpm} is not installed` };
}

/** Bytes that hold an ELF file's headers and the name of its interpreter. */
const ELF_HEAD = 4096;

/** True where Node itself was linked with musl: the libraries beside it do not tell, as both may be installed. */
function isMusl(): boolean {
  const { openSync, readSync, closeSync } = process.getBuiltinModule('node:fs') as Fs;
  const head = new Uint8Array(ELF_HEAD);
  const file = openSync(process.execPath, 'r');
  try {
    readSync(file, head, 0, ELF_HEAD, 0);
  } finally {
    closeSync(file);
  }
  return new TextDecoder('latin1').decode(head).includes('/ld-musl-');
}
