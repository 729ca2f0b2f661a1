/** The suite over kernels with relaxed SIMD, on the thread that calls. */

import { setFlagsFromString } from 'node:v8';
import { testBackend } from '@espalier/conformance';
import { describe, expect, it } from 'vitest';
import { createWasmBackend, type WasmBackend } from '../src/index.ts';

// Node 20 has it behind a flag.
setFlagsFromString('--experimental-wasm-relaxed-simd');
const backend = (await createWasmBackend({ mask: ['threads'] })) as WasmBackend;
const kernels = backend.kernels.filter(({ name }) => name.endsWith('__relaxed'));

it('runs on one thread in slices, with relaxed SIMD, and says how to get more', () => {
  expect(kernels.length).toBeGreaterThan(0);
  expect(backend.kernels.filter(({ name }) => name.endsWith('__simd'))).toEqual([]);
  expect(backend.limits.threads).toBe(1);
  expect(backend.hint).toContain('Cross-Origin-Opener-Policy');
});

testBackend({ ...backend, kernels }, { it, describe, runs: 3 });
