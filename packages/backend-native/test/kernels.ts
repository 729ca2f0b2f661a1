/** What tests of kernels share: conformance at both widths, with guard pages around every buffer, and the scalar backend beside. */

import { createJsBackend } from '@espalier/backend-js';
import { conformanceTests } from '@espalier/conformance';
import { type Constants, createEvaluator, type Evaluate, onnxOps, type Tensor } from '@espalier/core';
import { afterAll, describe, expect, it } from 'vitest';
import { createNativeBackend, type NativeBackend, startEngine } from '../src/index.ts';
import type { NativeKernel } from '../src/kernel.ts';

export interface Subject {
  /** The kernels under test alone. */
  readonly native: Evaluate;
  /** Their names. */
  readonly names: readonly string[];
  /** The same, with all inputs but the first known to kernels beforehand; all of them, or the one that is named. */
  knowing(inputs: readonly (Tensor | undefined)[], name?: string): Evaluate;
  readonly js: Evaluate;
}

const widths = [
  { isa: 'avx512', mask: [] },
  { isa: 'avx2', mask: ['avx512'] },
] as const;

const nonzerosOf = ({ data }: Tensor): number =>
  (data as readonly unknown[]).reduce<number>((sum, value) => sum + Number(value !== 0), 0);

/** Checks of how units are walked, and for one kernel of how many they run. */
const WALKS = ['units in any order', 'concurrent runs'];
const SAMPLE = 6;

/** Registers the tests of kernels for each width that the processor has. @param runs calls of each conformance test */
export function describeKernels(
  what: string,
  rows: readonly NativeKernel[],
  runs: number,
  body: (subject: Subject) => void,
): void {
  const started = startEngine();
  if ('reason' in started) {
    it.skip(`${what} (${started.reason})`, () => {});
    return;
  }
  const hasAvx512 = started.features.has('avx512');
  started.dispose();
  if (!hasAvx512) it.skip(`${what} at 512 bits (the processor has no AVX-512)`, () => {});
  const names = new Set(rows.map(({ name }) => name));
  const js = createEvaluator(createJsBackend(), onnxOps);
  for (const { isa, mask } of hasAvx512 ? widths : widths.slice(1)) {
    const wanted = [...names].filter((name) => name.endsWith(`__${isa}`));
    if (wanted.length === 0) continue;
    describe(`${what} for ${isa}`, () => {
      const whole = createNativeBackend({ mask, guard: true }) as NativeBackend;
      const kernels = whole.kernels.filter(({ name }) => names.has(name) && name.endsWith(`__${isa}`));
      const backend = { ...whole, kernels };
      afterAll(() => whole.dispose());

      it('has each of them in the table', () => expect(kernels.length).toBe(wanted.length));

      // Kernels of a folder share the code that walks units: a few of them tell whether it does so in any order.
      const sample = new Set(kernels.filter((_, i) => i % SAMPLE === 0).map(({ name }) => name));
      for (const { name, run, skip } of conformanceTests(backend, { runs })) {
        const [kernel, check] = name.split(': ') as [string, string];
        // It records 10^5 steps, which to bind takes longer than it allows; test/engine.test.ts aborts a list of this backend.
        if (kernel === 'native' || check === 'abort') continue;
        if (!WALKS.includes(check) || sample.has(kernel)) it.skipIf(skip)(name, run);
      }

      const knowing: Subject['knowing'] = (inputs, only) => {
        const constants: Constants = inputs.map((tensor, i) =>
          tensor && i > 0 ? { tensor, structure: { elements: tensor.size, nonzeros: nonzerosOf(tensor) } } : undefined,
        );
        const chosen = kernels.filter(({ name }) => only === undefined || name === only);
        const informed = chosen.map((kernel): typeof kernel => ({
          ...kernel,
          work: (call, at) => kernel.work(call, at, constants),
          prepare: (call, _, context) => kernel.prepare!(call, constants, context),
        }));
        return createEvaluator({ ...backend, kernels: informed }, onnxOps);
      };
      body({ native: createEvaluator(backend, onnxOps), names: kernels.map(({ name }) => name), knowing, js });
    });
  }
}
