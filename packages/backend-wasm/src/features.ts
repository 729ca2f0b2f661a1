/** What this engine validates, asked of it with modules of one instruction. */

import { type FunctionBuilder, ModuleBuilder } from '@espalier/wasm';

/** Names of features, as kernels require them. */
export const features = ['simd', 'relaxed-simd', 'relaxed-dot', 'threads'] as const;
export type WasmFeature = (typeof features)[number];

function isValid(write: (f: FunctionBuilder) => void, shared = false): boolean {
  const module = new ModuleBuilder();
  module.importMemory('host', 'memory', { initial: 1, maximum: 1, shared });
  module.func([], undefined, write);
  return WebAssembly.validate(module.finish());
}

const zero = (f: FunctionBuilder) => f.i32x4_splat(f.i32_const(0));

const probes: Readonly<Record<WasmFeature, () => boolean>> = {
  simd: () => isValid((f) => f.drop(zero(f))),
  'relaxed-simd': () => isValid((f) => f.drop(f.f32x4_relaxed_madd(zero(f), zero(f), zero(f)))),
  'relaxed-dot': () => isValid((f) => f.drop(f.i32x4_relaxed_dot_i8x16_i7x16_add_s(zero(f), zero(f), zero(f)))),
  threads: () => isValid((f) => f.i32_atomic_store(f.i32_const(0), f.i32_const(0)), true) && canShare(),
};

/** True where memory can be shared: a page must be isolated for it. */
function canShare(): boolean {
  try {
    return new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer instanceof SharedArrayBuffer;
  } catch {
    return false; // The feature is there and this page may not use it.
  }
}

export function findFeatures(): Set<WasmFeature> {
  return new Set(features.filter((name) => probes[name]()));
}
