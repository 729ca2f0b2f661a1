/** Products with weights of few bits, in sizes that the conformance tests do not have: chunks of K, many units, every granularity. */

import { createJsBackend } from '@espalier/backend-js';
import {
  type Call,
  createEvaluator,
  type DType,
  ESPALIER,
  elements,
  type Node,
  onnxOps,
  Tensor,
  writeNibble,
} from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { createNativeBackend, type NativeBackend, type NativeProgram } from '../src/index.ts';

const found = createNativeBackend();
if ('reason' in found) it.skip(`widens weights (${found.reason})`, () => {});

const evaluate = createEvaluator(createJsBackend(), onnxOps);

/** Whole numbers in [0, below) that are the same in every run. */
function numbers(size: number, seed: number, below: number): number[] {
  let state = seed * 2654435761 + 1;
  return Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  });
}

const product = (dims: readonly number[]): number => dims.reduce((x, y) => x * y, 1);

function floats(dims: readonly number[], seed: number, low: number, high: number): Tensor {
  const data = numbers(product(dims), seed, 1000).map((x) => low + ((high - low) * x) / 1000);
  return new Tensor('float32', data, dims);
}

function integers(type: DType, dims: readonly number[], seed: number, levels?: number): Tensor {
  if (levels) {
    const own = numbers(product(dims), seed, levels).map((level) => level - 3);
    return new Tensor('int8', Int8Array.from(own), dims);
  }
  const isNibble = type.endsWith('4');
  const bytes = numbers(isNibble ? Math.ceil(product(dims) / 2) : product(dims), seed, 256);
  return Tensor.fromBytes(type, Uint8Array.from(bytes), dims);
}

/** The same with zeros instead of some elements, and in the whole of the first rows. */
function pruned(tensor: Tensor, zeros = 0): Tensor {
  if (zeros === 0) return tensor;
  const kept = numbers(tensor.size, 11, 1000).map((x, i) => x >= 1000 * zeros && i > 8 * tensor.dims[1]!);
  const own = elements(tensor).map((x, i) => (kept[i] ? (x as number) : 0));
  if (!tensor.type.endsWith('4')) return new Tensor(tensor.type, own, tensor.dims);
  const bytes = new Uint8Array(Math.ceil(own.length / 2));
  for (const [i, x] of own.entries()) writeNibble(bytes, i, x);
  return Tensor.fromBytes(tensor.type, bytes, tensor.dims);
}

/** A first row without zeros, a second one of nothing else, others with more of them than not. */
function thresholded(tensor: Tensor): Tensor {
  const kept = numbers(tensor.size, 13, 1000).map((x) => x >= 600);
  const row = (i: number): number => Math.floor(i / tensor.dims[1]!);
  const own = (tensor.data as Float32Array).map((x, i) => (row(i) === 0 || (row(i) > 1 && kept[i]) ? x : 0));
  return new Tensor('float32', own, tensor.dims);
}

interface Weights {
  readonly type: DType;
  readonly k: number;
  readonly n: number;
  readonly axis: number;
  readonly block: number;
  readonly dims: readonly number[];
  readonly hasZero: boolean;
  /** Whether most elements of A are zero. */
  readonly sparseInput?: boolean;
  /** How many levels of int8 there are, from -3 on; all where absent. */
  readonly levels?: number;
  /** Share of weights that are zero at least. */
  readonly zeros?: number;
}

/** Products of either size of weights that the processor can do. */
const allKernels = ({ kernels, features }: NativeBackend): number =>
  kernels.filter(
    ({ name, op, types, requires }) =>
      op === 'DequantizeMatMul' &&
      !name.includes('active') &&
      types!['W']!.includes('int8') &&
      requires!.every((f) => features.has(f)),
  ).length;

/** Each kernel that takes the weights, against the scalar backend; their names. */
async function compare(backend: NativeBackend, weights: Weights, rows: number[]): Promise<string[]> {
  const names: string[] = [];
  for (const kernel of backend.kernels)
    if (
      kernel.op === 'DequantizeMatMul' &&
      kernel.types!['W']!.includes(weights.type) &&
      kernel.requires!.every((f) => backend.features.has(f)) &&
      (await compareKernel(backend, kernel, weights, rows))
    )
      names.push(kernel.name);
  expect(names).not.toEqual([]);
  return names;
}

async function compareKernel(
  backend: NativeBackend,
  kernel: NativeBackend['kernels'][number],
  { type, k, n, axis, block, dims, hasZero, levels, zeros, sparseInput }: Weights,
  rows: number[],
): Promise<boolean> {
  const attrs = { axis, block_size: block, sparse_input: Number(sparseInput ?? false) };
  const weights = [
    pruned(integers(type, [k, n], k + n, levels), zeros),
    floats(dims, 7, 0.01, 0.02),
    ...(hasZero ? [integers(type, dims, 9, levels)] : []),
  ];
  const call: Call = {
    ...{ node: 'product', op: 'DequantizeMatMul', domain: ESPALIER, attrs, epilogue: [] },
    inputs: [{ dtype: 'float32', shape: ['rows', k] }, ...weights.map((t) => ({ dtype: t.type, shape: t.dims }))],
    outputs: [{ dtype: 'float32', shape: ['rows', n] }],
  };
  const constants = [
    undefined,
    ...weights.map((tensor) => ({ tensor, structure: { elements: tensor.size, nonzeros: tensor.size } })),
  ];
  if ('reason' in kernel.work(call, { rows: 1 }, constants)) return false;
  const program = (await kernel.prepare!(call, constants, { features: backend.features })) as NativeProgram;
  const list = backend.record([{ call, kernel: kernel.name, program, inputs: [0], outputs: [1] }]);
  const of = (op: string, domain: string, count: number, own: Node['attrs']): Node => {
    const inputs = Array.from({ length: count }, (_, i) => `i${i}`);
    return { name: op, op, domain, inputs, outputs: ['y'], attrs: own };
  };
  const { sparse_input: _, ...plain } = attrs;
  const [wide] = await evaluate(of('DequantizeLinear', '', weights.length, plain), weights);
  const matmul = of('MatMul', '', 2, {});
  for (const m of rows) {
    const dense = floats([m, k], m, -1, 1);
    const a = sparseInput ? thresholded(dense) : dense;
    const slots = [a.bytes.length, 4 * m * n].map((bytes) => ({ buffer: backend.alloc(bytes), offset: 0 }));
    backend.write(slots[0]!.buffer, 0, a.bytes);
    await list.run(slots, { rows: m });
    const got = new Float32Array(slots[1]!.buffer.view.slice().buffer);
    const [wanted] = await evaluate(matmul, [a, wide]);
    const size = (t: Tensor): Tensor => new Tensor('float32', (t.data as Float32Array).map(Math.abs), t.dims);
    const [terms] = await evaluate(matmul, [size(a), size(wide!)]);
    const worst = got.findIndex((x, i) => {
      return !(Math.abs(x - (wanted!.data[i] as number)) <= (Math.sqrt(k) + 4) * 2 ** -23 * (terms!.data[i] as number));
    });
    expect(worst, `${kernel.name} ${type} ${m} x ${k} x ${n}, axis ${axis}, blocks of ${block}, scales [${dims}]`).toBe(
      -1,
    );
    for (const { buffer } of slots) backend.free(buffer);
  }
  list.dispose();
  program.dispose!();
  return true;
}

/** Features to hide: with none AVX-512 computes, where the processor has it. */
const masks =
  'reason' in found ? [] : found.features.has('avx512') ? ([[], ['avx512']] as const) : ([['avx512']] as const);

describe.skipIf(masks.length === 0)('products with weights of few bits', () => {
  for (const mask of masks) {
    describe(mask.length > 0 ? 'avx2' : 'avx512', () => {
      const backend = createNativeBackend({ mask, guard: true, threads: 2 }) as NativeBackend;

      it('scales by tensor, column, row and block', async () => {
        for (const [i, type] of (['int8', 'uint8', 'int4', 'uint4'] as const).entries()) {
          const [k, n] = [70 + i, 45 + i];
          const base = { type, k, n, block: 0 };
          const all: Weights[] = [
            { ...base, axis: 1, dims: [], hasZero: i % 2 === 0 },
            { ...base, axis: 1, dims: [n], hasZero: i % 2 === 1 },
            { ...base, axis: 0, dims: [k], hasZero: true },
            { ...base, axis: 0, dims: [Math.ceil(k / 16), n], block: 16, hasZero: i % 2 === 0 },
            { ...base, axis: 1, dims: [k, 2], block: 32, hasZero: true },
            { ...base, axis: 1, dims: [k, Math.ceil(n / 5)], block: 5, hasZero: false },
          ];
          for (const weights of all) await compare(backend, weights, [1, 3, 14, 15, 37]);
        }
      });

      it('cuts K into chunks that keep blocks whole', async () => {
        const [k, n] = [1000, 97];
        const base = { k, n, axis: 0, hasZero: true };
        await compare(backend, { ...base, type: 'int8', axis: 1, block: 0, dims: [n] }, [1, 130]);
        await compare(backend, { ...base, type: 'int4', block: 48, dims: [21, n] }, [2, 31]);
        await compare(backend, { ...base, type: 'uint4', block: 600, dims: [2, n] }, [7, 31]);
        await compare(backend, { ...base, type: 'uint8', block: 0, dims: [k] }, [0, 5, 90]);
      });

      it('stores few levels in few bits', async () => {
        for (const levels of [4, 8, 16, 17]) {
          const [k, n] = [177, 37];
          const base = { type: 'int8', k, n, levels } as const;
          await compare(backend, { ...base, axis: 1, block: 0, dims: [n], hasZero: true }, [1, 6]);
          await compare(backend, { ...base, axis: 0, block: 32, dims: [6, n], hasZero: levels === 8 }, [1, 2, 7]);
          await compare(backend, { ...base, axis: 0, block: 0, dims: [k], hasZero: true }, [1, 4]);
        }
      });

      it('leaves out zeros', async () => {
        for (const zeros of [0.3, 0.8, 1]) {
          const [k, n] = [177, 37];
          const base = { k, n, zeros, hasZero: false } as const;
          const grouped = { ...base, axis: 0, block: 48, dims: [4, n] };
          expect(await compare(backend, { ...base, type: 'int8', axis: 1, block: 0, dims: [n] }, [1, 6])).toHaveLength(
            allKernels(backend),
          );
          expect(await compare(backend, { ...base, type: 'uint8', axis: 0, block: 0, dims: [k] }, [1, 3])).toHaveLength(
            allKernels(backend),
          );
          expect(await compare(backend, { ...grouped, type: 'int4' }, [1, 2, 7])).toHaveLength(allKernels(backend));
          expect(await compare(backend, { ...grouped, type: 'int8', levels: 7 }, [1, 4])).toHaveLength(
            allKernels(backend),
          );
          expect(
            await compare(backend, { ...base, type: 'uint4', axis: 1, block: 0, dims: [n] }, [0, 1, 5]),
          ).toHaveLength(allKernels(backend));
        }
      });

      it('skips the weights of zeros', async () => {
        const [k, n] = [177, 145];
        const base = { k, n, sparseInput: true, hasZero: false } as const;
        const names = await compare(backend, { ...base, type: 'int8', axis: 1, block: 0, dims: [n] }, [1, 6]);
        expect(names.some((name) => name.includes('active'))).toBe(
          ['avx512', 'avx512-vnni'].every((f) => backend.features.has(f as 'avx512')),
        );
        await compare(backend, { ...base, n: 37, type: 'uint8', axis: 1, block: 0, dims: [] }, [0, 1, 3]);
        await compare(backend, { ...base, n: 1100, type: 'int8', axis: 1, block: 0, dims: [1100] }, [3]);
        await compare(backend, { ...base, n: 1100, type: 'uint4', axis: 0, block: 160, dims: [2, 1100] }, [3]);
        await compare(backend, { ...base, type: 'int4', axis: 0, block: 48, dims: [4, n] }, [1, 9]);
        await compare(backend, { ...base, n: 128, type: 'int8', axis: 0, block: 16, dims: [12, 128], levels: 7 }, [12]);
      });

      it('packs large weights a part at a time, blocks whole', async () => {
        const [k, n] = [1000, 401];
        const base = { type: 'int8', k, n, hasZero: true } as const;
        await compare(backend, { ...base, axis: 0, block: 96, dims: [11, n] }, [3]);
        await compare(backend, { ...base, axis: 0, block: 0, dims: [k] }, [3]);
        await compare(backend, { ...base, axis: 1, block: 0, dims: [n] }, [3]);
      });
    });
  }
});
