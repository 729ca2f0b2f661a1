/** Tiles in tests: the processor's own, or those of emulator.cpp, which is compiled when it has changed and loaded into this process. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type NativeFeature, startEngine } from '../../src/index.ts';

export interface Tiles {
  /** What the engine has to be told, as it would not find it. */
  readonly assume: readonly NativeFeature[];
  /** How many instructions were emulated so far; undefined where the processor has them. */
  readonly emulated: (() => number) | undefined;
}

const here = import.meta.dirname;
/** Where the compiled emulator is; a process that is to have tiles loads it. */
export const emulatorFile = join(here, '../../build/amx-emulator.node');

/** Tiles for this process, or why there are none. */
export function findTiles(): Tiles | { readonly reason: string } {
  const engine = startEngine({ threads: 1 });
  if ('reason' in engine) return engine;
  const { features } = engine;
  engine.dispose();
  if (features.has('amx-int8') && features.has('amx-bf16')) return { assume: [], emulated: undefined };
  if (process.platform !== 'linux') return { reason: 'tiles are emulated on Linux alone' };
  const failure = compile();
  if (failure) return { reason: failure };
  const { emulated } = createRequire(import.meta.url)(emulatorFile) as { emulated(): number };
  return { assume: ['amx-int8', 'amx-bf16'], emulated };
}

/** Why there is no emulator; undefined when there is. */
function compile(): string | undefined {
  const source = join(here, 'emulator.cpp');
  if (existsSync(emulatorFile) && statSync(emulatorFile).mtimeMs > statSync(source).mtimeMs) return undefined;
  // The addon's headers are the build's.
  const headers = createRequire(join(here, '../../../../tooling/build/package.json'))('node-api-headers');
  const { include_dir: include } = headers as { include_dir: string };
  mkdirSync(dirname(emulatorFile), { recursive: true });
  // Another test may be loading the file at this moment.
  const fresh = `${emulatorFile}.${process.pid}`;
  const flags = ['-std=c++20', '-O2', '-fPIC', '-shared', '-Wall', '-Wextra', '-Werror'];
  try {
    execFileSync(process.env['CXX'] ?? 'g++', [...flags, `-I${include}`, source, '-o', fresh], { stdio: 'pipe' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      return 'there is no C++ compiler to build the emulator of tiles';
    throw error;
  }
  renameSync(fresh, emulatorFile);
  return undefined;
}
