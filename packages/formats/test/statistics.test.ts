// Counts, against counting one by one.

import { allDTypes, type DType, dtypes, type Graph, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { axesOf, bsr, csr, type Matrices, nm, rowMajor, statistics, weightMatrices, weightsOf } from '../src/index.ts';

const random = (size: number, share: number, seed = 1): Float32Array => {
  let state = seed;
  return Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 < share ? 0 : state;
  });
};

const views: Readonly<Record<string, (dims: readonly number[]) => Matrices>> = {
  'row by row': rowMajor,
  'as a weight of MatMul': (dims) => weightMatrices('product', axesOf(dims))!,
  'as a weight of Conv': (dims) => weightMatrices('convolution', axesOf(dims))!,
};

describe.each(Object.keys(views))('%s', (view) => {
  const shapes = [
    [35, 22],
    [16, 16],
    [3, 40],
    [40, 3],
    [3, 18, 9],
    [18, 9, 3, 2],
    [0, 4],
    [4, 0],
  ];
  it.each(shapes.map((dims) => ({ dims })))('blocks of $dims are those that bsr stores', async ({ dims }) => {
    const matrices = views[view]!(dims);
    for (const share of [0, 0.5, 0.9, 0.99, 1]) {
      const tensor = new Tensor(
        'float32',
        random(
          dims.reduce((a, b) => a * b, 1),
          share,
        ),
        dims,
      );
      const { nonzeros, elements, blocks } = await statistics(tensor, { matrices });
      expect([elements, nonzeros]).toEqual([tensor.size, (await csr.encode(tensor, { matrices })).values.length]);
      for (const [name, rows] of [
        ['1x4', 1],
        ['16x4', 16],
      ] as const) {
        const encoded = await bsr.encode(tensor, { rows, columns: 4 }, { matrices });
        expect(blocks[name].nonzero).toBe(encoded.coordinates.length);
        expect(blocks[name].total).toBe((encoded.positions.length - 1) * Math.ceil(matrices.inputs / 4));
      }
    }
  });

  it('patterns are those that can be encoded', async () => {
    for (let seed = 1; seed < 40; seed++) {
      const tensor = new Tensor('float32', random(16 * 17, [0.5, 0.8, 0.93][seed % 3]!, seed), [16, 17]);
      const matrices = views[view]!(tensor.dims);
      const { patterns } = await statistics(tensor, { matrices });
      for (const [n, m] of [
        [2, 4],
        [4, 8],
      ] as const) {
        const holds = await nm.encode(tensor, { n, m }, { matrices }).then(
          () => true,
          () => false,
        );
        const isWide = matrices.inputs >= m;
        expect(patterns.includes(`${n}:${m}` as '2:4')).toBe(holds && isWide);
      }
    }
  });
});

it('sees 2:4 and 4:8, along inputs only', async () => {
  const tensor = new Tensor(
    'float32',
    Float32Array.from({ length: 64 }, (_, i) => Number(i % 4 < 2)),
    [8, 8],
  );
  expect((await statistics(tensor)).patterns).toEqual(['2:4', '4:8']);
  expect((await statistics(tensor, { matrices: views['as a weight of MatMul']!([8, 8]) })).patterns).toEqual([]);
  const uneven = new Tensor('float32', [1, 1, 1, 0, 0, 0, 0, 1], [1, 8]);
  expect((await statistics(uneven)).patterns).toEqual(['4:8']);
});

it.each(allDTypes.filter((type) => type !== 'string'))(
  '%s: zeros of either sign are zeros, all else is not',
  async (type: DType) => {
    const { bits, kind } = dtypes[type];
    const bytes = new Uint8Array((8 * bits) / 8);
    const top = new DataView(bytes.buffer);
    // The last element has only its highest bit set: -0 for floats.
    top.setUint8(bytes.length - 1, 0x80);
    // The first has only its lowest.
    bytes[0] = 1;
    const { nonzeros, distinct } = await statistics(Tensor.fromBytes(type, bytes, [8]));
    expect([nonzeros, distinct]).toEqual([kind === 'float' ? 1 : 2, 3]);
  },
);

it('counts values up to 256', async () => {
  const of = (count: number): Tensor =>
    new Tensor(
      'float32',
      Float32Array.from({ length: 1000 }, (_, i) => i % count),
    );
  expect((await statistics(of(256))).distinct).toBe(256);
  expect((await statistics(of(257))).distinct).toBeUndefined();
  expect((await statistics(new Tensor('float32', []))).distinct).toBe(0);
});

it('counts once for each way to read a tensor', async () => {
  const tensor = new Tensor('float32', random(64, 0.5), [8, 8]);
  expect(await statistics(tensor)).toBe(await statistics(tensor));
  expect(await statistics(tensor)).not.toBe(
    await statistics(tensor, { matrices: views['as a weight of MatMul']!([8, 8]) }),
  );
  await expect(statistics(tensor, { matrices: rowMajor([4, 4]) })).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
  await expect(statistics(new Tensor('string', ['a']))).rejects.toThrow(TypeError);
});

it('leaves the event loop free', async () => {
  const tensor = new Tensor('float32', random(2 ** 22, 0.9), [2048, 2048]);
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await statistics(tensor, { matrices: views['as a weight of MatMul']!(tensor.dims) });
  clearInterval(timer);
  expect(turns).toBeGreaterThan(2);
});

it('finds the weights of a graph, and who else reads them', () => {
  const node = (op: string, inputs: string[], output: string, attrs = {}) => ({
    ...{ name: output, op, domain: '', inputs, outputs: [output], attrs },
  });
  const w = (...dims: number[]): Tensor =>
    new Tensor('float32', new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
  const graph: Graph = {
    name: 'weights',
    inputs: [{ name: 'x', dtype: 'float32', shape: ['rows', 6] }],
    outputs: ['a', 'b', 'c', 'd'],
    nodes: [
      node('MatMul', ['x', 'plain'], 'a'),
      node('Transpose', ['turned'], 't', { perm: [1, 0] }),
      node('Gemm', ['x', 't', 'plain'], 'b'),
      node('DequantizeLinear', ['small', 'scale'], 'real'),
      node('Identity', ['real'], 'same'),
      node('MatMul', ['x', 'same'], 'c'),
      node('MatMul', ['left', 'x'], 'd'),
      node('MatMulInteger', ['bytes', 'integer'], 'e'),
    ],
    constants: new Map([
      ['plain', w(6, 5)],
      ['turned', w(5, 6)],
      ['small', new Tensor('int8', new Int8Array(30), [6, 5])],
      ['scale', w(1)],
      ['left', w(3, 4)],
      ['integer', new Tensor('int8', new Int8Array(30), [6, 5])],
    ]),
  };
  const found = weightsOf(graph).map(({ name, matrices, isShared, dequantize, nodes }) => ({
    ...{ name, isShared, reads: nodes.map((each) => each.name).join(), dequantize: dequantize?.name },
    strides: [matrices.outputs, matrices.inputs, matrices.outputStride, matrices.inputStride],
  }));
  expect(found).toEqual([
    { name: 'plain', isShared: true, reads: 'a', dequantize: undefined, strides: [5, 6, 1, 5] },
    { name: 'turned', isShared: false, reads: 'b', dequantize: undefined, strides: [5, 6, 6, 1] },
    { name: 'small', isShared: false, reads: 'c', dequantize: 'real', strides: [5, 6, 1, 5] },
    { name: 'integer', isShared: false, reads: 'e', dequantize: undefined, strides: [5, 6, 1, 5] },
  ]);
});
