// Nodes of older opsets, in today's form.

import { createJsBackend } from '@espalier/backend-js';
import { type Graph, subgraphs, Tensor } from '@espalier/core';
import { createRuntime } from '@espalier/runtime';
import { describe, expect, test } from 'vitest';
import { importOnnx } from '../src/index.ts';
import { filled, graph, model, node, value } from './models.ts';

type Parts = Parameters<typeof model>[0];
const floats = (...of: number[]): { floats: number[] } => ({ floats: of });

async function imported(opset: number, of: ReturnType<typeof node>, more: Parts = {}): Promise<Graph> {
  const parts = { node: [of], input: [value('x', 'float32', [2, 3, 4])], output: [value(of.output[0]!)], ...more };
  return (await importOnnx(model(parts, opset))).graph;
}

/** A node as text, constants by their values: `Slice(x, [0], [9])` and its attributes. */
function show(found: Graph): string[] {
  const operand = (name: string): string => {
    const tensor = found.constants.get(name);
    return tensor ? `${tensor.dims.length === 0 ? tensor.data[0] : `[${tensor.data}]`}` : name;
  };
  return found.nodes.map(({ op, inputs, outputs, attrs }) => {
    const held = Object.entries(attrs).map(([key, each]) => ` ${key}=${each}`);
    return `${outputs} = ${op}(${inputs.map(operand).join(', ')})${held.join('')}`;
  });
}

/** Rows with the op in front, for the names of tests. */
function byOp<T extends readonly [number, ReturnType<typeof node>, ...unknown[]]>(
  rows: readonly T[],
): [string, ...T][] {
  return rows.map((row) => [row[1].opType!, ...row]);
}

const max = 2n ** 63n - 1n;

type Row = [number, ReturnType<typeof node>, string[]];
type SizedRow = [number, ReturnType<typeof node>, (number | string)[], string[]];
type RefusedRow = [number, ReturnType<typeof node>, RegExp];

describe('attributes that became inputs', () => {
  const rows: Row[] = [
    [11, node('Squeeze', ['x'], ['y'], { axes: [1] }), ['y = Squeeze(x, [1])']],
    [11, node('Squeeze', ['x'], ['y']), ['y = Squeeze(x)']],
    [12, node('Unsqueeze', ['x'], ['y'], { axes: [0, 2] }), ['y = Unsqueeze(x, [0,2])']],
    [12, node('ReduceSum', ['x'], ['y'], { axes: [-1], keepdims: 0 }), ['y = ReduceSum(x, [-1]) keepdims=0']],
    [17, node('ReduceMax', ['x'], ['y'], { axes: [0] }), ['y = ReduceMax(x, [0])']],
    [17, node('ReduceL2', ['x'], ['y']), ['y = ReduceL2(x)']],
    [9, node('Slice', ['x'], ['y'], { starts: [1], ends: { ints: [max] } }), [`y = Slice(x, [1], [${max}])`]],
    [9, node('Slice', ['x'], ['y'], { starts: [-1], ends: [5], axes: [2] }), ['y = Slice(x, [-1], [5], [2])']],
    [12, node('Split', ['x'], ['y', 'z'], { split: [1, 3], axis: 2 }), ['y,z = Split(x, [1,3]) axis=2']],
    [12, node('Split', ['x'], ['y', 'z'], { axis: 2 }), ['y,z = Split(x) axis=2 num_outputs=2']],
    [17, node('Split', ['x'], ['y', 'z']), ['y,z = Split(x) num_outputs=2']],
    [9, node('TopK', ['x'], ['y', 'i'], { k: 2 }), ['y,i = TopK(x, [2])']],
    [10, node('Pad', ['x'], ['y'], { pads: [0, 0, 1, 0, 0, 1], value: { f: 2 } }), ['y = Pad(x, [0,0,1,0,0,1], 2)']],
    [
      10,
      node('Pad', ['x'], ['y'], { pads: [1, 1, 1, 1, 1, 1], mode: 'edge' }),
      ['y = Pad(x, [1,1,1,1,1,1]) mode=edge'],
    ],
    [10, node('Clip', ['x'], ['y'], { min: { f: 0 }, max: { f: 6 } }), ['y = Clip(x, 0, 6)']],
    [10, node('Clip', ['x'], ['y'], { max: { f: 6 } }), ['y = Clip(x, , 6)']],
    [10, node('Clip', ['x'], ['y']), ['y = Clip(x)']],
    [
      8,
      node('Upsample', ['x'], ['y'], { scales: floats(1, 2, 2) }),
      ['y = Resize(x, , [1,2,2]) mode=nearest coordinate_transformation_mode=asymmetric nearest_mode=floor'],
    ],
    [19, node('DFT', ['x'], ['y'], { axis: 2 }), ['y = DFT(x, , 2)']],
    [19, node('DFT', ['x'], ['y']), ['y = DFT(x, , 1)']],
  ];

  test.each(byOp(rows))('%s of opset %i', async (_, opset, of, expected) => {
    const dims = of.opType === 'Squeeze' ? [2, 1, 4] : of.opType === 'DFT' ? [2, 3, 4, 1] : [2, 3, 4];
    expect(show(await imported(opset, of, { input: [value('x', 'float32', dims)] }))).toEqual(expected);
  });

  test('are left alone from the opset on that changed them', async () => {
    const initializer = [filled('axes', 'int64', [1], [1])];
    const found = await imported(13, node('ReduceSum', ['x', 'axes'], ['y']), { initializer });
    expect(show(found)).toEqual(['y = ReduceSum(x, [1])']);
    const odd = imported(13, node('ReduceSum', ['x'], ['y'], { axes: [1] }));
    await expect(odd.then(run)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  test('take the dtype of what they are compared with', async () => {
    const clip = (dtype: 'float16' | 'float64'): Promise<Graph> =>
      imported(9, node('Clip', ['x'], ['y'], { min: { f: 1 } }), { input: [value('x', dtype)] });
    expect((await clip('float64')).constants.get('Clip_0/min')).toMatchObject({
      type: 'float64',
      data: new Float64Array([1]),
    });
    expect((await clip('float16')).constants.get('Clip_0/min')).toMatchObject({
      type: 'float16',
      data: Uint16Array.of(0x3c00),
    });
  });

  test('are cast where that dtype is not known yet', async () => {
    const body = graph({
      input: [value('i', 'int64', []), value('go', 'bool', []), { name: 's' }],
      node: [node('Clip', ['s'], ['o'], { max: { f: 2 } }), node('Identity', ['go'], ['on'])],
      output: [value('on', 'bool', []), { name: 'o' }],
    });
    const initializer = [filled('n', 'int64', [], [1])];
    const found = await imported(10, node('Loop', ['n', '', 'x'], ['y'], { body }), { initializer });
    const [[, inner]] = subgraphs(found.nodes[0]!) as [[string, Graph]];
    expect(show(inner)).toEqual([
      'Clip_1/CastLike = CastLike(2, s)',
      'o = Clip(s, , Clip_1/CastLike)',
      'on = Identity(go)',
    ]);
  });

  test('of the wrong type are refused', async () => {
    for (const of of [
      node('Squeeze', ['x'], ['y'], { axes: 'all' }),
      node('Clip', ['x'], ['y'], { min: 'none' }),
      node('Upsample', ['x'], ['y'], { scales: 2 }),
      node('Softmax', ['x'], ['y'], { axis: { f: 0.5 } }),
    ])
      await expect(imported(7, of)).rejects.toMatchObject({ code: 'BAD_GRAPH', node: `${of.opType}_0` });
  });
});

describe('what ops meant before', () => {
  const rows: SizedRow[] = [
    [12, node('Softmax', ['x'], ['y'], { axis: 2 }), [2, 3, 4], ['y = Softmax(x) axis=2']],
    [12, node('Softmax', ['x'], ['y']), [2, 1000, 1, 1], ['y = Softmax(x) axis=1']],
    [12, node('Hardmax', ['x'], ['y'], { axis: 1 }), [2, 1, 4], ['y = Hardmax(x) axis=2']],
    [12, node('LogSoftmax', ['x'], ['y'], { axis: -1 }), ['a', 'b'], ['y = LogSoftmax(x) axis=-1']],
    [9, node('Dropout', ['x'], ['y'], { ratio: { f: 0.5 } }), [2], ['y = Dropout(x)']],
    [7, node('Dropout', ['x'], ['y', 'm']), [2], ['y,Dropout_0/mask = Dropout(x)', 'm = CastLike(Dropout_0/mask, x)']],
    [15, node('GridSample', ['x', 'x'], ['y'], { mode: 'bicubic' }), [1, 1, 2, 2], ['y = GridSample(x, x) mode=cubic']],
    [16, node('GridSample', ['x', 'x'], ['y']), [1, 1, 2, 2], ['y = GridSample(x, x) mode=linear']],
  ];

  test.each(byOp(rows))('%s of opset %i', async (_, opset, of, dims, expected) => {
    expect(show(await imported(opset, of, { input: [value('x', 'float32', dims)] }))).toEqual(expected);
  });

  test('softmax over several axes', async () => {
    const found = await imported(12, node('Softmax', ['x'], ['y'], { axis: 1 }), {
      input: [value('x', 'float32', ['n', 3, 4])],
    });
    expect(found.nodes.map(({ op }) => op)).toEqual(['Shape', 'Flatten', 'Softmax', 'Reshape']);
    const { y } = await run(found, { x: new Tensor('float32', new Float32Array(24), [2, 3, 4]) });
    expect(y!.dims).toEqual([2, 3, 4]);
    for (const each of y!.data as Float32Array) expect(each).toBeCloseTo(1 / 12, 6);
  });

  test('softmax in a body, of a value that has the name of one outside', async () => {
    const body = graph({
      input: [value('i', 'int64', []), value('go', 'bool', []), { name: 'x' }],
      node: [node('Softmax', ['x'], ['o'], { axis: 1 }), node('Identity', ['go'], ['on'])],
      output: [value('on', 'bool', []), { name: 'o' }],
    });
    const initializer = [filled('n', 'int64', [], [1])];
    const input = [value('x', 'float32', [2, 3]), value('z', 'float32', [2, 3, 4])];
    const found = await imported(10, node('Loop', ['n', '', 'z'], ['y'], { body }), { initializer, input });
    const [[, inner]] = subgraphs(found.nodes[0]!) as [[string, Graph]];
    expect(inner.nodes.map(({ op }) => op)).toEqual(['Shape', 'Flatten', 'Softmax', 'Reshape', 'Identity']);
  });

  test('group normalisation with a scale for each group', async () => {
    const found = await imported(18, node('GroupNormalization', ['x', 's', 'b'], ['y'], { num_groups: 2 }), {
      input: [value('x', 'float32', ['n', 4, 2])],
      initializer: [filled('s', 'float32', [2], [1, 10]), filled('b', 'float32', [2], [0, 100])],
    });
    const { y } = await run(found, { x: new Tensor('float32', [-1, 1, -1, 1, -1, 1, -1, 1], [1, 4, 2]) });
    const rounded = Array.from(y!.data as Float32Array, Math.round);
    expect(rounded).toEqual([-1, 1, -1, 1, 90, 110, 90, 110]);
  });

  test('resizing of opset 10 rounds down where it grows, and up where it shrinks', async () => {
    const resized = async (scale: number, ...x: number[]): Promise<number[]> => {
      const found = await imported(10, node('Resize', ['x', 's'], ['y']), {
        input: [value('x', 'float32', [x.length])],
        initializer: [filled('s', 'float32', [1], [scale])],
      });
      return Array.from((await run(found, { x: new Tensor('float32', x) }))['y']!.data as Float32Array);
    };
    expect(await resized(1.5, 1, 2, 3, 4)).toEqual([1, 1, 2, 3, 3, 4]);
    expect(await resized(0.6, 1, 2, 3, 4, 5)).toEqual([1, 3, 5]);
  });

  test('empty tensors that stood for nothing are left out', async () => {
    const found = await imported(11, node('Resize', ['x', 'roi', 'none', 'sizes'], ['y']), {
      initializer: [
        filled('roi', 'float32', [0], []),
        filled('none', 'float32', [0], []),
        filled('sizes', 'int64', [3], [2, 6, 8]),
      ],
    });
    expect(show(found)).toEqual(['y = Resize(x, , , [2,6,8])']);
  });

  test('regions of interest without half a pixel', async () => {
    const input = [value('x', 'float32', [1, 1, 4, 4]), value('r', 'float32', [1, 4]), value('b', 'int64', [1])];
    const found = await imported(10, node('RoiAlign', ['x', 'r', 'b'], ['y']), { input });
    expect(show(found)).toEqual(['y = RoiAlign(x, r, b) coordinate_transformation_mode=output_half_pixel']);
  });

  test('Scatter is ScatterElements', async () => {
    const input = [value('x', 'float32', [3]), value('i', 'int64', [1]), value('u', 'float32', [1])];
    const found = await imported(9, node('Scatter', ['x', 'i', 'u'], ['y']), { input });
    expect(show(found)).toEqual(['y = ScatterElements(x, i, u)']);
  });
});

describe('what no form today means', () => {
  const vector = ['s', 'b', 'm', 'v'];
  const more = { input: [value('x', 'float32', [2, 3]), ...vector.map((name) => value(name, 'float32', [3]))] };
  const norm = (outputs: string[], attributes = {}): ReturnType<typeof node> =>
    node('BatchNormalization', ['x', ...vector], outputs, attributes);

  const rows: RefusedRow[] = [
    [7, norm(['y'], { spatial: 0 }), /each activation on its own/],
    [9, norm(['y', 'mean', 'var']), /training mode/],
    [10, node('Resize', ['x', 's'], ['y']), /not constant/],
    [
      11,
      node('Resize', ['x', '', 's'], ['y'], { coordinate_transformation_mode: 'tf_half_pixel_for_nn' }),
      /tf_half_pixel/,
    ],
    [8, node('Scan', ['', 'x'], ['y'], { body: graph(), num_scan_inputs: 1 }), /opset 8/],
    [11, node('Scatter', ['x', 's', 'b'], ['y']), /no op Scatter/],
    [6, node('Add', ['x', 'x'], ['y']), /opset 6, older than 7, and the op changed since/],
    [5, node('Relu', ['x'], ['y']), /opset 5, older than 7/],
  ];

  test.each(byOp(rows))('%s of opset %i', async (_, opset, of, reason) => {
    await expect(imported(opset, of, more)).rejects.toThrow(reason);
    await expect(imported(opset, of, more)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  test('nor is an op of an older file that did not change since', async () => {
    expect((await imported(6, node('Relu', ['x'], ['y']), more)).nodes[0]!.op).toBe('Relu');
  });

  test('a batch normalisation for inference is none of these', async () => {
    expect((await imported(7, norm(['y'], { spatial: 1 }), more)).nodes[0]!.attrs).toEqual({});
  });
});

async function run(found: Graph, feeds: Record<string, Tensor> = {}): Promise<Record<string, Tensor>> {
  const runtime = createRuntime({ backends: [createJsBackend()] });
  const session = await runtime.createSession(found);
  try {
    return await session.run(feeds);
  } finally {
    await session.dispose();
    runtime.dispose();
  }
}
