/** Convolutions and pools against the scalar backend, with relaxed SIMD and without. */

import { setFlagsFromString } from 'node:v8';
import { testBackend } from '@espalier/conformance';
import { describe, expect, it } from 'vitest';
import { createWasmBackend, type WasmBackend } from '../src/index.ts';

// Node 20 has it behind a flag.
setFlagsFromString('--experimental-wasm-relaxed-simd');

describe.each([
  ['simd', 2, ['relaxed-simd'] as const],
  ['relaxed', 1, [] as const],
] as const)('%s', async (isa, threads, mask) => {
  const all = (await createWasmBackend({ threads, mask })) as WasmBackend;
  const backend = { ...all, kernels: all.kernels.filter(({ op }) => /Conv|Pool/.test(op)) };
  it('is what rows are for', () => {
    expect([...new Set(backend.kernels.map(({ name }) => name.split('__')[1]))]).toEqual([isa]);
  });
  testBackend(backend, { it, describe, runs: 6 });
});
