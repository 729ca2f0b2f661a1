import { type Call, type EpilogueStep, fromBFloat16, type Step, Tensor, toBFloat16 } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { createNativeBackend, type NativeBackend, type NativeProgram } from '../src/index.ts';
import { findTiles } from './amx/tiles.ts';

const tiles = findTiles();
const options = 'reason' in tiles ? {} : { assume: tiles.assume };
const found = createNativeBackend({ ...options, precision: 'bfloat16' });
const features = 'reason' in found ? new Set<string>() : found.features;
for (const isa of ['amxbf16', 'avx512bf16'] as const) {
  const reason =
    'reason' in found ? found.reason : isa === 'amxbf16' && 'reason' in tiles ? tiles.reason : 'no AVX512-BF16';
  if (!has(isa)) it.skip(`multiplies in bfloat16 with ${isa} (${reason})`, () => {});
}

function has(isa: string): boolean {
  if ('reason' in found || !features.has('avx512') || !features.has('avx512-bf16')) return false;
  return isa === 'avx512bf16' || features.has('amx-bf16');
}

type Dims = readonly number[];
const size = (dims: Dims): number => dims.reduce((x, y) => x * y, 1);

/** Numbers in [-1, 1) that are the same in every run. */
function tensor(dims: Dims, seed: number): Tensor {
  let state = seed * 2654435761 + 1;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  return new Tensor('float32', Float32Array.from({ length: size(dims) }, next), dims);
}

const rounded = (t: Tensor): number[] => Array.from(t.data as Float32Array, (x) => fromBFloat16(toBFloat16(x)));

/** Rows of A by a matrix in double precision, of what was rounded; and the sums of magnitudes. */
function product(a: Tensor, b: Tensor): { sums: Float64Array; terms: Float64Array } {
  const k = a.dims.at(-1)!;
  const n = b.dims.length > 1 ? b.dims[1]! : 1;
  const [left, right] = [rounded(a), rounded(b)];
  const rows = k > 0 ? left.length / k : 0;
  const [sums, terms] = [new Float64Array(rows * n), new Float64Array(rows * n)];
  for (let i = 0; i < rows; i++)
    for (let p = 0; p < k; p++) {
      const x = left[i * k + p]!;
      for (let j = 0; j < n; j++) {
        const term = x * right[p * n + j]!;
        sums[i * n + j]! += term;
        terms[i * n + j]! += Math.abs(term);
      }
    }
  return { sums, terms };
}

/** A product by constant weights, prepared once, for inputs with any number of rows. */
async function prepare(backend: NativeBackend, isa: string, b: Tensor, epilogue: readonly EpilogueStep[] = []) {
  const kernel = backend.kernels.find(({ name }) => name.startsWith('matmul_f32bf16') && name.endsWith(`__${isa}`))!;
  expect(kernel.requires!.every((feature) => backend.features.has(feature))).toBe(true);
  const constants = [undefined, { tensor: b, structure: { elements: b.size, nonzeros: b.size } }];
  const desc = (shape: readonly (number | string)[]) => ({ dtype: 'float32', shape }) as const;
  let program: NativeProgram | undefined;
  return {
    async run([a, ...others]: readonly Tensor[], y: Dims): Promise<Float32Array> {
      // All sizes but those of the weights are symbols.
      const symbols = (dims: Dims): (number | string)[] => dims.map((d) => (b.dims.includes(d) ? d : `of${d}`));
      const call: Call = {
        ...{ node: 'product', op: 'MatMul', domain: '', attrs: {}, epilogue },
        ...{
          inputs: [a!, b, ...others].map((t, i) => desc(i === 0 ? symbols(t.dims) : t.dims)),
          outputs: [desc(symbols(y))],
        },
      };
      const at = Object.fromEntries([...a!.dims, ...y].map((d) => [`of${d}`, d]));
      expect(kernel.work(call, at, constants)).not.toHaveProperty('reason');
      program ??= (await kernel.prepare!(call, constants, { features: backend.features })) as NativeProgram;
      const result = backend.alloc(4 * size(y));
      const tensors = [a!, ...others];
      const buffers = [...tensors.map(({ bytes }) => backend.alloc(bytes.byteLength)), result];
      for (const [i, { bytes }] of tensors.entries()) backend.write(buffers[i]!, 0, bytes);
      const inputs = [0, undefined, ...others.map((_, i) => 1 + i)];
      const step: Step<NativeProgram> = { call, kernel: kernel.name, program, inputs, outputs: [tensors.length] };
      const list = backend.record([step]);
      await list.run(
        buffers.map((buffer) => ({ buffer, offset: 0 })),
        at,
      );
      const copy = new Float32Array(result.view.slice().buffer);
      list.dispose();
      for (const buffer of buffers) backend.free(buffer);
      return copy;
    },
    dispose: () => program?.dispose?.(),
  };
}

/** Compares with the product of what was rounded, within the rounding of k additions of the terms' magnitudes (Higham, 3.1). */
function check(got: Float32Array, a: Tensor, b: Tensor, finish = (x: number, _i: number): number => x): void {
  const { sums, terms } = product(a, b);
  const bound = (a.dims.at(-1)! + 4) * 2 ** -24;
  expect(got).toHaveLength(sums.length);
  const worst = got.findIndex((x, i) => !(Math.abs(x - finish(sums[i]!, i)) <= bound * (terms[i]! + 1)));
  expect(worst, `[${a.dims}] x [${b.dims}]`).toBe(-1);
}

describe.each(['amxbf16', 'avx512bf16'])('products in bfloat16, %s', (isa) => {
  describe.skipIf(!has(isa)).each([1, 2])('%d threads', (threads) => {
    const backend = createNativeBackend({ ...options, precision: 'bfloat16', guard: true, threads }) as NativeBackend;

    it('have blocks and panels of every size', async () => {
      for (const [k, n] of [
        [1, 1],
        [31, 17],
        [32, 32],
        [33, 33],
        [64, 70],
        [130, 48],
      ] as const) {
        const b = tensor([k, n], k);
        const multiply = await prepare(backend, isa, b);
        for (const m of k === 130 ? [1, 2, 3, 7, 14, 15, 16, 17, 31, 32, 33, 49, 65, 100] : [1, 5, 29, 40]) {
          const a = tensor([m, k], m);
          check(await multiply.run([a], [m, n]), a, b);
        }
        multiply.dispose();
      }
    });

    it('are cut into many units, and take more axes and vectors', async () => {
      for (const [a, b, y] of [
        [
          [300, 100],
          [100, 530],
          [300, 530],
        ],
        [
          [1, 1536],
          [1536, 389],
          [1, 389],
        ],
        [
          [3, 1, 50, 64],
          [64, 50],
          [3, 1, 50, 50],
        ],
        [[129], [129, 65], [65]],
        [[5, 16, 129], [129], [5, 16]],
      ] as const) {
        const [left, right] = [tensor(a, 1), tensor(b, 2)];
        const multiply = await prepare(backend, isa, right);
        check(await multiply.run([left], y), left, right);
        multiply.dispose();
      }
    });

    it('go through the epilogue, whose operands may follow rows, columns or matrices', async () => {
      const relu: EpilogueStep = { op: 'Relu', attrs: {}, inputs: [], position: 0 };
      const add: EpilogueStep = { op: 'Add', attrs: {}, inputs: [2], position: 0 };
      const [a, b] = [tensor([4, 37, 40], 1), tensor([40, 70], 2)];
      for (const dims of [[70], [1], [4, 37, 70], [37, 70], [4, 1, 70], [4, 37, 1]]) {
        const other = tensor(dims, 3);
        const multiply = await prepare(backend, isa, b, [add, relu]);
        const [rows, row] = [dims.at(-2) ?? 1, dims.at(-1)!];
        const at = (i: number): number => {
          const [matrix, line, column] = [Math.floor(i / 70 / 37), Math.floor(i / 70) % 37, i % 70];
          const index =
            ((dims.length === 3 ? matrix : 0) * rows + (rows === 1 ? 0 : line)) * row + (row === 1 ? 0 : column);
          return (other.data as Float32Array)[index]!;
        };
        check(await multiply.run([a, other], [4, 37, 70]), a, b, (x, i) => Math.max(0, x + at(i)));
        multiply.dispose();
      }
    });

    it('are zeros through the epilogue where there is nothing to add up', async () => {
      const relu: EpilogueStep = { op: 'Relu', attrs: {}, inputs: [], position: 0 };
      const add: EpilogueStep = { op: 'Add', attrs: {}, inputs: [2], position: 0 };
      const bias = tensor([35], 3);
      const empty = await prepare(backend, isa, tensor([0, 35], 2), [add, relu]);
      const row = Array.from(bias.data as Float32Array, (x) => Math.max(x, 0));
      expect([...(await empty.run([tensor([3, 0], 1), bias], [3, 35]))]).toEqual([...row, ...row, ...row]);
      empty.dispose();
      const none = await prepare(backend, isa, tensor([3, 4], 2));
      expect(await none.run([tensor([0, 3], 1)], [0, 4])).toHaveLength(0);
      none.dispose();
      const narrow = await prepare(backend, isa, tensor([3, 0], 2));
      expect(await narrow.run([tensor([4, 3], 1)], [4, 0])).toHaveLength(0);
      narrow.dispose();
    });

    it('let NaN and infinity through, into their own rows and columns alone', async () => {
      const [a, b] = [tensor([35, 20], 1), tensor([20, 40], 2)];
      (a.data as Float32Array)[3 * 20 + 19] = Number.NaN;
      (b.data as Float32Array)[33] = Number.POSITIVE_INFINITY;
      const multiply = await prepare(backend, isa, b);
      const got = await multiply.run([a], [35, 40]);
      got.forEach((x, i) => {
        const [line, column] = [Math.floor(i / 40), i % 40];
        if (line === 3) expect(x).toBeNaN();
        else if (column === 33) expect(Math.abs(x)).toBe(Number.POSITIVE_INFINITY);
        else expect(Number.isFinite(x)).toBe(true);
      });
      multiply.dispose();
    });

    it('say so where sizes that were symbols do not fit', async () => {
      const multiply = await prepare(backend, isa, tensor([5, 6], 2));
      await expect(multiply.run([tensor([3, 4], 1)], [3, 6])).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
      multiply.dispose();
    });
  });
});

it.skipIf('reason' in found)('are there only when asked for', () => {
  const plain = createNativeBackend(options) as NativeBackend;
  expect(plain.kernels.filter(({ name }) => name.includes('bf16'))).toEqual([]);
  plain.dispose();
});
