/** The conformance suite over some of this backend's rows, for engines with relaxed SIMD and without. */

import { setFlagsFromString } from 'node:v8';
import { testBackend } from '@espalier/conformance';
import { describe, expect, it } from 'vitest';
import { createWasmBackend, type WasmBackend } from '../src/index.ts';

// Node 20 has it behind a flag.
setFlagsFromString('--experimental-wasm-relaxed-simd');

/** Tests the rows of ops that `ops` matches: without relaxed SIMD on two threads, with it on one. */
export async function testRows(ops: RegExp, runs: number): Promise<void> {
  for (const [isa, threads, mask] of [
    ['simd', 2, ['relaxed-simd', 'relaxed-dot']],
    ['relaxed', 1, []],
  ] as const) {
    const all = (await createWasmBackend({ threads, mask })) as WasmBackend;
    const backend = { ...all, kernels: all.kernels.filter(({ op }) => ops.test(op)) };
    describe(isa, () => {
      it('is what the rows are for', () => {
        expect([...new Set(backend.kernels.map(({ name }) => name.split('__')[1]))]).toEqual([isa]);
      });
      testBackend(backend, { it, describe, runs });
    });
  }
}
