import { createJsBackend } from '@espalier/backend-js';
import { conformanceTests } from '@espalier/conformance';
import { type Call, createEvaluator, type EpilogueStep, type Node, onnxOps, type Step, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { createNativeBackend, type NativeBackend, type NativeProgram } from '../src/index.ts';

const found = createNativeBackend();
if ('reason' in found) it.skip(`multiplies matrices (${found.reason})`, () => {});

const evaluate = createEvaluator(createJsBackend(), onnxOps);
const node = (op: string, inputs: readonly string[], attrs: Node['attrs'] = {}): Node => {
  return { name: op, op, domain: '', inputs, outputs: ['y'], attrs };
};

/** Numbers in [-1, 1) that are the same in every run. */
function tensor(dims: readonly number[], seed: number): Tensor {
  let state = seed * 2654435761 + 1;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  return new Tensor('float32', Float32Array.from({ length: dims.reduce((x, y) => x * y, 1) }, next), dims);
}

async function run(
  backend: NativeBackend,
  kind: 'dense' | 'variable',
  inputs: readonly Tensor[],
  dims: readonly number[],
  epilogue: readonly EpilogueStep[] = [],
): Promise<Float32Array> {
  const kernel = backend.kernels.find(
    ({ name, requires }) => name.startsWith(`matmul_f32_${kind}`) && requires!.every((f) => backend.features.has(f)),
  )!;
  const desc = (t: { dims: readonly number[] }) => ({ dtype: 'float32', shape: t.dims }) as const;
  const call: Call = {
    ...{ node: 'product', op: 'MatMul', domain: '', attrs: {}, epilogue },
    ...{ inputs: inputs.map(desc), outputs: [desc({ dims })] },
  };
  const constants = [undefined, { tensor: inputs[1]!, structure: { elements: inputs[1]!.size, nonzeros: 0 } }];
  expect(kernel.work(call, {}, constants)).not.toHaveProperty('reason');
  const program = (await kernel.prepare!(call, constants, { features: backend.features })) as NativeProgram;
  const y = backend.alloc(4 * dims.reduce((x, d) => x * d, 1));
  const buffers = [...inputs.map(({ bytes }) => backend.alloc(bytes.byteLength)), y];
  inputs.forEach(({ bytes }, i) => {
    backend.write(buffers[i]!, 0, bytes);
  });
  const slots = buffers.map((_, i) => (program.packed!.includes(i) ? undefined : i));
  const step: Step<NativeProgram> = { call, kernel: kernel.name, program, inputs: slots, outputs: [inputs.length] };
  const list = backend.record([step]);
  await list.run(
    buffers.map((buffer) => ({ buffer, offset: 0 })),
    {},
  );
  const result = new Float32Array(y.view.slice().buffer);
  list.dispose();
  program.dispose!();
  for (const buffer of buffers) backend.free(buffer);
  return result;
}

const magnitudes = (t: Tensor): Tensor => new Tensor('float32', (t.data as Float32Array).map(Math.abs), t.dims);

/** Compares with the scalar backend, within the rounding of k additions of the terms' magnitudes (Higham, 3.1). */
async function compare(backend: NativeBackend, kind: 'dense' | 'variable', a: Tensor, b: Tensor): Promise<void> {
  const [wanted] = await evaluate(node('MatMul', ['a', 'b']), [a, b]);
  const [terms] = await evaluate(node('MatMul', ['a', 'b']), [magnitudes(a), magnitudes(b)]);
  const got = await run(backend, kind, [a, b], wanted!.dims);
  const bound = (a.dims.at(-1)! + 2) * 2 ** -24;
  const worst = got.findIndex((x, i) => {
    return !(Math.abs(x - (wanted!.data[i] as number)) <= bound * (terms!.data[i] as number));
  });
  expect(worst, `[${a.dims}] x [${b.dims}]`).toBe(-1);
}

/** Features to hide: with none AVX-512 computes, where the processor has it. */
const masks =
  'reason' in found ? [] : found.features.has('avx512') ? ([[], ['avx512']] as const) : ([['avx512']] as const);

describe.skipIf(masks.length === 0)('float32 products', () => {
  for (const mask of masks) {
    const isa = mask.length > 0 ? 'avx2' : 'avx512';
    for (const threads of [1, 2]) {
      const backend = createNativeBackend({ mask, guard: true, threads }) as NativeBackend;
      const kernels = backend.kernels.filter(
        ({ op, requires }) => ['MatMul', 'CastMatMul', 'DequantizeMatMul'].includes(op) && requires!.includes(isa),
      );
      if (threads === 2) {
        for (const test of conformanceTests({ ...backend, kernels }, { runs: 20 }))
          it.skipIf(test.skip)(test.name, test.run);
      }

      describe(`${isa}, ${threads} threads`, () => {
        it('has blocks and panels of every size', async () => {
          for (let m = 1; m <= 30; m++) {
            await compare(backend, 'dense', tensor([m, 1 + (m % 9)], m), tensor([1 + (m % 9), 2 * m + 3], m + 1));
            await compare(backend, 'variable', tensor([m, 6 + (m % 5)], m), tensor([6 + (m % 5), 70 - m], m + 1));
          }
        });

        it('cuts what is large into many units', async () => {
          const shapes = [
            [
              [301, 97],
              [97, 530],
            ],
            [
              [1, 1536],
              [1536, 389],
            ],
            [
              [45, 1000],
              [1000, 70],
            ],
            [
              [2000, 3],
              [3, 5],
            ],
            [
              [7, 40, 33],
              [33, 49],
            ],
            [
              [3, 1, 50, 64],
              [4, 64, 50],
            ],
            [
              [300, 4, 4],
              [300, 4, 4],
            ],
            [[129], [129, 65]],
            [[5, 16, 129], [129]],
          ] as const;
          for (const [i, [a, b]] of shapes.entries()) {
            await compare(backend, 'variable', tensor(a, i), tensor(b, i + 9));
            if (b.length <= 2) await compare(backend, 'dense', tensor(a, i), tensor(b, i + 9));
          }
        });

        it('copies rows of A that would evict each other', async () => {
          for (const m of [3, 4, 15, 260]) {
            await compare(backend, 'dense', tensor([m, 512], m), tensor([512, 70], 1));
            await compare(backend, 'variable', tensor([2, m, 1024], m), tensor([2, 1024, 33], 2));
          }
        });

        it('gives zeros through the epilogue where there is nothing to add up', async () => {
          const relu: EpilogueStep = { op: 'Relu', attrs: {}, inputs: [], position: 0 };
          const bias = tensor([35], 3);
          const steps: EpilogueStep[] = [{ op: 'Add', attrs: {}, inputs: [2], position: 0 }, relu];
          for (const kind of ['dense', 'variable'] as const) {
            const got = await run(backend, kind, [tensor([3, 0], 1), tensor([0, 35], 2), bias], [3, 35], steps);
            const row = [...(bias.data as Float32Array)].map((x) => Math.max(x, 0));
            expect([...got]).toEqual([...row, ...row, ...row]);
            for (const [m, n] of [
              [0, 4],
              [4, 0],
            ] as const)
              expect(await run(backend, kind, [tensor([m, 3], 1), tensor([3, n], 2)], [m, n])).toHaveLength(0);
          }
        });

        it('lets NaN and infinity through, into their own rows and columns alone', async () => {
          const [a, b] = [tensor([17, 20], 1), tensor([20, 40], 2)];
          (a.data as Float32Array)[3 * 20 + 19] = Number.NaN;
          (b.data as Float32Array)[33] = Number.POSITIVE_INFINITY;
          const clip: EpilogueStep[] = [{ op: 'Relu', attrs: {}, inputs: [], position: 0 }];
          for (const kind of ['dense', 'variable'] as const) {
            const got = await run(backend, kind, [a, b], [17, 40], clip);
            got.forEach((x, i) => {
              const [row, column] = [Math.floor(i / 40), i % 40];
              const isPositive = (a.data as Float32Array)[row * 20]! > 0;
              const wanted =
                row === 3 ? Number.NaN : column !== 33 ? undefined : isPositive ? Number.POSITIVE_INFINITY : 0;
              if (wanted === undefined) expect(Number.isFinite(x)).toBe(true);
              else expect(x).toBe(wanted);
            });
          }
        });

        it('says so where sizes that were symbols do not fit', async () => {
          const shapes = [tensor([3, 4], 1), tensor([5, 6], 2)];
          await expect(run(backend, 'variable', shapes, [3, 6])).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
        });
      });
    }
  }
});
