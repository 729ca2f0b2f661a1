/** Brings the addon up: probes that emitted code runs, asks what the processor can do, loads the trampoline. */

import type { Addon } from './addon.ts';
import { findAddon } from './addon.ts';
import { loadCode } from './code.ts';
import { emitReadXcr0, features as featureNames, findFeatures, hasXgetbv, type NativeFeature } from './cpu.ts';
import type { Engine } from './list.ts';
import { Memory } from './memory.ts';
import { defaultThreads } from './threads.ts';
import { emitTrampoline } from './trampoline.ts';

export interface EngineOptions {
  /** Threads that a run may use; as many as there are physical cores within the process's quota when absent. */
  readonly threads?: number;
  /** Features to hide, to try the kernels of lesser machines; those in the environment's ESPALIER_MASK (`avx512,amx-int8`) when absent. */
  readonly mask?: readonly NativeFeature[];
  /** Features to take as given, for tests that emulate them. */
  readonly assume?: readonly NativeFeature[];
  /** Puts pages that may not be touched around every buffer: for tests. */
  readonly guard?: boolean;
}

export interface StartedEngine extends Engine {
  readonly features: ReadonlySet<NativeFeature>;
  dispose(): void;
}

/** The engine, or in one line why this host has none. */
export function startEngine(options: EngineOptions = {}): StartedEngine | { readonly reason: string } {
  const found = findAddon();
  if ('reason' in found) return found;
  const { addon } = found;
  if (!hasXgetbv(addon)) return { reason: 'the processor has no AVX' };
  let code: ReturnType<typeof loadCode>;
  try {
    // Without tiles first: whether they may be used is what the probe is to tell.
    code = loadCode(addon, [emitTrampoline(process.platform, false), emitReadXcr0()]);
  } catch (error) {
    return { reason: (error as Error).message };
  }
  const memory = new Memory(addon, options.guard);
  const features = findFeatures(addon, readXcr0(addon, memory, code.addresses[1]!, code.addresses[0]!));
  for (const feature of options.assume ?? []) features.add(feature);
  for (const feature of options.mask ?? maskOfEnvironment()) features.delete(feature);
  if (!features.has('avx2') || !features.has('fma')) {
    code.dispose();
    return { reason: 'the processor has no AVX2 with FMA' };
  }
  const tiles = features.has('amx-int8') || features.has('amx-bf16');
  const trampoline = tiles ? loadCode(addon, [emitTrampoline(process.platform, true)]) : code;
  const threads = defaultThreads();
  const team = Math.min(threads, options.threads ?? threads);
  return {
    addon,
    memory,
    features,
    trampoline: trampoline.addresses[0]!,
    threads,
    team,
    dispose() {
      code.dispose();
      if (tiles) trampoline.dispose();
    },
  };
}

/** @throws TypeError for a name that is no feature's */
function maskOfEnvironment(): NativeFeature[] {
  const names = (process.env['ESPALIER_MASK'] ?? '').split(',').filter(Boolean) as NativeFeature[];
  const wrong = names.find((name) => !featureNames.includes(name));
  if (wrong) throw new TypeError(`ESPALIER_MASK names "${wrong}"; the features are ${featureNames.join(', ')}`);
  return names;
}

function readXcr0(addon: Addon, memory: Memory, probe: number, trampoline: number): number {
  const buffer = memory.alloc(64);
  addon.call(probe, buffer.address, trampoline);
  const word = new Uint32Array(buffer.view.buffer, 0, 1)[0]!;
  memory.free(buffer);
  return word;
}
