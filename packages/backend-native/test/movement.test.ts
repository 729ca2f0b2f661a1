/** Ops that move elements, against the scalar backend, at both widths and with guard pages. */

import { type Attributes, type DType, dtypes, type Node, Tensor } from '@espalier/core';
import { expect, it } from 'vitest';
import { movement } from '../src/kernels/movement/index.ts';
import { describeKernels } from './kernels.ts';

/** Every element different, as far as its bits go. */
function counted(dims: readonly number[], dtype: DType = 'float32'): Tensor {
  const size = dims.reduce((a, b) => a * b, 1);
  const bytes = new Uint8Array((size * dtypes[dtype].bits) / 8);
  const step = dtypes[dtype].bits / 8;
  for (let i = 0; i < size; i++) for (let b = 0; b < Math.min(step, 4); b++) bytes[i * step + b] = (i + 1) >> (8 * b);
  return Tensor.fromBytes(dtype, bytes, dims);
}

const ints = (values: readonly number[], dims = [values.length]): Tensor =>
  new Tensor('int64', BigInt64Array.from(values, BigInt), dims);

describeKernels('kernels that move elements', movement, 4, ({ native, knowing, js }) => {
  async function same(op: string, inputs: readonly Tensor[], attrs: Attributes = {}) {
    const node: Node = {
      name: op.toLowerCase(),
      op,
      domain: '',
      inputs: inputs.map((_, i) => `i${i}`),
      outputs: ['o'],
      attrs,
    };
    const [[wanted], [got]] = [await js(node, inputs), await knowing(inputs)(node, inputs)];
    expect(got!.dims).toEqual(wanted!.dims);
    // Bit by bit, but for what kind of NaN it is.
    if (Buffer.compare(got!.bytes, wanted!.bytes) !== 0)
      expect(got!.data, `${op} of [${inputs[0]!.dims}] ${JSON.stringify(attrs)}`).toEqual(wanted!.data);
  }

  it.each([
    [
      [64, 64],
      [1, 0],
    ],
    [
      [67, 33],
      [1, 0],
    ],
    [
      [17, 16],
      [1, 0],
    ],
    [
      [3, 1000],
      [1, 0],
    ],
    [
      [1000, 3],
      [1, 0],
    ],
    [
      [5, 70, 90],
      [0, 2, 1],
    ],
    [
      [5, 70, 90],
      [2, 1, 0],
    ],
    [
      [70, 5, 90],
      [1, 2, 0],
    ],
    [
      [2, 12, 33, 32],
      [0, 2, 1, 3],
    ],
    [
      [2, 33, 12, 32],
      [0, 2, 3, 1],
    ],
    [
      [40, 3, 50, 2],
      [2, 1, 0, 3],
    ],
    [
      [30, 40, 4],
      [1, 0, 2],
    ],
    [
      [1, 1, 257],
      [2, 0, 1],
    ],
    [
      [600, 700],
      [1, 0],
    ],
    [
      [0, 7],
      [1, 0],
    ],
  ])('turns %j by %j, of any size of element', async (dims, perm) => {
    for (const dtype of ['uint8', 'int16', 'float32', 'int64'] as const)
      await same('Transpose', [counted(dims, dtype)], { perm });
  });

  it('copies what takes many units', async () => {
    const [a, b] = [counted([7, 300, 333]), counted([7, 211, 333])];
    await same('Concat', [a, b], { axis: 1 });
    await same('Slice', [
      a,
      ...[
        [1, 2, 330],
        [7, 300, -400],
        [0, 1, 2],
        [2, 1, -3],
      ].map((list) => ints(list)),
    ]);
    await same('Expand', [counted([300, 1], 'uint8'), ints([5, 300, 1001])]);
    await same('Tile', [counted([30, 7]), ints([50, 31])]);
    await same('Pad', [counted([30, 70]), ints([3, -2, 200, 65])]);
    await same('Gather', [counted([500, 385]), ints(Array.from({ length: 1000 }, (_, i) => (i * 37) % 500))]);
  });

  it.each(['reflect', 'edge', 'wrap'])(
    'pads by %s, further than the axis is long, and what negative pads leave',
    async (mode) => {
      for (const type of ['float32', 'uint8'] as const) {
        await same('Pad', [counted([1, 576], type), ints([0, 0, 0, 64])], { mode });
        await same('Pad', [counted([3, 40, 37], type), ints([0, 3, 20, 2, 1, 30])], { mode });
        await same('Pad', [counted([2, 5], type), ints([0, 13, 0, 17])], { mode });
        await same('Pad', [counted([1, 1, 4], type), ints([1, 2, 0, 0, 3, 9])], { mode });
        await same('Pad', [counted([30, 20], type), ints([-3, 4, 5, -6])], { mode });
      }
    },
  );

  it('marks what indices choose, from either end, and nothing beyond', async () => {
    for (const dtype of ['float32', 'uint8', 'int64', 'int16'] as const)
      for (const axis of [-1, 0, 1])
        for (const dims of [[40], [3, 7], [0], []]) {
          if (axis > dims.length) continue;
          const list = Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 7) % 23) - 11);
          const indices = dims.length === 2 ? new Tensor('int32', list, dims) : ints(list, dims);
          for (const depth of [9, 1]) await same('OneHot', [indices, ints([depth], []), counted([2], dtype)], { axis });
        }
  });

  it.each([
    [[7, 5], [40]],
    [[7, 1100], [300]],
    [[3, 4, 17], [30]],
    [[40], [1000]],
    [[5, 0], [3]],
    [[5, 3], [0]],
  ])('folds updates into rows of %j, several into one: %j', async (dims, [count]) => {
    const parts = dims.length > 2 ? 2 : 1;
    const spots = Array.from({ length: count! * parts }, (_, i) => {
      const extent = dims[i % parts]!;
      return ((i * 7919) % (2 * extent)) - extent;
    });
    const numbers = (shape: readonly number[], dtype: 'float32' | 'int32'): Tensor => {
      const list = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 37) % 101) - 50);
      const floats = list.map((each) => (each === 7 ? Number.NaN : each / 64));
      return new Tensor(dtype, dtype === 'int32' ? list : floats, shape);
    };
    for (const dtype of ['float32', 'int32'] as const) {
      const [x, at, updates] = [
        numbers(dims, dtype),
        ints(spots, [count!, parts]),
        numbers([count!, ...dims.slice(parts)], dtype),
      ];
      for (const reduction of ['add', 'mul', 'max', 'min', 'none'])
        await same('ScatterND', [x, at, updates], { reduction });
    }
  });

  it('says which index is out of range', async () => {
    const data = counted([3, 5]);
    for (const [op, indices, attrs] of [
      ['Gather', ints([0, 5]), { axis: 1 }],
      ['Gather', ints([-6, 0]), { axis: 1 }],
      ['Gather', ints([2 ** 40]), { axis: 0 }],
      ['GatherND', ints([0, 4, 3, 0], [2, 2]), {}],
      ['GatherND', ints([0, -6], [1, 2]), {}],
    ] as const) {
      const node: Node = { name: 'look', op, domain: '', inputs: ['x', 'i'], outputs: ['y'], attrs };
      const [wanted, got] = [js, native].map((evaluate) => evaluate(node, [data, indices]).catch((e: Error) => e));
      expect(await got).toMatchObject({
        code: 'BAD_INPUT',
        node: 'look',
        message: ((await wanted) as Error).message,
      });
    }
    const scatter: Node = {
      name: 'put',
      op: 'ScatterND',
      domain: '',
      inputs: ['x', 'i', 'u'],
      outputs: ['y'],
      attrs: {},
    };
    await expect(native(scatter, [data, ints([1, 3], [2, 1]), counted([2, 5])])).rejects.toThrow(
      'put (ScatterND): the index 3 is out of range for axis 0 of extent 3',
    );
  });
});
