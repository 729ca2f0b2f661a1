/** Some rows on the thread that calls, in slices, and what that says of itself. */

import { conformanceTests } from '@espalier/conformance';
import { describe, expect, it } from 'vitest';
import { createWasmBackend, type WasmBackend } from '../src/index.ts';

const all = (await createWasmBackend({ mask: ['threads', 'relaxed-simd'] })) as WasmBackend;
const slices = {
  ...all,
  kernels: all.kernels.filter(({ name }) => /^(matmul|softmax|gelu|gather|cast_s64|lstm)_/.test(name)),
};

describe('in slices', () => {
  // How soon they stop depends on what else this thread does: engine.test.ts has that.
  const tests = conformanceTests(slices, { runs: 3 }).filter(({ name }) => !name.endsWith(': abort'));
  it.each(tests.map(({ name, run }) => [name, run] as const))('%s', (_, run) => run());

  it('has one thread, and says how to get more', () => {
    expect(slices.limits.threads).toBe(1);
    expect(slices.hint).toContain('Cross-Origin-Opener-Policy');
  });
});
