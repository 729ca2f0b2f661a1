/** Recurrent layers against the scalar backend, in generated calls and in the shapes of models. */

import { createJsBackend } from '@espalier/backend-js';
import { conformanceTests } from '@espalier/conformance';
import { type Call, createEvaluator, type Node, onnxOps, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { createNativeBackend, type NativeBackend, type NativeProgram } from '../src/index.ts';

const found = createNativeBackend();
if ('reason' in found) it.skip(`runs recurrent layers (${found.reason})`, () => {});

const evaluate = createEvaluator(createJsBackend(), onnxOps);
const ops = { RNN: 1, GRU: 3, LSTM: 4 } as const;

/** Numbers in [-range, range) that are the same in every run. */
function tensor(dims: readonly number[], seed: number, range: number): Tensor {
  let state = seed * 2654435761 + 1;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return range * (state / 2 ** 31 - 1);
  };
  return new Tensor('float32', Float32Array.from({ length: dims.reduce((x, y) => x * y, 1) }, next), dims);
}

/** The largest distance from the scalar backend's results, all of which are at most 1. */
async function distance(
  backend: NativeBackend,
  op: keyof typeof ops,
  [steps, batch, size, hidden, directions]: readonly [number, number, number, number, number],
  attrs: Node['attrs'],
  lengths?: readonly number[],
): Promise<number> {
  const rows = ops[op] * hidden;
  const state = [directions, batch, hidden];
  const inputs = [
    tensor([steps, batch, size], 1, 1),
    tensor([directions, rows, size], 2, 1 / Math.sqrt(size)),
    tensor([directions, rows, hidden], 3, 1 / Math.sqrt(hidden)),
    tensor([directions, 2 * rows], 4, 0.5),
    lengths && new Tensor('int32', lengths, [batch]),
    tensor(state, 5, 1),
    ...(op === 'LSTM' ? [tensor(state, 6, 1), tensor([directions, 3 * hidden], 7, 0.5)] : []),
  ];
  const shapes = [[steps, directions, batch, hidden], state, ...(op === 'LSTM' ? [state] : [])];
  const node: Node = {
    ...{ name: op, op, domain: '', attrs },
    ...{ inputs: inputs.map((t, i) => (t ? `i${i}` : '')), outputs: shapes.map((_, i) => `o${i}`) },
  };
  const wanted = await evaluate(node, inputs);
  const call: Call = {
    ...{ node: op, op, domain: '', epilogue: [] },
    attrs: { layout: 0, direction: 'forward', linear_before_reset: 0, input_forget: 0, ...attrs },
    inputs: inputs.map((t, i) => t && { dtype: t.type, shape: i === 0 ? ['steps', batch, size] : t.dims }),
    outputs: shapes.map((shape, i) => ({
      dtype: 'float32',
      shape: i === 0 ? ['steps', ...shape.slice(1)] : shape,
    })),
  };
  const kernel = backend.kernels.find((k) => k.op === op && k.requires!.every((f) => backend.features.has(f)))!;
  const constants = inputs.map((t, i) =>
    t && [1, 2, 3, 7].includes(i) ? { tensor: t, structure: { elements: t.size, nonzeros: t.size } } : undefined,
  );
  expect(kernel.work(call, { steps }, constants)).not.toHaveProperty('reason');
  const program = (await kernel.prepare!(call, constants, { features: backend.features })) as NativeProgram;
  const buffers = [...inputs.map((t) => t?.bytes.length ?? 0), ...shapes.map((s) => 4 * s.reduce((x, y) => x * y, 1))];
  const slots = buffers.map((bytes) => ({ buffer: backend.alloc(bytes), offset: 0 }));
  for (const [i, t] of inputs.entries()) if (t) backend.write(slots[i]!.buffer, 0, t.bytes);
  const list = backend.record([
    {
      ...{ call, kernel: kernel.name, program },
      inputs: inputs.map((t, i) => (t && !program.packed!.includes(i) ? i : undefined)),
      outputs: shapes.map((_, i) => inputs.length + i),
    },
  ]);
  await list.run(slots, { steps });
  let worst = 0;
  for (const [i, output] of wanted.entries()) {
    const got = new Float32Array(slots[inputs.length + i]!.buffer.view.slice().buffer);
    (output!.data as Float32Array).forEach((x, j) => {
      worst = Math.max(worst, Math.abs(x - got[j]!));
    });
  }
  list.dispose();
  program.dispose!();
  for (const { buffer } of slots) backend.free(buffer);
  return worst;
}

/** Features to hide: with none AVX-512 computes, where the processor has it. */
const masks =
  'reason' in found ? [] : found.features.has('avx512') ? ([[], ['avx512']] as const) : ([['avx512']] as const);

describe.skipIf(masks.length === 0)('recurrent layers', () => {
  for (const mask of masks) {
    describe(mask.length > 0 ? 'avx2' : 'avx512', () => {
      const backend = createNativeBackend({ mask, guard: true, threads: 2 }) as NativeBackend;
      const kernels = backend.kernels.filter(
        ({ op, requires }) => op in ops && requires!.every((feature) => backend.features.has(feature)),
      );
      const own = kernels.slice(0, Object.keys(ops).length);
      for (const test of conformanceTests({ ...backend, kernels: own }, { runs: 10 }).filter(
        ({ name }) => !name.endsWith('abort'),
      ))
        it.skipIf(test.skip)(test.name, test.run);

      it('has the shapes of models', async () => {
        for (const op of Object.keys(ops) as (keyof typeof ops)[]) {
          expect(await distance(backend, op, [1, 1, 128, 128, 1], {}), op).toBeLessThan(2e-6);
          expect(await distance(backend, op, [40, 2, 33, 70, 1], { direction: 'reverse' }), op).toBeLessThan(2e-6);
          const both = { direction: 'bidirectional', ...(op === 'GRU' ? { linear_before_reset: 1 } : {}) };
          expect(await distance(backend, op, [9, 3, 20, 50, 2], both, [9, 1, 4]), op).toBeLessThan(2e-6);
        }
      });

      it('has other activations, by direction, and clips', async () => {
        const attrs = {
          direction: 'bidirectional',
          clip: 0.7,
          activations: ['HardSigmoid', 'Relu', 'Sigmoid', 'LeakyRelu'],
          activation_alpha: [0.3, 0.1],
          activation_beta: [0.4],
        };
        expect(await distance(backend, 'GRU', [5, 2, 8, 20, 2], attrs)).toBeLessThan(2e-6);
      });
    });
  }
});
