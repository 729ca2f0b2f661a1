import { createJsBackend } from '@espalier/backend-js';
import { conformanceTests } from '@espalier/conformance';
import {
  byteLength,
  type Call,
  createEvaluator,
  type DType,
  type EpilogueStep,
  isRejection,
  type Node,
  onnxOps,
  Tensor,
} from '@espalier/core';
import { remembered } from '@espalier/lowering';
import { afterAll, describe, expect, it } from 'vitest';
import { createNativeBackend, type NativeBackend } from '../src/index.ts';
import { cutOf, linesOf, rowMajor } from '../src/kernels/matmul_sparse/cut.ts';

const found = createNativeBackend({ guard: true });
const reason = 'reason' in found ? found.reason : found.features.has('avx512') ? undefined : 'no AVX-512 here';
if (reason) it.skip(`multiplies sparse matrices (${reason})`, () => {});

const js = createEvaluator(createJsBackend(), onnxOps);

/** Numbers in [-1, 1), the same in every run; all but a share of `density` are zero. */
function tensor(dims: readonly number[], seed: number, density = 1): Tensor {
  let state = seed * 2654435761 + 1;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const size = dims.reduce((x, y) => x * y, 1);
  const data = Float32Array.from({ length: size }, () => {
    const [value, chance] = [next(), (next() + 1) / 2];
    return chance < density ? value : 0;
  });
  return new Tensor('float32', data, dims);
}

it('looks at a constant once, though its tensor is lent', () => {
  let looked = 0;
  const of = remembered(() => ++looked);
  const structure = { elements: 4, nonzeros: 2 };
  expect([1, 2].map((seed) => of({ tensor: tensor([2, 2], seed), structure }))).toEqual([1, 1]);
  expect(of({ tensor: tensor([2, 2], 1), structure: { ...structure } })).toBe(2);
});

describe.skipIf(reason)('products by sparse matrices', () => {
  if (reason) return;
  const whole = found as NativeBackend;
  const kernels = whole.kernels.filter(({ name }) => /matmul_\w+_(stream|quads|blocks1x4)_/.test(name));
  afterAll(() => whole.dispose());

  for (const { name, run, skip } of conformanceTests({ ...whole, kernels }, { runs: 40 })) it.skipIf(skip)(name, run);

  const kinds = {
    stream: { op: 'MatMul', domain: '', weights: [1] },
    quads: { op: 'QuantizedMatMul', domain: 'espalier', weights: [3, 4, 5] },
    blocks1x4: { op: 'QuantizedMatMul', domain: 'espalier', weights: [3, 4, 5] },
  };

  async function run(
    kind: keyof typeof kinds,
    inputs: readonly Tensor[],
    dims: readonly number[],
    epilogue: readonly EpilogueStep[],
    dtype: DType = 'float32',
  ) {
    const { op, domain, weights } = kinds[kind];
    const kernel = kernels.find(({ name }) => name.includes(`_${kind}_`));
    const call: Call = {
      ...{ node: 'product', op, domain, attrs: {}, epilogue },
      inputs: inputs.map(({ type, dims: shape }) => ({ dtype: type, shape })),
      outputs: [{ dtype, shape: dims }],
    };
    const constants = inputs.map((tensor, i) => {
      if (!weights.includes(i)) return undefined;
      const nonzeros = [...(tensor.data as Float32Array)].filter((value) => value !== 0).length;
      return { tensor, structure: { elements: tensor.size, nonzeros } };
    });
    // What is too dense to pay is computed all the same when asked to.
    const asked = kernel!.work(call, {}, constants);
    if (isRejection(asked)) expect(asked.reason).toBe('hardly any of its weights is zero');
    const program = await kernel!.prepare!(call, constants, { features: whole.features });
    const y = whole.alloc(
      byteLength(
        dtype,
        dims.reduce((product, d) => product * d, 1),
      ),
    );
    const buffers = [...inputs.map(({ bytes }) => whole.alloc(bytes.byteLength)), y];
    for (const [i, { bytes }] of inputs.entries()) whole.write(buffers[i]!, 0, bytes);
    const slots = inputs.map((_, i) => (program.packed!.includes(i) ? undefined : i));
    const list = whole.record([{ call, kernel: kernel!.name, program, inputs: slots, outputs: [inputs.length] }]);
    await list.run(
      buffers.map((buffer) => ({ buffer, offset: 0 })),
      {},
    );
    const result = Tensor.fromBytes(dtype, y.view.slice(), dims).data as Float32Array;
    list.dispose();
    program.dispose!();
    for (const buffer of buffers) whole.free(buffer);
    return result;
  }

  const evaluate = async (op: string, inputs: readonly Tensor[], attrs: Node['attrs'] = {}): Promise<Tensor> => {
    const names = inputs.map((_, i) => `input ${i}`);
    return (await js({ name: op, op, domain: '', inputs: names, outputs: ['y'], attrs }, inputs))[0]!;
  };

  /** Compares with the scalar backend, within the rounding of k additions of the terms' magnitudes (Higham, 3.1). */
  async function compare(x: Tensor, w: Tensor, steps: readonly EpilogueStep[] = [], more: readonly Tensor[] = []) {
    const inputs = [x, w, ...more];
    const size = (t: Tensor): Tensor => new Tensor('float32', (t.data as Float32Array).map(Math.abs), t.dims);
    let wanted = await evaluate('MatMul', [x, w]);
    const terms = await evaluate('MatMul', [size(x), size(w)]);
    for (const { op, attrs, inputs: own, position } of steps) {
      const operands = own.map((i) => inputs[i]!);
      wanted = await evaluate(op, operands.toSpliced(position, 0, wanted), attrs);
    }
    const got = await run('stream', inputs, wanted.dims, steps);
    const bound = (x.dims.at(-1)! + 8) * 2 ** -24;
    const worst = got.findIndex(
      (y, i) => !(Math.abs(y - (wanted.data[i] as number)) <= bound * (1 + (terms.data[i] as number))),
    );
    expect(worst, `[${x.dims}] x [${w.dims}]`).toBe(-1);
  }

  it('has groups, tiles and chunks of every size at every density', async () => {
    let seed = 1;
    for (const density of [0, 0.01, 0.05, 0.1, 0.5, 0.9])
      for (const [m, k, n] of [
        [1, 1, 1],
        [15, 16, 28],
        [16, 17, 29],
        [17, 300, 57],
        [33, 900, 31],
        [70, 64, 500],
        [5, 1600, 100],
      ] as const) {
        await compare(tensor([m, k], seed++), tensor([k, n], seed++, density));
      }
  });

  it('has many tiles, and rows in several axes', async () => {
    await compare(tensor([1200, 40], 1), tensor([40, 60], 2, 0.2));
    await compare(tensor([2, 3, 7, 40], 3), tensor([40, 60], 4, 0.2));
    await compare(tensor([40], 5), tensor([40, 60], 6, 0.2));
    await compare(tensor([0, 40], 5), tensor([40, 60], 6, 0.2));
    await compare(tensor([4, 0], 5), tensor([0, 60], 6, 0.2));
    await compare(tensor([4, 40], 5), tensor([40, 0], 6, 0.2));
  });

  it('does the epilogue on rows and columns', async () => {
    const steps: EpilogueStep[] = [
      { op: 'Add', attrs: {}, inputs: [2], position: 0 },
      { op: 'Gelu', attrs: { approximate: 'none' }, inputs: [], position: 0 },
      { op: 'Mul', attrs: {}, inputs: [3], position: 0 },
      { op: 'Sub', attrs: {}, inputs: [4], position: 1 },
    ];
    for (const [m, n] of [
      [37, 61],
      [16, 16],
      [3, 130],
    ] as const) {
      const more = [tensor([n], 7), tensor([m, n], 8), tensor([m, 1], 9)];
      await compare(tensor([m, 50], 5), tensor([50, n], 6, 0.3), steps, more);
    }
  });

  describe('of bytes', () => {
    const bytes = (type: 'int8' | 'uint8', dims: readonly number[], seed: number, density = 1): Tensor => {
      const floats = tensor(dims, seed, density).data as Float32Array;
      const integers = floats.map((x) => Math.trunc(x * 255.9));
      return new Tensor(type, type === 'int8' ? new Int8Array(integers) : new Uint8Array(integers), dims);
    };
    const one = (value: number): Tensor => new Tensor('float32', Float32Array.of(value), []);

    it.each(['quads', 'blocks1x4'] as const)('are exact as %s for every density, tile and tail', async (kind) => {
      let seed = 1;
      for (const type of ['uint8', 'int8'] as const)
        for (const density of [0, 0.03, 0.1, 0.3, 0.9])
          for (const [m, depth, n] of [
            [1, 1, 1],
            [15, 64, 16],
            [16, 65, 17],
            [63, 130, 33],
            [64, 256, 4],
            [130, 700, 50],
            [600, 20, 70],
          ] as const) {
            const k = kind === 'quads' ? depth : 4 * Math.ceil(depth / 4);
            const inputs = [
              ...[bytes(type, [m, k], seed++), one(2 ** -6), new Tensor(type, [type === 'int8' ? -77 : 131], [])],
              ...[
                bytes('int8', [k, n], seed++, density),
                tensor([n], seed++),
                new Tensor('int8', new Int8Array(n), [n]),
              ],
            ];
            const node = {
              ...{ name: 'q', op: 'QuantizedMatMul', domain: 'espalier', attrs: {}, outputs: ['y'] },
              inputs: inputs.map((_, i) => `input ${i}`),
            };
            const [wanted] = await js(node, inputs);
            const got = await run(kind, inputs, wanted!.dims, []);
            // The sums are exact; their scaling may round once more.
            const worst = got.findIndex(
              (y, i) => !(Math.abs(y - (wanted!.data[i] as number)) <= 2 ** -22 * Math.abs(wanted!.data[i] as number)),
            );
            expect(worst, `${type} [${m},${k}] x [${k},${n}] ${density}`).toBe(-1);
          }
    });

    it.each(['quads', 'blocks1x4'] as const)('as %s add levels and end in some', async (kind) => {
      const [m, k, n] = [70, 92, 37];
      const inputs = [
        ...[bytes('uint8', [m, k], 1), one(2 ** -7), new Tensor('uint8', [100], [])],
        ...[bytes('int8', [k, n], 2, 0.2), tensor([n], 3), new Tensor('int8', new Int8Array(n), [n])],
        ...[tensor([n], 4), one(2 ** -4), new Tensor('uint8', [90], [])],
        ...[bytes('int8', [m, n], 5), one(2 ** -6), new Tensor('int8', [-9], [])],
      ];
      const steps: EpilogueStep[] = [
        { op: 'Add', attrs: {}, inputs: [6], position: 0 },
        { op: 'DequantizeAdd', attrs: {}, inputs: [9, 10, 11], position: 0 },
        { op: 'QuantizeLinear', attrs: {}, inputs: [7, 8], position: 0 },
      ];
      const names = inputs.map((_, i) => `input ${i}`);
      const node = { name: 'q', op: 'QuantizedMatMul', domain: 'espalier', attrs: {}, outputs: ['y'] };
      const [product] = await js({ ...node, inputs: names.slice(0, 6) }, inputs.slice(0, 6));
      const biased = await evaluate('Add', [product!, inputs[6]!]);
      const sum = await evaluate('Add', [biased, await evaluate('DequantizeLinear', inputs.slice(9))]);
      const wanted = await evaluate('QuantizeLinear', [sum, inputs[7]!, inputs[8]!]);
      const got = await run(kind, inputs, [m, n], steps, 'uint8');
      const off = [...got].filter((y, i) => Math.abs(y - (wanted.data[i] as number)) > 0).length;
      expect(off).toBeLessThan(5);
      expect(new Set(got).size).toBeGreaterThan(20);
    });
  });

  it('counts the lines that groups load', () => {
    const [k, n] = [40, 100];
    const w = tensor([k, n], 3, 0.02);
    const cut = cutOf(k, n, 80);
    const columns = [0, ...cut.units.flatMap((groups) => groups.slice(1))];
    let lines = 0;
    for (let row = 0; row < k; row++)
      for (let g = 0; g + 1 < columns.length; g++) {
        const part = (w.data as Float32Array).subarray(row * n + columns[g]!, row * n + columns[g + 1]!);
        if (part.some((x) => x !== 0)) lines++;
      }
    expect(linesOf(rowMajor(w.data as Float32Array, n), cut)).toBe(lines);
    expect(columns.at(-1)).toBe(n);
    expect(cut.rows.at(-1)).toBe(k);
  });
});
