/** Kernels of bytes, tested for each instruction set by itself, with guard pages. */

import { conformanceTests } from '@espalier/conformance';
import type { Kernel } from '@espalier/core';
import { afterAll, describe, expect, it } from 'vitest';
import { type StartedEngine, startEngine } from '../src/engine.ts';
import { createNativeBackend, type NativeBackend, type NativeProgram } from '../src/index.ts';
import type { NativeKernel } from '../src/kernel.ts';
import { avx2widened, avx512vnni, type DotIsa, vnni256 } from '../src/kernels/matmul_int8/isa.ts';

interface Subject {
  /** In words: what they do, and what they are. */
  readonly does: string;
  readonly what: string;
  readonly table: readonly NativeKernel[];
  /** Runs of each of the conformance suite's tests. */
  readonly runs: number;
  kernelsFor(isa: DotIsa): readonly NativeKernel[];
}

/** The suite, and what `more` adds, for the kernels of each instruction set that this processor has; others are skipped by name. */
export function describeDotIsas(
  { does, what, table, runs, kernelsFor }: Subject,
  more: (kernels: readonly Kernel<NativeProgram>[], backend: NativeBackend) => void,
): void {
  const engine = startEngine({ guard: true });
  if ('reason' in engine) {
    it.skip(`${does} (${engine.reason})`, () => {});
    return;
  }
  const { features }: StartedEngine = engine;
  // On processors that lack the short encoding of the dot product, the long one stands in for it.
  for (const isa of [avx512vnni, vnni256(!features.has('avx-vnni')), avx2widened]) {
    if (!isa.requires.every((feature) => features.has(feature))) {
      it.skip(`${does} with ${isa.name} (the processor has no ${isa.requires.join(', ')})`, () => {});
      continue;
    }
    describe(`${what} with ${isa.name}`, () => {
      const whole = createNativeBackend({ guard: true }) as NativeBackend;
      const kernels = kernelsFor(isa).map(
        (row): Kernel<NativeProgram> => ({
          ...row,
          prepare: (call, constants) => row.prepare(call, constants, engine),
        }),
      );
      const backend: NativeBackend = { ...whole, kernels };
      afterAll(() => whole.dispose());

      it('are in the table', () => {
        const names = table.map(({ name }) => name);
        expect(names).toEqual(expect.arrayContaining(kernels.map(({ name }) => name)));
      });

      // Stopping is the engine's, whose test has it.
      for (const { name, run, skip } of conformanceTests(backend, { runs }))
        if (!name.startsWith('native:') && !name.endsWith(': abort')) it.skipIf(skip)(name, run);

      more(kernels, backend);
    });
  }
}
