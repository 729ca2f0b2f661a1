import { createEvaluator, onnxOps, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { createJsBackend } from '../src/index.ts';
import { copy } from '../src/strided.ts';
import { run, runAll, tensor, values } from './run.ts';

const f32 = (data: number[], dims?: number[]): Tensor => tensor('float32', data, dims);
const i64 = (data: (number | bigint)[], dims?: number[]): Tensor => tensor('int64', data, dims);
/** 0, 1, 2, ... in a shape. */
const counted = (...dims: number[]): Tensor =>
  f32(
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => i),
    dims,
  );
/** The first output's elements, 64-bit ones as numbers. */
const numbers = (y: Tensor): unknown[] => values(y).map((x) => (typeof x === 'bigint' ? Number(x) : x));

const MIN = -(2n ** 63n);

/** A copy of every element along its own path, to compare the merged and chunked one with. */
function plain(dims: readonly number[], to: readonly number[], from: readonly number[], count: number): Float32Array {
  const result = new Float32Array(count);
  const visit = (axis: number, target: number, source: number): void => {
    if (axis === dims.length) result[target] = source + 1;
    else for (let i = 0; i < dims[axis]!; i++) visit(axis + 1, target + i * to[axis]!, source + i * from[axis]!);
  };
  visit(0, 0, 0);
  return result;
}

describe('strided copies', () => {
  it.each([
    [[], [], []],
    [
      [3, 4],
      [4, 1],
      [4, 1],
    ],
    [
      [3, 4],
      [4, 1],
      [1, 3],
    ],
    [
      [2, 1, 40],
      [40, 7, 1],
      [0, 3, 1],
    ],
    [
      [2, 40],
      [40, 1],
      [1, 0],
    ],
    [
      [3, 0, 4],
      [4, 4, 1],
      [4, 4, 1],
    ],
    [
      [2, 3, 2, 3],
      [18, 6, 3, 1],
      [18, 3, 9, 1],
    ],
    // Longer than one unit of work, with a rest.
    [
      [2, 40000],
      [40000, 1],
      [40000, 1],
    ],
    [[40001], [1], [0]],
    [[40001], [1], [2]],
  ])('over %j with steps %j from %j', (dims, to, from) => {
    const data = new Float32Array(100000).map((_, i) => i + 1);
    const expected = plain(dims, to, from, 80002);
    for (const pieces of [1, 7]) {
      const target = new Float32Array(80002);
      const { units, run } = copy(dims, { data: target, strides: to }, { data, strides: from });
      for (let i = 0; i < units; i += pieces) run(i, Math.min(units, i + pieces));
      expect(target.findIndex((x, i) => x !== expected[i])).toBe(-1);
    }
  });
});

describe('movement', () => {
  it.each<[string, Parameters<typeof run>, number[], unknown[]]>([
    ['slices backwards', ['Slice', [counted(5), i64([-1]), i64([MIN]), i64([0]), i64([-2])]], [3], [4, 2, 0]],
    ['slices nothing', ['Slice', [counted(5), i64([4]), i64([2])]], [0], []],
    [
      'slices an empty axis backwards',
      ['Slice', [counted(0, 2), i64([-1]), i64([MIN]), i64([0]), i64([-1])]],
      [0, 2],
      [],
    ],
    ['transposes what is empty', ['Transpose', [counted(2, 0, 3)]], [3, 0, 2], []],
    ['transposes a scalar', ['Transpose', [f32([7], [])]], [], [7]],
    ['tiles no times', ['Tile', [counted(2), i64([0])]], [0], []],
    ['tiles nothing', ['Tile', [counted(0, 2), i64([3, 2])]], [0, 4], []],
    ['expands by rank', ['Expand', [f32([1, 2], [2, 1]), i64([2, 1, 2])]], [2, 2, 2], [1, 1, 2, 2, 1, 1, 2, 2]],
    ['expands to nothing', ['Expand', [f32([1]), i64([0])]], [0], []],
    ['joins what is empty', ['Concat', [counted(0, 2), counted(1, 2)], { axis: 0 }], [1, 2], [0, 1]],
    ['pads and crops', ['Pad', [counted(4), i64([-1, 2]), f32([9], [])]], [5], [1, 2, 3, 9, 9]],
    ['pads what is empty', ['Pad', [counted(0), i64([1, 1])]], [2], [0, 0]],
    [
      'reflects over and over',
      ['Pad', [counted(2), i64([4, 3])], { mode: 'reflect' }],
      [9],
      [0, 1, 0, 1, 0, 1, 0, 1, 0],
    ],
    ['reflects one element', ['Pad', [f32([5]), i64([2, 0])], { mode: 'reflect' }], [3], [5, 5, 5]],
    ['wraps around', ['Pad', [counted(3), i64([4, 1])], { mode: 'wrap' }], [8], [2, 0, 1, 2, 0, 1, 2, 0]],
    ['continues what is left', ['Pad', [counted(4), i64([-1, 2])], { mode: 'edge' }], [5], [1, 2, 3, 3, 3]],
    ['pads one axis', ['Pad', [counted(1, 2), i64([1, 0]), undefined, i64([-1])]], [1, 3], [0, 0, 1]],
    ['keeps a diagonal far away', ['Trilu', [counted(2, 2), i64([-9], [])]], [2, 2], [0, 1, 2, 3]],
    ['drops all below it', ['Trilu', [counted(2, 2), i64([9], [])]], [2, 2], [0, 0, 0, 0]],
    ['keeps the lower part', ['Trilu', [counted(2, 3)], { upper: 0 }], [2, 3], [0, 0, 0, 3, 4, 0]],
    ['centers', ['CenterCropPad', [counted(5), i64([2])]], [2], [1, 2]],
    ['gathers nothing', ['Gather', [counted(2, 3), i64([], [0])], { axis: 1 }], [2, 0], []],
    ['gathers from nothing', ['Gather', [counted(0, 3), i64([], [0, 2])]], [0, 2, 3], []],
    [
      'gathers with negative indices',
      ['Gather', [counted(2, 3), i64([-1, 0], [2])], { axis: 1 }],
      [2, 2],
      [2, 0, 5, 3],
    ],
    [
      'reverses only the first elements',
      ['ReverseSequence', [counted(2, 3), i64([0, 2])], { time_axis: 1, batch_axis: 0 }],
      [2, 3],
      [0, 1, 2, 4, 3, 5],
    ],
    [
      'encodes out of range as off',
      ['OneHot', [i64([1, -1, 5, -6]), i64([3]), f32([2, 8])]],
      [4, 3],
      [2, 8, 2, 2, 2, 8, 2, 2, 2, 2, 2, 2],
    ],
    ['fills with zeros', ['ConstantOfShape', [i64([2])]], [2], [0, 0]],
    ['makes a scalar', ['ConstantOfShape', [i64([], [0])]], [], [0]],
    ['counts by fractions', ['Range', [f32([1], []), f32([0], []), f32([-0.25], [])]], [4], [1, 0.75, 0.5, 0.25]],
    ['counts nothing', ['Range', [i64([3], []), i64([3], []), i64([1], [])]], [0], []],
  ])('%s', async (_, args, dims, data) => {
    const y = await run(...args);
    expect({ dims: y.dims, data: numbers(y) }).toEqual({ dims, data });
  });

  it('says sizes under a binding', async () => {
    const evaluate = createEvaluator(createJsBackend(), onnxOps);
    const node = {
      name: 'node',
      op: 'Dims',
      domain: 'espalier',
      inputs: [],
      outputs: ['y'],
      attrs: { dims: [3, '2*2'] },
    };
    const [y] = await evaluate(node, []);
    expect(y).toMatchObject({ type: 'int64', dims: [2], data: BigInt64Array.of(3n, 4n) });
    const [scalar] = await evaluate({ ...node, attrs: { dims: [7], dtype: 'int32', scalar: 1 } }, []);
    expect(scalar).toMatchObject({ type: 'int32', dims: [], data: Int32Array.of(7) });
    const open = { ...node, attrs: { dims: ['n'] } };
    await expect(evaluate(open, [])).rejects.toMatchObject({ code: 'BAD_INPUT' });
  });

  it('splits unevenly, and into what is wanted', async () => {
    const even = await runAll('Split', [counted(5)], { num_outputs: 4 }, 4);
    expect(even.map(values)).toEqual([[0, 1], [2, 3], [4], []]);
    const given = await runAll('Split', [counted(2, 3), i64([0, 3])], { axis: 1 }, 2);
    expect(given.map((y) => y.dims)).toEqual([
      [2, 0],
      [2, 3],
    ]);
    const evaluate = createEvaluator(createJsBackend(), onnxOps);
    const node = { name: 'node', op: 'Split', domain: '', inputs: ['x'], outputs: ['', 'y'], attrs: {} };
    const [none, second] = await evaluate(node, [counted(4)]);
    expect(none).toBeUndefined();
    expect(values(second!)).toEqual([2, 3]);
  });

  it('moves 4-bit elements, also an odd number of them', async () => {
    const x = tensor('int4', [1, 2, 3, -8, -1], [5, 1]);
    const back = await run('Slice', [x, i64([-1]), i64([MIN]), i64([0]), i64([-1])]);
    expect(values(back)).toEqual([-1, -8, 3, 2, 1]);
    expect(values(await run('Pad', [x, i64([1, 0, 1, 0])]))).toEqual([0, 1, 2, 3, -8, -1, 0]);
    expect(values(await run('Reshape', [x, i64([-1])]))).toEqual([1, 2, 3, -8, -1]);
    expect(values(await run('ConstantOfShape', [i64([3])], { value: tensor('int4', [-3]) }))).toEqual([-3, -3, -3]);
  });

  it('moves the bits of half types', async () => {
    // A signalling NaN with a payload would not survive a conversion.
    const x = new Tensor('float16', new Uint16Array([0x7d01, 0x8000, 0x0001]));
    const y = await run('Slice', [x, i64([-1]), i64([MIN]), i64([0]), i64([-1])]);
    expect([...(y.data as Uint16Array)]).toEqual([0x0001, 0x8000, 0x7d01]);
  });

  it('moves strings', async () => {
    const x = tensor('string', ['a', 'b', 'c', 'd'], [2, 2]);
    const moved = async (...args: Parameters<typeof run>) => numbers(await run(...args));
    expect(await moved('Transpose', [x])).toEqual(['a', 'c', 'b', 'd']);
    expect(await moved('Gather', [x, i64([-1])], { axis: 1 })).toEqual(['b', 'd']);
    expect(await moved('Concat', [x, x], { axis: 1 })).toEqual(['a', 'b', 'a', 'b', 'c', 'd', 'c', 'd']);
    expect(await moved('Pad', [x, i64([0, 0, 0, 1])])).toEqual(['a', 'b', '', 'c', 'd', '']);
    expect(await moved('Expand', [tensor('string', ['a'], [1]), i64([2])])).toEqual(['a', 'a']);
    expect(await moved('Reshape', [x, i64([-1])])).toEqual(['a', 'b', 'c', 'd']);
    expect(await moved('ScatterND', [x, i64([0], [1, 1]), tensor('string', ['e', 'f'], [1, 2])])).toEqual([
      'e',
      'f',
      'c',
      'd',
    ]);
    expect(await moved('Shape', [x])).toEqual([2, 2]);
    const absurd = run('Expand', [tensor('string', ['a']), i64([2 ** 40])]);
    await expect(absurd).rejects.toMatchObject({ code: 'LIMIT', node: 'node' });
    await expect(
      moved('ScatterND', [x, i64([0], [1, 1]), tensor('string', ['e', 'f'], [1, 2])], { reduction: 'add' }),
    ).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});

describe('scatters', () => {
  const scatter = async (x: Tensor, indices: Tensor, updates: Tensor, reduction: string) =>
    numbers(await run('ScatterElements', [x, indices, updates], { reduction }));

  it('reduces duplicates', async () => {
    const indices = i64([0, 0, -3]);
    const updates = f32([2, 5, 3]);
    const x = f32([1, 10, 20]);
    expect(await scatter(x, indices, updates, 'add')).toEqual([11, 10, 20]);
    expect(await scatter(x, indices, updates, 'mul')).toEqual([30, 10, 20]);
    expect(await scatter(x, indices, updates, 'max')).toEqual([5, 10, 20]);
    expect(await scatter(x, indices, updates, 'min')).toEqual([1, 10, 20]);
  });

  it('keeps NaN, wraps integers, and treats booleans as such', async () => {
    expect(await scatter(f32([1]), i64([0]), f32([Number.NaN]), 'max')).toEqual([Number.NaN]);
    const big = tensor('int32', [2 ** 30 + 1]);
    expect(await scatter(big, i64([0]), big, 'mul')).toEqual([Math.imul(2 ** 30 + 1, 2 ** 30 + 1)]);
    expect(await scatter(i64([2n ** 62n]), i64([0]), i64([2n ** 62n]), 'add')).toEqual([-(2 ** 63)]);
    expect(await scatter(i64([-1]), i64([0]), i64([2]), 'max')).toEqual([2]);
    const flags = tensor('bool', [true, false]);
    expect(await scatter(flags, i64([0, 1]), tensor('bool', [true, true]), 'add')).toEqual([1, 1]);
    expect(await scatter(flags, i64([0, 1]), tensor('bool', [false, true]), 'mul')).toEqual([0, 0]);
  });

  it('writes slices', async () => {
    const y = await run('ScatterND', [counted(3, 2), i64([-1], [1, 1]), f32([8, 9], [1, 2])]);
    expect(values(y)).toEqual([0, 1, 2, 3, 8, 9]);
    const none = await run('ScatterND', [counted(2), i64([], [0, 1]), f32([], [0])]);
    expect(values(none)).toEqual([0, 1]);
  });
});

describe('bad indices', () => {
  it.each<[string, Parameters<typeof run>]>([
    ['the index 3 is out of range for axis 1 of extent 3', ['Gather', [counted(2, 3), i64([3])], { axis: 1 }]],
    ['the index -3 is out of range for axis 0 of extent 2', ['Gather', [counted(2), tensor('int32', [-3])]]],
    ['the index 0 is out of range for axis 0 of extent 0', ['Gather', [counted(0), i64([0])]]],
    ['the index 1 is out of range for axis 0 of extent 1', ['Gather', [tensor('string', ['a']), i64([1])]]],
    [
      'the index 4611686018427387904 is out of range for axis 0 of extent 2',
      ['Gather', [counted(2), i64([2n ** 62n])]],
    ],
    ['the index 2 is out of range for axis 0 of extent 2', ['GatherElements', [counted(2), i64([2])]]],
    ['the index 3 is out of range for axis 1 of extent 3', ['GatherND', [counted(2, 3), i64([1, 3])]]],
    ['the index 2 is out of range for axis 0 of extent 2', ['ScatterElements', [counted(2), i64([2]), f32([1])]]],
    ['the index 2 is out of range for axis 0 of extent 2', ['ScatterND', [counted(2), i64([2], [1, 1]), f32([1])]]],
    ['the index 1 is out of range for axis 0 of extent 1', ['Compress', [counted(1), tensor('bool', [false, true])]]],
    ['the length 3 is out of range for axis 0 of extent 2', ['ReverseSequence', [counted(2, 2), i64([3, 1])]]],
    ['the length -1 is out of range for axis 0 of extent 2', ['ReverseSequence', [counted(2, 2), i64([-1, 1])]]],
    ['nothing is left of axis 0 to fill its pads from', ['Pad', [counted(2), i64([-2, 1])], { mode: 'edge' }]],
  ])('%s', async (problem, args) => {
    const message = `node (${args[0]}): ${problem}`;
    await expect(run(...args)).rejects.toMatchObject({ code: 'BAD_INPUT', message, node: 'node' });
  });

  it('must not reach past other axes', async () => {
    const wide = i64([0, 0, 0], [1, 3]);
    for (const [op, inputs] of [
      ['GatherElements', [counted(2, 2), wide]],
      ['ScatterElements', [counted(2, 2), wide, counted(1, 3)]],
    ] as const)
      await expect(run(op, inputs)).rejects.toMatchObject({ code: 'SHAPE_MISMATCH', node: 'node' });
  });
});
