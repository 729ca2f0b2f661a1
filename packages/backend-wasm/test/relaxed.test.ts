/** The suite over kernels with relaxed SIMD: on a thread of its own, and for some on the thread that calls. */

import { setFlagsFromString } from 'node:v8';
import { conformanceTests, testBackend } from '@espalier/conformance';
import { describe, expect, it } from 'vitest';
import { createWasmBackend, type WasmBackend, type WasmOptions } from '../src/index.ts';

// Node 20 has it behind a flag.
setFlagsFromString('--experimental-wasm-relaxed-simd');

async function backendOf(options: WasmOptions, names: RegExp): Promise<WasmBackend> {
  const backend = (await createWasmBackend(options)) as WasmBackend;
  return { ...backend, kernels: backend.kernels.filter(({ name }) => names.test(name)) };
}

const worker = await backendOf({ threads: 1 }, /__relaxed$/);
testBackend(worker, { it, describe, runs: 3 });

it('has rows for relaxed SIMD alone', () => {
  expect(worker.hint).toBeUndefined();
  expect(worker.kernels.length).toBeGreaterThan(0);
});

const slices = await backendOf({ mask: ['threads'] }, /^(matmul|softmax|gelu|gather|cast_s64)_/);
describe('in slices', () => {
  // How soon they stop depends on what else this thread does: engine.test.ts has that.
  const tests = conformanceTests(slices, { runs: 3 }).filter(({ name }) => !name.endsWith(': abort'));
  it.each(tests.map(({ name, run }) => [name, run] as const))('%s', (_, run) => run());

  it('has one thread, and says how to get more', () => {
    expect(slices.limits.threads).toBe(1);
    expect(slices.hint).toContain('Cross-Origin-Opener-Policy');
  });
});
