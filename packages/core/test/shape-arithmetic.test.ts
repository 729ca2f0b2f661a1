import { describe, expect, it } from 'vitest';
import { type Dim, dim, ESPALIER, inferGraph, type Node, onnxOps, Tensor } from '../src/index.ts';
import { infer, ints, sizes, value } from './infer.ts';

const MAX = 2n ** 63n - 1n;

describe('shape arithmetic', () => {
  it('splits heads as exporters write it: Shape, Gather, Unsqueeze, Concat, Reshape', () => {
    const constants = new Map<string, Tensor>();
    const nodes: Node[] = [];
    const constant = (data: number[], dims = [data.length]): string => {
      const name = `c${constants.size}`;
      constants.set(name, new Tensor('int64', data, dims));
      return name;
    };
    const add = (op: string, inputs: string[], attrs = {}): string => {
      const name = `n${nodes.length}`;
      nodes.push({ name, op, domain: '', inputs, outputs: [name], attrs });
      return name;
    };
    const shape = add('Shape', ['x']);
    const batch = add('Unsqueeze', [add('Gather', [shape, constant([0], [])]), constant([0])]);
    const seq = add('Slice', [shape, constant([-2]), constant([-1])]);
    const heads = add('Reshape', ['x', add('Concat', [batch, seq, constant([12, 32])], { axis: 0 })]);
    const back = add('Reshape', [add('Transpose', [heads], { perm: [0, 2, 1, 3] }), constant([0, -1, 384])]);
    const inputs = [{ name: 'x', dtype: 'float32' as const, shape: ['batch', 'seq', 384] }];
    const { values, fresh } = inferGraph({ name: 'g', inputs, outputs: [back], nodes, constants }, onnxOps);
    expect(values.get(heads)!.shape).toEqual(['batch', 'seq', 12, 32]);
    expect(values.get(back)!.shape).toEqual(['batch', 'seq', 384]);
    expect(fresh.size).toBe(0);
  });

  it('turns pads around as PyTorch writes them', () => {
    const [pairs] = infer('Reshape', [sizes([1, 2, 'k', 0, 0, 0]), ints([-1, 2])]);
    const [turned] = infer('Slice', [pairs, ints([-1]), ints([-MAX]), ints([0]), ints([-1])]);
    expect(turned!.contents).toEqual([0, 0, 'k', 0, 1, 2]);
    const [across] = infer('Transpose', [turned], { perm: [1, 0] });
    expect(across!.contents).toEqual([0, 'k', 1, 0, 0, 2]);
    const [flat] = infer('Reshape', [across, ints([-1])]);
    expect(infer('Pad', [value(['n', 3, 'w']), flat])[0]!.shape).toEqual(['n', dim.add('k', 3), 'w+3']);
  });

  it.each<[string, ReturnType<typeof infer>, readonly Dim[]]>([
    ['Shape with negative bounds', infer('Shape', [value(['a', 2, 'c'])], { start: -2, end: 5 }), [2, 'c']],
    ['Shape with bounds that cross', infer('Shape', [value(['a', 2, 'c'])], { start: 2, end: 1 }), []],
    ['Size', infer('Size', [value(['a', 2, 'a'])]), ['2*a*a']],
    ['Gather, negative', infer('Gather', [sizes(['a', 'b', 3]), ints([-1, 0])]), [3, 'a']],
    ['Gather in a matrix', infer('Gather', [sizes(['a', 'b', 3, 4], [2, 2]), ints([1], [])], { axis: 1 }), ['b', 4]],
    ['GatherElements', infer('GatherElements', [sizes(['a', 'b']), ints([1, 1, -2])]), ['b', 'b', 'a']],
    ['GatherND', infer('GatherND', [sizes(['a', 'b', 3, 4], [2, 2]), ints([1, 0, 0, -1], [2, 2])]), [3, 'b']],
    ['GatherND of rows', infer('GatherND', [sizes(['a', 'b', 3, 4], [2, 2]), ints([1], [1, 1])]), [3, 4]],
    ['Concat', infer('Concat', [sizes(['a']), sizes([]), ints([2, 3])], { axis: -1 }), ['a', 2, 3]],
    [
      'Concat of columns',
      infer('Concat', [sizes(['a', 'b'], [2, 1]), ints([1, 2], [2, 1])], { axis: 1 }),
      ['a', 1, 'b', 2],
    ],
    ['Squeeze', infer('Squeeze', [sizes(['a'], [1]), ints([0])]), ['a']],
    ['Flatten', infer('Flatten', [sizes(['a', 'b'], [2, 1])], { axis: 0 }), ['a', 'b']],
    ['Expand', infer('Expand', [sizes(['a'], [1, 1]), ints([2, 2])]), ['a', 'a', 'a', 'a']],
    ['Tile', infer('Tile', [sizes(['a', 'b']), ints([2])]), ['a', 'b', 'a', 'b']],
    ['Tile of columns', infer('Tile', [sizes(['a', 'b'], [2, 1]), ints([1, 2])]), ['a', 'a', 'b', 'b']],
    ['ConstantOfShape', infer('ConstantOfShape', [ints([2])], { value: new Tensor('int64', [7], [1]) }), [7, 7]],
    ['Range', infer('Range', [sizes(['a'], []), sizes([dim.add('a', 5)], []), ints([2], [])]), ['a', 'a+2', 'a+4']],
    ['Range, down', infer('Range', [ints([3], []), ints([-1], []), ints([-2], [])]), [3, 1]],
    ['Split', [infer('Split', [sizes(['a', 'b', 'c']), ints([1, 2])], {}, { outputs: 2 })[1]!], ['b', 'c']],
    ['ScatterND', infer('ScatterND', [sizes(['a', 'b', 3]), ints([1], [1, 1]), sizes(['k'])]), ['a', 'k', 3]],
    ['ScatterElements', infer('ScatterElements', [sizes(['a', 'b']), ints([-1]), sizes(['k'])]), ['a', 'k']],
    ['Dims', infer('Dims', [], { dims: ['2 * a', 3] }, { domain: ESPALIER }), ['2*a', 3]],
  ])('%s', (_, [output], contents) => {
    expect(output!.contents).toEqual(contents);
    // What is known of the elements must fit the shape.
    expect(output!.shape.reduce((a: number, b) => a * Number(b), 1)).toBe(contents.length);
  });

  it('gives up where only the run can tell, and not before', () => {
    expect(infer('Gather', [sizes(['a', 'b']), value([1], 'int64')])[0]!.contents).toBeUndefined();
    // Out of range: the run reports it.
    expect(infer('Gather', [sizes(['a', 'b']), ints([2])])[0]!.contents).toBeUndefined();
    expect(infer('GatherND', [sizes(['a', 'b']), ints([-3], [1, 1])])[0]!.contents).toBeUndefined();
    expect(infer('ScatterElements', [sizes(['a']), ints([1]), ints([5])])[0]!.contents).toBeUndefined();
    const reduced = { reduction: 'add' };
    expect(infer('ScatterND', [sizes(['a']), ints([0], [1, 1]), ints([1])], reduced)[0]!.contents).toBeUndefined();
    expect(infer('Expand', [ints([1]), ints([5000])])[0]!.contents).toBeUndefined();
    expect(infer('ConstantOfShape', [ints([2])])[0]!).toMatchObject({ dtype: 'float32', shape: [2] });
    expect(infer('ConstantOfShape', [ints([2])])[0]!.contents).toBeUndefined();
  });

  it('counts without limit', () => {
    const [huge] = infer('ConstantOfShape', [ints([2 ** 40])], { value: new Tensor('int64', [7], [1]) });
    expect(huge!.shape).toEqual([2 ** 40]);
    expect(huge!.contents).toBeUndefined();
    expect(infer('Range', [ints([0], []), ints([2 ** 50], []), ints([1], [])])[0]!.shape).toEqual([2 ** 50]);
    expect(() => infer('ConstantOfShape', [ints([2 ** 40, 2 ** 40])])).toThrow(/2\^53/);
  });
});

describe('Reshape', () => {
  const reshape = (from: readonly Dim[], to: readonly Dim[], attrs = {}) =>
    infer('Reshape', [value(from), sizes(to)], attrs)[0]!.shape;

  it('finds what -1 stands for', () => {
    expect(reshape(['b', 's', 384], ['b', 's', -1, 32])).toEqual(['b', 's', 12, 32]);
    expect(reshape(['b', 12, 's', 32], [dim.mul('b', 12), -1, 32])).toEqual(['12*b', 's', 32]);
    expect(reshape(['b', 's'], [-1])).toEqual(['b*s']);
    expect(reshape(['n'], [-1, 2])).toEqual(['floor(n,2)', 2]);
    expect(reshape([], [-1])).toEqual([1]);
  });

  it('keeps sizes for 0, also those that are 0', () => {
    expect(reshape([2, 'n', 6], [0, 0, 3, -1])).toEqual([2, 'n', 3, 2]);
    expect(reshape([0, 3, 4], [0, 0, -1])).toEqual([0, 3, 4]);
    expect(reshape([0, 3], [3, 0], { allowzero: 1 })).toEqual([3, 0]);
  });

  it('takes the sizes of its attribute as they are', () => {
    const shape = (dims: readonly Dim[]) => infer('Reshape', [value([0, 'n'])], { shape: dims })[0]!.shape;
    expect(shape(['n', 0])).toEqual(['n', 0]);
    expect(() => shape([-1])).toThrow(/cannot reshape|would have the shape/);
  });

  it.each<[readonly Dim[], readonly Dim[], RegExp]>([
    [[2, 3], [4, -1], /cannot reshape \[2,3\] to \[4,-1\]/],
    [[2, 3], [7], /cannot reshape/],
    [[2, 3], [-1, -1], /more than one -1/],
    [[2, 3], [2, 3, 0], /keeps axis 2/],
    [[2, 3], [-2, -3], /would have the shape/],
    [['n'], [dim.add('n', 1)], /cannot reshape/],
  ])('rejects %j to %j', (from, to, message) => {
    expect(() => reshape(from, to)).toThrow(message);
  });

  it('rejects -1 beside a 0 that is meant', () => {
    expect(() => reshape([0, 3], [0, -1], { allowzero: 1 })).toThrow(/-1 beside a 0/);
  });
});

describe('sizes that only the run can tell', () => {
  it('become symbols, as many as the rank', () => {
    const asked = value([3], 'int64');
    for (const op of ['Reshape', 'ConstantOfShape'])
      expect(infer(op, op === 'Reshape' ? [value(['n', 4]), asked] : [asked])[0]!.shape).toEqual([
        '_y0.0.0',
        '_y0.0.1',
        '_y0.0.2',
      ]);
    expect(infer('Expand', [value([5, 1]), asked])[0]!.shape).toEqual(['_y0.0.0', 5, '_y0.0.2']);
    const bound = value([1], 'int64');
    expect(infer('Slice', [value(['n', 4]), bound, ints([9]), ints([-1])])[0]).toMatchObject({
      shape: ['n', '_y0.0.1'],
      fresh: ['_y0.0.1'],
    });
    expect(infer('TopK', [value(['n', 4]), bound], {}, { outputs: 2 }).map((y) => y.shape)).toEqual([
      ['n', '_y0.0.1'],
      ['n', '_y0.0.1'],
    ]);
    expect(infer('OneHot', [value(['n'], 'int64'), value([]), value([2])])[0]!.shape).toEqual(['n', '_y0.0.1']);
    expect(infer('Pad', [value(['n', 4]), value([2], 'int64'), undefined, ints([0])])[0]!.shape).toEqual([
      '_y0.0.0',
      4,
    ]);
    expect(infer('Split', [value(['n', 4]), value([2], 'int64')], { axis: 1 }, { outputs: 2 })[1]!.shape).toEqual([
      'n',
      '_y1.1.1',
    ]);
    expect(infer('Unique', [value(['n', 4])], { axis: 1 }, { outputs: 4 }).map((y) => y.shape)).toEqual([
      ['n', '_y0.0.1'],
      ['_y0.0.1'],
      [4],
      ['_y0.0.1'],
    ]);
    expect(infer('NonZero', [value(['n', 4])])[0]!.shape).toEqual([2, '_y0.0.1']);
  });

  it('are numbers once the values are read', () => {
    expect(
      infer('OneHot', [value([3], 'int64'), { ...value([]), constant: new Tensor('float32', [4], []) }, value([2])])[0]!
        .shape,
    ).toEqual([3, 4]);
    const steps = (x: number) => ({ ...value([]), constant: new Tensor('float32', [x], []) });
    expect(infer('Range', [steps(0.5), steps(2), steps(0.5)])[0]!.shape).toEqual([3]);
  });

  it('are an error where they decide a rank', () => {
    expect(() => infer('Reshape', [value([4]), value(['n'], 'int64')])).toThrow(/decides the rank/);
    expect(() => infer('Squeeze', [value(['n', 1])])).toThrow(/give it axes/);
  });
});

describe('malformed nodes', () => {
  it.each<[string, Parameters<typeof infer>]>([
    ['is not a permutation', ['Transpose', [value([1, 2])], { perm: [0, 0] }]],
    ['axis 3 is out of range', ['Gather', [value([1, 2]), ints([0])], { axis: 3 }]],
    ['step of 0', ['Slice', [value([4]), ints([0]), ints([1]), ints([0]), ints([0])]]],
    ['names an axis twice', ['Slice', [value([4, 4]), ints([0, 0]), ints([1, 1]), ints([1, -1])]]],
    ['names an axis twice', ['Unsqueeze', [value([4]), ints([0, -3])]]],
    ['axis 0 is 4, not 1', ['Squeeze', [value([4]), ints([0])]]],
    ['4 is not 5', ['Concat', [value([4, 2]), value([5, 2])], { axis: 1 }]],
    ['splits axis 0 of 5', ['Split', [value([5]), ints([2, 2])], {}, { outputs: 2 }]],
    ['has 2 outputs, not 3', ['Split', [value([6])], { num_outputs: 3 }, { outputs: 2 }]],
    ['cannot divide an axis of 7 by 4', ['DepthToSpace', [value([1, 7, 2, 2])], { blocksize: 2 }]],
    ['delta of 0', ['Range', [ints([0], []), ints([3], []), ints([0], [])]]],
    ['asks for 5 of 4', ['TopK', [value([4]), ints([5])], {}, { outputs: 2 }]],
    ['among none', ['ArgMax', [value([0, 2])]]],
    ['reduction is "avg"', ['ScatterND', [value([2]), ints([0], [1, 1]), value([1])], { reduction: 'avg' }]],
    ['axis 1 of its updates: 3 is not 4', ['ScatterND', [value([2, 3]), ints([0], [1, 1]), value([1, 4])]]],
    ['would have the shape', ['Pad', [value([2]), ints([-2, -1])]]],
    ['would have the shape', ['Tile', [value([2]), ints([-1])]]],
    ['not a dimension expression', ['Dims', [], { dims: ['a +'] }, { domain: ESPALIER }]],
  ])('%s', (message, args) => {
    expect(() => infer(...args)).toThrow(
      expect.objectContaining({ code: 'BAD_GRAPH', message: expect.stringContaining(message) }),
    );
    expect(() => infer(...args)).toThrow(/node/);
  });
});
