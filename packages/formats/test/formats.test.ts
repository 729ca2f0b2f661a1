// Every format gives back what it was given, bit by bit, for every dtype, pattern of zeros and way to read the tensor as a matrix.

import { allDTypes, type DType, dtypes, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { bitmask, bsr, codebook, csr, type Matrices, nm, rowMajor, weightMatrices } from '../src/index.ts';

/** Numbers below 2^32, the same every time. */
function words(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state;
  };
}

const numeric = allDTypes.filter((type) => type !== 'string');

/** A tensor of any bits, with these elements zero. */
function tensorOf(type: DType, dims: readonly number[], isZero: (i: number) => boolean, seed = 1): Tensor {
  const next = words(seed);
  const size = dims.reduce((a, b) => a * b, 1);
  const { bits } = dtypes[type];
  const bytes = new Uint8Array(Math.ceil((size * bits) / 8));
  for (let i = 0; i < size; i++) {
    const value = (next() >>> 8) | 1;
    if (isZero(i)) continue;
    if (bits === 4) bytes[i >> 1]! |= (value & 15) << (4 * (i & 1));
    else
      for (let b = 0; b < bits / 8; b++)
        bytes[(i * bits) / 8 + b] = type === 'bool' ? 1 : b === 0 ? value : next() >>> 8;
  }
  return Tensor.fromBytes(type, bytes, dims);
}

const patterns: Readonly<Record<string, (i: number) => boolean>> = {
  full: () => false,
  zero: () => true,
  random: (i) => Math.imul(i + 1, 2654435761) >>> 31 === 1,
  sparse: (i) => i % 13 !== 5,
  rows: (i) => Math.floor(i / 9) % 2 === 0,
};

const shapes: readonly (readonly number[])[] = [
  [],
  [0],
  [1],
  [17],
  [0, 5],
  [5, 0],
  [8, 16],
  [7, 9],
  [3, 5, 4],
  [2, 3, 2, 2],
];

interface Case {
  readonly tensor: Tensor;
  readonly matrices: Matrices;
}

function* cases(types: readonly DType[], zeros: readonly string[]): Generator<Case> {
  for (const type of types)
    for (const name of zeros)
      for (const dims of shapes) {
        const tensor = tensorOf(type, dims, patterns[name]!);
        yield { tensor, matrices: rowMajor(dims) };
        const strides = dims.map((_, axis) => dims.slice(axis + 1).reduce((a, b) => a * b, 1));
        const others = [weightMatrices('product', { dims, strides }), weightMatrices('convolution', { dims, strides })];
        for (const matrices of others) if (matrices) yield { tensor, matrices };
      }
}

const all = Object.keys(patterns);

function expectSame(actual: Tensor, expected: Tensor): void {
  if (actual.type !== expected.type || String(actual.dims) !== String(expected.dims)) expect(actual).toEqual(expected);
  if (Buffer.compare(actual.bytes, expected.bytes) !== 0) expect([...actual.bytes]).toEqual([...expected.bytes]);
}

describe.each(numeric)('%s comes back', (type) => {
  it('from bitmask and csr', async () => {
    for (const { tensor, matrices } of cases([type], all)) {
      expectSame(await bitmask.decode(await bitmask.encode(tensor, { matrices })), tensor);
      expectSame(await csr.decode(await csr.encode(tensor, { matrices })), tensor);
    }
  });

  it.each([
    [1, 4],
    [16, 4],
    [3, 2],
  ])('from bsr of %i x %i', async (rows, columns) => {
    for (const { tensor, matrices } of cases([type], all))
      expectSame(await bsr.decode(await bsr.encode(tensor, { rows, columns }, { matrices })), tensor);
  });

  it('from nm', async () => {
    for (const { tensor, matrices } of cases([type], ['zero', 'sparse'])) {
      const { starts, outputs, inputs, outputStride, inputStride } = matrices;
      // Every second input of each output becomes zero: whatever is left is 2:4, and 4:8.
      const kept = new Set<number>();
      for (const start of starts)
        for (let o = 0; o < outputs; o++)
          for (let i = o % 2; i < inputs; i += 2) kept.add(start + o * outputStride + i * inputStride);
      const half = tensorOf(type, tensor.dims, (i) => !kept.has(i));
      for (const each of [half, tensorOf(type, tensor.dims, () => true)])
        for (const pattern of [
          { n: 2, m: 4 },
          { n: 4, m: 8 },
          { n: 3, m: 5 },
        ])
          expectSame(await nm.decode(await nm.encode(each, pattern, { matrices })), each);
    }
  });

  it('from a codebook', async () => {
    for (const { tensor, matrices } of cases([type], all))
      expectSame(await codebook.decode(await codebook.encode(tensor, { matrices })), tensor);
  });
});

describe('what is stored', () => {
  const tensor = new Tensor('float32', [0, 5, 0, 0, 0, 0, 0, 6, 7, 0, 0, 0], [2, 6]);

  it('of bitmask', async () => {
    const { mask, values, format } = await bitmask.encode(tensor);
    expect([[...mask], [...values], format.name]).toEqual([[0b10000010, 0b1], [5, 6, 7], 'bitmask']);
  });

  it('of csr', async () => {
    const { positions, coordinates, values, format } = await csr.encode(tensor);
    expect([[...positions], [...coordinates], [...values]]).toEqual([
      [0, 1, 3],
      [1, 1, 2],
      [5, 6, 7],
    ]);
    expect(format.levels.map(({ kind }) => kind)).toEqual(['dense', 'compressed']);
  });

  it('of bsr, edges filled up with zeros', async () => {
    const { positions, coordinates, values, format } = await bsr.encode(tensor, { rows: 1, columns: 4 });
    expect([[...positions], [...coordinates], [...values]]).toEqual([
      [0, 1, 2],
      [0, 0],
      [0, 5, 0, 0, 0, 6, 7, 0],
    ]);
    expect(format.levels.at(-1)).toEqual({ kind: 'block', size: 4 });
    const last = new Tensor('int4', Int8Array.of(0, 0, 0x70), [1, 6]);
    const edge = await bsr.encode(last, { rows: 2, columns: 4 });
    expect([[...edge.coordinates], [...edge.values]]).toEqual([[1], [0x70, 0, 0, 0]]);
  });

  it('of bsr, rows of blocks within each matrix', async () => {
    const two = new Tensor('int8', [1, 0, 0, 1, 0, 0], [2, 3, 1]);
    const matrices = weightMatrices('product', { dims: [2, 1, 3], strides: [3, 3, 1] })!;
    const { positions, values } = await bsr.encode(two, { rows: 2, columns: 1 }, { matrices });
    expect([[...positions], [...values]]).toEqual([
      [0, 1, 1, 2, 2],
      [1, 0, 1, 0],
    ]);
  });

  it('of 2:4, groups of fewer nonzeros filled up', async () => {
    const { coordinates, values } = await nm.encode(tensor, { n: 2, m: 4 });
    expect([[...coordinates], [...values]]).toEqual([
      [0, 1, 0, 1, 1, 2, 0, 1],
      [0, 5, 0, 0, 6, 7, 0, 0],
    ]);
  });

  it('of a codebook', async () => {
    const { bits, size, indices, values } = await codebook.encode(
      new Tensor('float16', Uint16Array.of(9, 9, 0x8000, 0, 9)),
    );
    expect([bits, size, [...indices], [...values]]).toEqual([4, 3, [0x00, 0x21, 0x00], [9, 0x8000, 0]]);
    expect(
      (
        await codebook.encode(
          new Tensor(
            'uint8',
            Uint8Array.from({ length: 20 }, (_, i) => i),
          ),
        )
      ).bits,
    ).toBe(8);
  });

  it('is as large as promised at nine tenths', async () => {
    const sparse = tensorOf('float32', [64, 640], (i) => i % 10 !== 0);
    const { mask, values } = await bitmask.encode(sparse);
    expect([mask.byteLength, values.byteLength]).toEqual([5120, 16384]);
  });
});

describe('what does not fit is refused', () => {
  const tensor = new Tensor('float32', [1, 0, 2, 3, 4, 0], [2, 3]);
  const bad = expect.objectContaining({ code: 'BAD_INPUT' });

  it('while encoding', async () => {
    await expect(nm.encode(tensor, { n: 1, m: 2 })).rejects.toThrow(
      /row 1 is not 1:2: it has 2 nonzeros from column 0/,
    );
    await expect(nm.encode(tensor, { n: 2, m: 2 })).rejects.toThrow(TypeError);
    await expect(bsr.encode(tensor, { rows: 0, columns: 4 })).rejects.toThrow(TypeError);
    await expect(codebook.encode(new Tensor(Int32Array.from({ length: 257 }, (_, i) => i)))).rejects.toThrow(
      /at most 256/,
    );
    await expect(bitmask.encode(new Tensor('string', ['a']))).rejects.toThrow(TypeError);
    await expect(csr.encode(tensor, { matrices: rowMajor([3, 3]) })).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
    await expect(csr.encode(tensor, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('while decoding', async () => {
    const mask = await bitmask.encode(tensor);
    await expect(bitmask.decode({ ...mask, mask: Uint8Array.of(255) })).rejects.toEqual(bad);
    await expect(bitmask.decode({ ...mask, mask: new Uint8Array(2) })).rejects.toEqual(bad);
    const rows = await csr.encode(tensor);
    await expect(csr.decode({ ...rows, positions: Uint32Array.of(0, 4) })).rejects.toEqual(bad);
    await expect(csr.decode({ ...rows, positions: Uint32Array.of(0, 9, 4) })).rejects.toEqual(bad);
    await expect(csr.decode({ ...rows, coordinates: Uint32Array.of(0, 2, 0, 3) })).rejects.toEqual(bad);
    await expect(csr.decode({ ...rows, values: new Float32Array(3) })).rejects.toEqual(bad);
    const half = await nm.encode(tensor, { n: 2, m: 3 });
    await expect(nm.decode({ ...half, coordinates: Uint8Array.of(0, 1, 0, 3) })).rejects.toEqual(bad);
    await expect(nm.decode({ ...half, coordinates: new Uint8Array(5) })).rejects.toEqual(bad);
    const book = await codebook.encode(tensor);
    await expect(codebook.decode({ ...book, indices: Uint8Array.of(0, 0, 9) })).rejects.toEqual(bad);
    await expect(codebook.decode({ ...book, size: 9 })).rejects.toEqual(bad);
    await expect(csr.decode({ ...rows, dims: [3, 3] })).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
  });
});
