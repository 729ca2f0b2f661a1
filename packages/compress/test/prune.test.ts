// Which weights become zero, and how many: against sorting, for every pattern and way that weights lie.

import { type DType, elements, type Graph, type Node, Tensor, toBFloat16, toFloat16 } from '@espalier/core';
import { weightsOf } from '@espalier/formats';
import { describe, expect, it } from 'vitest';
import { type PruneOptions, parsePattern, prune } from '../src/index.ts';

/** Numbers in [-1, 1), the same every time. */
function noise(count: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

const weight = (dims: readonly number[], seed = 1): Tensor =>
  new Tensor(
    'float32',
    noise(
      dims.reduce((a, b) => a * b, 1),
      seed,
    ),
    dims,
  );

const node = (op: string, inputs: readonly string[], output: string, attrs: Node['attrs'] = {}): Node => ({
  ...{ name: output, op, domain: '', inputs, outputs: [output], attrs },
});

function graphOf(nodes: readonly Node[], constants: Readonly<Record<string, Tensor>>): Graph {
  return {
    name: 'test',
    inputs: [
      { name: 'x', dtype: 'float32', shape: ['rows', 'k'] },
      { name: 'image', dtype: 'float32', shape: [1, 'channels', 9, 9] },
    ],
    outputs: nodes.map(({ name }) => name),
    nodes,
    constants: new Map(Object.entries(constants)),
  };
}

/** A graph with one weight, and how its matrix reads: the offset of the weight from an input to an output. */
interface Layout {
  readonly graph: Graph;
  readonly outputs: number;
  readonly inputs: number;
  readonly places?: number;
  readonly offset: (output: number, input: number, place: number) => number;
}

const [outputs, inputs] = [35, 22];
const layouts: Readonly<Record<string, Layout>> = {
  MatMul: {
    ...{ outputs, inputs },
    graph: graphOf([node('MatMul', ['x', 'w'], 'y')], { w: weight([inputs, outputs]) }),
    offset: (o, i) => i * outputs + o,
  },
  Gemm: {
    ...{ outputs, inputs },
    graph: graphOf([node('Gemm', ['x', 'w'], 'y')], { w: weight([inputs, outputs]) }),
    offset: (o, i) => i * outputs + o,
  },
  'Gemm with transB': {
    ...{ outputs, inputs },
    graph: graphOf([node('Gemm', ['x', 'w'], 'y', { transB: 1 })], { w: weight([outputs, inputs]) }),
    offset: (o, i) => o * inputs + i,
  },
  'MatMul behind Transpose': {
    ...{ outputs, inputs },
    graph: graphOf([node('Transpose', ['w'], 't', { perm: [1, 0] }), node('MatMul', ['x', 't'], 'y')], {
      w: weight([outputs, inputs]),
    }),
    offset: (o, i) => o * inputs + i,
  },
  'a batch of MatMul': {
    ...{ outputs, inputs, places: 3 },
    graph: graphOf([node('MatMul', ['x', 'w'], 'y')], { w: weight([3, inputs, outputs]) }),
    offset: (o, i, place) => (place * inputs + i) * outputs + o,
  },
  Conv: {
    ...{ outputs, inputs, places: 9 },
    graph: graphOf([node('Conv', ['image', 'w'], 'y')], { w: weight([outputs, inputs, 3, 3]) }),
    offset: (o, i, place) => (o * inputs + i) * 9 + place,
  },
};
for (const layout of Object.values(layouts)) Object.assign(layout.graph, { outputs: ['y'] });

const dataOf = (graph: Graph, name = 'w'): Float32Array => graph.constants.get(name)!.data as Float32Array;
const isZero = (x: number): boolean => x === 0;
const zerosIn = (data: ArrayLike<number>): number => Array.from(data).filter(isZero).length;

/** Blocks of a layout: the offsets of each. */
function blocksOf({ outputs, inputs, places = 1, offset }: Layout, rows: number, columns: number): number[][] {
  const blocks: number[][] = [];
  for (let place = 0; place < places; place++)
    for (let o = 0; o < outputs; o += rows)
      for (let i = 0; i < inputs; i += columns) {
        const block: number[] = [];
        for (let a = o; a < Math.min(outputs, o + rows); a++)
          for (let b = i; b < Math.min(inputs, i + columns); b++) block.push(offset(a, b, place));
        blocks.push(block);
      }
  return blocks;
}

describe.each(Object.keys(layouts))('%s', (name) => {
  const layout = layouts[name]!;
  const before = dataOf(layout.graph);
  const total = before.length;

  it.each([0, 0.001, 0.37, 0.5, 0.9, 0.999, 1])(
    'has exactly the share %f of zeros, those of least magnitude',
    async (sparsity) => {
      const after = dataOf(await prune(layout.graph, { sparsity }));
      const count = Math.round(sparsity * total);
      expect(zerosIn(after)).toBe(count);
      const order = Array.from(before.keys()).sort((a, b) => Math.abs(before[a]!) - Math.abs(before[b]!) || a - b);
      const expected = before.slice();
      for (const i of order.slice(0, count)) expected[i] = 0;
      expect(after).toEqual(expected);
    },
  );

  it.each(['1x4', '4x1', '16x4', '7x5', '64x64'] as const)(
    'loses whole blocks of %s, those of least mean',
    async (block) => {
      const [rows, columns] = block.split('x').map(Number) as [number, number];
      const blocks = blocksOf(layout, rows, columns);
      const mean = (offsets: number[]): number =>
        offsets.reduce((sum, at) => sum + Math.abs(before[at]!), 0) / offsets.length;
      for (const sparsity of [0, 0.3, 0.75, 1]) {
        const after = dataOf(await prune(layout.graph, { sparsity, block }));
        const isGone = blocks.map((offsets) => offsets.every((at) => after[at] === 0));
        for (const [i, offsets] of blocks.entries())
          if (!isGone[i]) for (const at of offsets) expect(after[at]).toBe(before[at]);
        const gone = blocks.filter((_, i) => isGone[i]);
        const stays = blocks.filter((_, i) => !isGone[i]);
        expect(Math.max(0, ...gone.map(mean))).toBeLessThanOrEqual(Math.min(1, ...stays.map(mean)) + 1e-6);
        expect(Math.abs(zerosIn(after) - sparsity * total)).toBeLessThanOrEqual((rows * columns) / 2);
      }
    },
  );

  it.each(['2:4', '4:8', '1:3'] as const)('keeps %s', async (block) => {
    const [keep, of] = block.split(':').map(Number) as [number, number];
    const after = dataOf(await prune(layout.graph, { block }));
    for (const group of blocksOf(layout, 1, of)) {
      const stays = group.filter((at) => after[at] !== 0);
      expect(stays).toHaveLength(Math.min(keep, group.length));
      const gone = group.filter((at) => after[at] === 0).map((at) => Math.abs(before[at]!));
      for (const at of stays) {
        expect(after[at]).toBe(before[at]);
        expect(Math.abs(before[at]!)).toBeGreaterThanOrEqual(Math.max(0, ...gone));
      }
    }
  });
});

describe('what is pruned', () => {
  const x = 'x';
  const two = graphOf([node('MatMul', [x, 'a'], 'first'), node('MatMul', [x, 'b'], 'second')], {
    a: new Tensor(
      'float32',
      noise(400, 3).map((value) => value * 10),
      [20, 20],
    ),
    b: weight([20, 20], 4),
  });

  it('is every weight to the same share, or all of them together', async () => {
    const layer = await prune(two, { sparsity: 0.5 });
    expect([zerosIn(dataOf(layer, 'a')), zerosIn(dataOf(layer, 'b'))]).toEqual([200, 200]);
    const global = await prune(two, { sparsity: 0.5, scope: 'global' });
    const [a, b] = [zerosIn(dataOf(global, 'a')), zerosIn(dataOf(global, 'b'))];
    expect(a + b).toBe(400);
    expect(b).toBeGreaterThan(300);
  });

  it('is what is named', async () => {
    const pruned = await prune(two, { sparsity: 0.5, nodes: ['second'] });
    expect(pruned.constants.get('a')).toBe(two.constants.get('a'));
    expect(zerosIn(dataOf(pruned, 'b'))).toBe(200);
  });

  it('is a new graph, the same each time; the old one stays', async () => {
    const before = dataOf(two, 'a').slice();
    const [one, other] = [await prune(two, { sparsity: 0.8 }), await prune(two, { sparsity: 0.8 })];
    expect(one.constants.get('a')).not.toBe(two.constants.get('a'));
    expect(dataOf(one, 'a')).toEqual(dataOf(other, 'a'));
    expect(dataOf(two, 'a')).toEqual(before);
  });

  it('is, of equal weights, the first', async () => {
    const graph = graphOf([node('MatMul', [x, 'w'], 'y')], {
      w: new Tensor('float32', new Array(8).fill(-0.5), [4, 2]),
    });
    const zeros = [...dataOf(await prune(graph, { sparsity: 0.375 }))].map(isZero);
    expect(zeros).toEqual([true, true, true, false, false, false, false, false]);
  });

  it('counts zeros that are there, and keeps NaN and infinities longest', async () => {
    const w = new Tensor('float32', [Number.NaN, 3, 0, -0, Number.NEGATIVE_INFINITY, 1e-45, 0, -2], [2, 4]);
    const graph = graphOf([node('MatMul', [x, 'w'], 'y')], { w });
    const pruned = dataOf(await prune(graph, { sparsity: 0.75 }));
    expect([...pruned]).toEqual([Number.NaN, 0, 0, 0, Number.NEGATIVE_INFINITY, 0, 0, 0]);
    expect([...dataOf(await prune(graph, { block: '1:2' }))].filter(Number.isNaN)).toHaveLength(1);
  });

  it('leaves biases, depthwise convolutions and what others read', async () => {
    const graph = graphOf(
      [
        node('Gemm', [x, 'w', 'bias'], 'gemm'),
        node('Conv', ['image', 'depthwise'], 'conv', { group: 4 }),
        node('Gather', ['table', 'ids'], 'embedding'),
        node('Transpose', ['table'], 'turned', { perm: [1, 0] }),
        node('MatMul', [x, 'turned'], 'head'),
        node('MatMul', [x, 'given'], 'other'),
      ],
      {
        ...{ w: weight([6, 5]), bias: weight([5]), depthwise: weight([4, 1, 3, 3]), table: weight([7, 6]) },
        ...{ ids: new Tensor('int64', [1n, 2n]), given: weight([6, 6]) },
      },
    );
    const seen = { ...graph, outputs: [...graph.outputs, 'given'] };
    const pruned = await prune(seen, { sparsity: 1 });
    for (const [name, tensor] of seen.constants) {
      if (name === 'w') expect(zerosIn(pruned.constants.get(name)!.data as Float32Array)).toBe(30);
      else expect(pruned.constants.get(name)).toBe(tensor);
    }
    for (const name of ['head', 'conv', 'other', 'embedding'])
      await expect(prune(seen, { sparsity: 0.5, nodes: [name] })).rejects.toMatchObject({
        code: 'BAD_GRAPH',
        node: name,
      });
  });

  it.each<DType>(['float64', 'float16', 'bfloat16'])('is %s too', async (type) => {
    const values = noise(60, 9);
    const bits = { float16: values.map(toFloat16), bfloat16: values.map(toBFloat16) }[type as 'float16'];
    const w = bits ? new Tensor(type, Uint16Array.from(bits), [6, 10]) : new Tensor(type, values, [6, 10]);
    const graph = {
      ...graphOf([node('MatMul', [x, 'w'], 'y')], { w }),
      inputs: [{ name: 'x', dtype: type, shape: ['rows', 6] }],
    };
    const after = elements((await prune(graph, { sparsity: 0.5 })).constants.get('w')!) as number[];
    const before = elements(w) as number[];
    expect(zerosIn(after)).toBe(30);
    const least = Math.min(...after.filter((value) => value !== 0).map(Math.abs));
    for (const [i, value] of before.entries()) expect(after[i]).toBe(Math.abs(value) < least ? 0 : value);
  });

  it.each<DType>(['int8', 'int4'])('is %s by what it stands for', async (type) => {
    // Rows of -8 .. 7, of which the second has the smaller scale.
    const values = Array.from({ length: 32 }, (_, i) => (i % 16) - 8);
    const w =
      type === 'int8'
        ? new Tensor('int8', values, [2, 16])
        : new Tensor(
            'int4',
            Int8Array.from({ length: 16 }, (_, i) => (values[2 * i]! & 15) | (values[2 * i + 1]! << 4)),
            [2, 16],
          );
    const make = (zero: number): Graph =>
      graphOf(
        [node('DequantizeLinear', ['w', 'scale', 'zero'], 'real', { axis: 0 }), node('MatMul', [x, 'real'], 'y')],
        {
          ...{ w, scale: new Tensor('float32', [1, 0.001], [2]) },
          zero: type === 'int8' ? new Tensor('int8', [0, zero], [2]) : new Tensor('int4', Int8Array.of(zero << 4), [2]),
        },
      );
    const graph = { ...make(0), outputs: ['y'] };
    const after = elements((await prune(graph, { sparsity: 0.5 })).constants.get('w')!);
    expect(after).toEqual([...values.slice(0, 16), -8, ...new Array(15).fill(0)]);
    await expect(prune({ ...make(1), outputs: ['y'] }, { sparsity: 0.5 })).rejects.toMatchObject({ code: 'BAD_GRAPH' });
  });

  it('prunes weights of several products once, if all of them are meant', async () => {
    const graph = graphOf([node('MatMul', [x, 'w'], 'one'), node('MatMul', [x, 'w'], 'two')], { w: weight([8, 8]) });
    expect(zerosIn(dataOf(await prune(graph, { sparsity: 0.5, nodes: ['one', 'two'] })))).toBe(32);
    await expect(prune(graph, { sparsity: 0.5, nodes: ['one'] })).rejects.toThrow(/same weights as two/);
  });

  it('may be nothing', async () => {
    const empty = graphOf([node('MatMul', [x, 'w'], 'y')], { w: weight([0, 4]) });
    for (const block of ['1x1', '16x4', '2:4'] as const)
      expect(dataOf(await prune(empty, { block, ...(block === '2:4' ? {} : { sparsity: 0.5 }) }))).toHaveLength(0);
    await expect(prune(graphOf([], {}), { sparsity: 0.5 })).rejects.toMatchObject({ code: 'BAD_GRAPH' });
  });
});

describe('options', () => {
  const { graph } = layouts['MatMul']!;
  it.each<[RegExp, PruneOptions]>([
    [/from 0 to 1, not 1.5/, { sparsity: 1.5 }],
    [/from 0 to 1, not NaN/, { sparsity: Number.NaN }],
    [/from 0 to 1, not undefined/, {}],
    [/no block shape/, { sparsity: 0.5, block: '0x4' }],
    [/leave out sparsity/, { sparsity: 0.9, block: '2:4' }],
    [/leave out scope/, { block: '2:4', scope: 'global' }],
    [/layer or global/, { sparsity: 0.5, scope: 'all' as 'global' }],
  ])('refused: %s', async (message, options) => {
    await expect(prune(graph, options)).rejects.toThrow(TypeError);
    await expect(prune(graph, options)).rejects.toThrow(message);
  });

  it('name nodes that exist', async () => {
    await expect(prune(graph, { sparsity: 0.5, nodes: ['nobody'] })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('hear a signal', async () => {
    const controller = new AbortController();
    const large = graphOf([node('MatMul', ['x', 'w'], 'y')], {
      w: new Tensor('float32', new Float32Array(2 ** 22), [2048, 2048]),
    });
    setTimeout(() => controller.abort());
    await expect(prune(large, { sparsity: 0.5, signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(prune(graph, { sparsity: 0.5, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });

  it('take block shapes by name', () => {
    expect(parsePattern('16x4')).toEqual({ rows: 16, columns: 4 });
    expect(parsePattern('2:4')).toEqual({ keep: 2, of: 4 });
    for (const text of ['', '4', '0x4', '4:4', '5:4', '1x4x1', 'axb'])
      expect(() => parsePattern(text)).toThrow(TypeError);
  });
});

it('finds no weights where there are none', () => {
  expect(weightsOf(graphOf([node('MatMul', ['x', 'x'], 'y')], { w: weight([4, 4]) }))).toEqual([]);
});
