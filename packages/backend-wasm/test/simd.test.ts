/** The whole suite over kernels without relaxed SIMD, on two threads. */

import { testBackend } from '@espalier/conformance';
import { describe, expect, it } from 'vitest';
import { createWasmBackend, type WasmBackend } from '../src/index.ts';

const backend = (await createWasmBackend({ threads: 2, mask: ['relaxed-simd', 'relaxed-dot'] })) as WasmBackend;

it('runs on two threads, without relaxed SIMD', () => {
  expect(backend.hint).toBeUndefined();
  expect(backend.limits.threads).toBe(2);
  expect(backend.kernels.filter(({ name }) => name.endsWith('__relaxed'))).toEqual([]);
});

testBackend(backend, { it, describe, runs: 3 });
