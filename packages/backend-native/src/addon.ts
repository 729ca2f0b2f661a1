/** The compiled part: finds it, loads it, or says in one line why it is not there. */

/** What addon/addon.cc exports. Addresses are numbers. */
export interface Addon {
  allocate(bytes: number, guard: boolean): number;
  release(address: number, bytes: number, guard: boolean): void;
  view(address: number, bytes: number): ArrayBuffer;
  detach(buffer: ArrayBuffer): void;
  mapCode(code: Uint8Array): number;
  unmapCode(address: number, bytes: number): void;
  mapFile(path: string): { readonly address: number; readonly bytes: number };
  unmapFile(address: number, bytes: number): void;
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
  call(code: number, args: number, trampoline: number): void;
  cpuid(leaf: number, subleaf: number): Uint32Array | undefined;
  allowTiles(): number;
}

/** The addon, or the reason why this host runs without it. */
export type Found = { readonly addon: Addon } | { readonly reason: string };

type Require = (id: string) => unknown;

/** Looks beside this package for a build, then for the prebuilt package of the platform. */
export function findAddon(): Found {
  const { process } = globalThis as { process?: NodeJS.Process };
  const { createRequire } = (process?.getBuiltinModule?.('node:module') ?? {}) as {
    createRequire?(url: string): Require;
  };
  if (!process || !createRequire) return { reason: 'the native backend needs Node' };
  const platform = `${process.platform}-${process.arch}`;
  if (process.arch !== 'x64') return { reason: `the native backend has no kernels for ${platform} yet` };
  const require = createRequire(import.meta.url);
  const failures: string[] = [];
  for (const candidate of ['../build/espalier.node', `@espalier/backend-native-${platform}`]) {
    try {
      return { addon: require(candidate) as Addon };
    } catch (error) {
      // Not there is the usual case; there and not loadable is worth telling.
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') failures.push((error as Error).message);
    }
  }
  return { reason: failures[0] ?? `the native backend is not built for ${platform}` };
}
