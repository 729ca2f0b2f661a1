import { EspalierError, type Graph, Tensor, UnsupportedError } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { importTfjs } from '../src/index.ts';
import { caseModel, cases } from './cases.ts';
import { attr, constant, f32, floats, i32, model, type NodeDef, placeholder, runGraph } from './model.ts';

async function load(...args: Parameters<typeof model>): Promise<Graph> {
  const { json, shard } = model(...args);
  return (await importTfjs(json, async () => shard)).graph;
}

const x = placeholder('x', 'float32', [2]);
const add = (name: string, a: string, b: string): NodeDef => ({ name, op: 'AddV2', input: [a, b] });
const ops = (graph: Graph): string[] => graph.nodes.map((node) => node.op);

describe('names', () => {
  it('takes inputs and outputs from the signature, whatever the nodes are called', async () => {
    const signature = {
      inputs: { out: { name: 'x:0', dtype: 'DT_FLOAT', tensorShape: { dim: [{ size: '2' }] } } },
      outputs: { sum: { name: 'y:0' }, x: { name: 'z:0' }, again: { name: 'z:0' }, same: { name: 'x:0' } },
    };
    const graph = await load([x, add('y', 'x', 'x'), add('z', 'y', 'x'), add('sum', 'z', 'z')], {}, { signature });
    expect(graph.inputs).toEqual([{ name: 'out', dtype: 'float32', shape: [2] }]);
    expect(graph.outputs).toEqual(['sum', 'x', 'again', 'same']);
    const results = await runGraph(graph, { out: f32([1, 2]) });
    expect(results.map(({ data }) => Array.from(data as Float32Array))).toEqual([
      [2, 4],
      [3, 6],
      [3, 6],
      [1, 2],
    ]);
  });

  it('finds the signature among user-defined metadata, where older converters put it', async () => {
    const signature = { outputs: { first: { name: 'y' } } };
    const graph = await load([x, add('y', 'x', 'x'), add('z', 'y', 'x')], {}, { userDefinedMetadata: { signature } });
    expect(graph.outputs).toEqual(['first']);
  });

  it('without a signature takes the placeholders, and the nodes that nobody reads', async () => {
    const graph = await load([x, add('y', 'x', 'x'), add('z', 'y', 'x'), { name: 'w', op: 'Tanh', input: ['x'] }]);
    expect(graph.inputs.map(({ name }) => name)).toEqual(['x']);
    expect(graph.outputs).toEqual(['z', 'w']);
  });

  it('does not lose an output that has the name of an input', async () => {
    const signature = { outputs: { x: { name: 'y' } } };
    const graph = await load([x, add('y', 'x', 'x')], {}, { signature });
    expect(graph.outputs).toEqual(['x_1']);
    expect((await runGraph(graph, { x: f32([1, 2]) }))[0]!.data).toEqual(Float32Array.of(2, 4));
  });

  it('names sizes that vary after input and axis, each with its own symbol', async () => {
    const nodes = [
      placeholder('a b', 'float32', [-1, 3]),
      placeholder('a_b', 'float32', [-1, 3]),
      placeholder('1', 'float32', [-1]),
    ];
    const graph = await load([
      ...nodes,
      { name: 'y', op: 'AddN', input: ['a b', 'a_b'] },
      { name: 'z', op: 'Abs', input: ['1'] },
    ]);
    expect(graph.inputs.map(({ shape }) => shape[0])).toEqual(['a_b_0', 'a_b_0_', '_1_0']);
  });

  it('takes the default of a placeholder that the signature does not name', async () => {
    const nodes = [x, constant('d'), { name: 'p', op: 'PlaceholderWithDefault', input: ['d'] }, add('y', 'x', 'p')];
    const graph = await load(nodes, { d: f32([10], []) });
    expect(graph.inputs.map(({ name }) => name)).toEqual(['x']);
    expect((await runGraph(graph, { x: f32([1, 2]) }))[0]!.data).toEqual(Float32Array.of(11, 12));
  });

  it('has 64-bit integers in 32 bits, as tfjs has', async () => {
    const wide = { name: 'x', op: 'Placeholder', attr: { dtype: attr.type('DT_INT64'), shape: attr.shape(2) } };
    expect((await load([wide, add('y', 'x', 'x')])).inputs[0]!.dtype).toBe('int32');
  });
});

describe('graphs', () => {
  it('leaves out what the outputs do not need', async () => {
    const nodes = [
      x,
      constant('c'),
      constant('unused'),
      add('y', 'x', 'c'),
      { name: 'dead', op: 'NoSuchOp', input: ['y'] },
    ];
    const graph = await load(
      nodes,
      { c: f32([1]), unused: f32([2]) },
      { signature: { outputs: { y: { name: 'y' } } } },
    );
    expect(ops(graph)).toEqual(['Add']);
    expect(graph.constants.size).toBe(1);
  });

  it('takes nodes in any order, attributes as bytes, and no notice of control inputs', async () => {
    const nodes = [
      add('y', 's:1', 's'),
      { name: 's', op: 'Split', input: ['axis', 'x', '^check'], attr: { num_split: { i: 2 } } },
    ];
    const check = { name: 'check', op: 'Assert', input: ['x'] };
    const codes = { data_format: { s: [...'NHWC'].map((char) => char.charCodeAt(0)) } };
    const bias = { name: 'z', op: 'BiasAdd', input: ['y', 'b'], attr: codes };
    const graph = await load([bias, ...nodes, check, constant('b'), constant('axis'), x], {
      axis: i32([0], []),
      b: f32([1]),
    });
    expect(graph.outputs).toEqual(['z']);
    expect((await runGraph(graph, { x: f32([1, 2]) }))[0]!.data).toEqual(Float32Array.of(4));
  });

  it('transposes once into a chain of convolutions and once out of it, and no filter', async () => {
    const attrs = {
      strides: attr.ints(1, 1, 1, 1),
      padding: attr.string('SAME'),
      fused_ops: attr.strings('BiasAdd', 'Relu6'),
    };
    const pool = { ksize: attr.ints(1, 2, 2, 1), strides: attr.ints(1, 2, 2, 1), padding: attr.string('VALID') };
    const nodes = [
      placeholder('x', 'float32', [-1, 8, 8, 3]),
      ...['w1', 'w2', 'd', 'b'].map(constant),
      { name: 'c1', op: '_FusedConv2D', input: ['x', 'w1', 'b'], attr: attrs },
      { name: 'c2', op: 'FusedDepthwiseConv2dNative', input: ['c1', 'd', 'b'], attr: attrs },
      { name: 'p', op: 'MaxPool', input: ['c2'], attr: pool },
      { name: 'c3', op: '_FusedConv2D', input: ['p', 'w2', 'b'], attr: attrs },
    ];
    const weights = { w1: floats(3, 3, 3, 4), w2: floats(1, 1, 4, 4), d: floats(3, 3, 4, 1), b: floats(4) };
    const graph = await load(nodes, weights);
    expect(ops(graph)).toEqual(['Transpose', 'Conv', 'Clip', 'Conv', 'Clip', 'MaxPool', 'Conv', 'Clip', 'Transpose']);
    expect((await runGraph(graph, { x: floats(1, 8, 8, 3) }))[0]!.dims).toEqual([1, 4, 4, 4]);
  });

  it('agrees with tfjs 4.22 on a small network of a residual block', async () => {
    const conv = (stride: number, ...ops: string[]) => ({
      strides: attr.ints(1, stride, stride, 1),
      dilations: attr.ints(1, 1, 1, 1),
      padding: attr.string('SAME'),
      data_format: attr.string('NHWC'),
      ...(ops.length > 0 ? { fused_ops: attr.strings(...ops), num_args: attr.int(1) } : {}),
    });
    const nodes: NodeDef[] = [
      placeholder('x', 'float32', [-1, 9, 9, 3]),
      ...['stem', 'deep', 'up', 'bias', 'edge', 'last', 'axes', 'head'].map(constant),
      { name: 'a', op: '_FusedConv2D', input: ['x', 'stem', 'bias'], attr: conv(2, 'BiasAdd', 'Relu6') },
      { name: 'b', op: 'FusedDepthwiseConv2dNative', input: ['a', 'deep', 'bias'], attr: conv(1, 'BiasAdd', 'Relu6') },
      { name: 'c', op: '_FusedConv2D', input: ['b', 'up', 'bias'], attr: conv(1, 'BiasAdd') },
      add('d', 'a', 'c'),
      { name: 'e', op: 'Pad', input: ['d', 'edge'] },
      {
        name: 'f',
        op: 'DepthwiseConv2dNative',
        input: ['e', 'last'],
        attr: { ...conv(2), padding: attr.string('VALID') },
      },
      { name: 'g', op: 'Mean', input: ['f', 'axes'], attr: { keep_dims: attr.bool(false) } },
      {
        name: 'h',
        op: 'MatMul',
        input: ['g', 'head'],
        attr: { transpose_b: attr.bool(true), transpose_a: attr.bool(false) },
      },
      { name: 'y', op: 'Softmax', input: ['h'] },
    ];
    const weights = {
      stem: floats(3, 3, 3, 4),
      deep: floats(3, 3, 4, 1),
      up: floats(1, 1, 4, 4),
      bias: floats(4),
      edge: i32([0, 0, 0, 1, 0, 1, 0, 0], [4, 2]),
      last: floats(3, 3, 4, 1),
      axes: i32([1, 2]),
      head: new Tensor(
        'float32',
        Float32Array.from(floats(5, 4).data as Float32Array, (w) => w / 16),
        [5, 4],
      ),
    };
    const [result] = await runGraph(await load(nodes, weights), { x: floats(2, 9, 9, 3) });
    expect(result!.dims).toEqual([2, 5]);
    const expected = [
      0.02356598, 0.08882112, 0.1933102, 0.6359954, 0.05830723, 0.003614459, 0.009359256, 0.0763732, 0.9055684,
      0.005084659,
    ];
    Array.from(result!.data as Float32Array, (value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
  });

  it('keeps shapes that are computed in terms of the input', async () => {
    const masks = { shrink_axis_mask: attr.int(1) };
    const nodes = [
      placeholder('x', 'float32', [-1, 2, 3]),
      ...['zero', 'one', 'six'].map(constant),
      { name: 'shape', op: 'Shape', input: ['x'] },
      { name: 'batch', op: 'StridedSlice', input: ['shape', 'zero', 'one', 'one'], attr: masks },
      { name: 'to', op: 'Pack', input: ['batch', 'six'], attr: { axis: attr.int(0) } },
      { name: 'y', op: 'Reshape', input: ['x', 'to'] },
      { name: 'z', op: 'Shape', input: ['y'] },
    ];
    const graph = await load(nodes, { zero: i32([0]), one: i32([1]), six: i32([6], []) });
    const [result] = await runGraph(graph, { x: floats(5, 2, 3) });
    expect(result!.data).toEqual(Int32Array.of(5, 6));
  });
});

describe('what cannot be translated', () => {
  it('is listed in one error, whatever it is', async () => {
    const layout = { data_format: attr.string('NCHW_VECT_C') };
    const nodes = [
      x,
      {
        name: 'rank',
        op: 'Placeholder',
        attr: { dtype: attr.type('DT_FLOAT'), shape: { shape: { unknownRank: true } } },
      },
      { name: 'text', op: 'Placeholder', attr: { dtype: attr.type('DT_STRING'), shape: attr.shape(1) } },
      { name: 'a', op: 'FFT', input: ['x'] },
      { name: 'b', op: 'HashTableV2' },
      { name: 'c', op: 'BiasAdd', input: ['x', 'x'], attr: layout },
      { name: 'd', op: 'BitwiseAnd', input: ['x', 'x'] },
      { name: 'after', op: 'AddN', input: ['a', 'b', 'rank', 'text'] },
    ];
    const error = (await load(nodes).catch((e) => e)) as UnsupportedError;
    expect(error).toBeInstanceOf(UnsupportedError);
    expect(error.reasons).toEqual([
      expect.stringMatching(/^c \(BiasAdd\): no data_format NCHW_VECT_C$/),
      expect.stringMatching(/^d\/BitwiseAnd.*float32/),
      'a: no op FFT',
      'b: no op HashTableV2',
      'rank: an input of unknown rank',
      'text: an input of a dtype that is not supported',
    ]);
    expect(error.message).toMatch(/^6 node\(s\) or weight\(s\) of model\.json are not supported:\n/);
  });

  it('is listed together with weights that cannot be read', async () => {
    const { json } = model([x, constant('c'), { name: 'y', op: 'FFT', input: ['c'] }]);
    const weights = [{ name: 'c', dtype: 'complex64', shape: [1] }];
    const imported = importTfjs(
      { ...json, weightsManifest: [{ paths: ['w'], weights }] },
      async () => new Uint8Array(8),
    );
    const error = (await imported.catch((e) => e)) as UnsupportedError;
    expect(error.reasons).toEqual(['weight c: no dtype complex64', 'y: no op FFT']);
  });

  it('is control flow, by name, also where it makes a cycle', async () => {
    const nodes = [
      x,
      { name: 'enter', op: 'Enter', input: ['x'] },
      { name: 'merge', op: 'Merge', input: ['enter', 'next'] },
      { name: 'switch', op: 'Switch', input: ['merge', 'merge'] },
      { name: 'next', op: 'NextIteration', input: ['switch:1'] },
      { name: 'exit', op: 'Exit', input: ['switch'] },
    ];
    const error = (await load(nodes).catch((e) => e)) as UnsupportedError;
    expect(error.reasons?.map((reason) => reason.split(' ').at(-1))).toEqual([
      'Enter',
      'NextIteration',
      'Merge',
      'Switch',
      'Exit',
    ]);
  });

  it('is training', async () => {
    const nodes = [
      placeholder('x', 'float32', [1, 2, 2, 1]),
      constant('c'),
      { name: 'y', op: 'FusedBatchNormV3', input: ['x', 'c', 'c', 'c', 'c'] },
    ];
    await expect(load(nodes, { c: f32([1]) })).rejects.toThrow(/y \(FusedBatchNormV3\): it is in training mode/);
  });
});

describe('malformed models', () => {
  const ok = model([x, add('y', 'x', 'x')]).json;
  const topology = (...node: unknown[]) => ({ ...ok, modelTopology: { node } });
  const manifest = (...weights: unknown[]) => ({ ...ok, weightsManifest: [{ paths: ['w'], weights }] });
  it.each<[string, unknown, RegExp]>([
    ['null', null, /model\.json that is not an object/],
    ['a list', [], /not an object/],
    ['nothing', {}, /"modelTopology" that is not an object/],
    [
      'a layers model',
      { format: 'layers-model', modelTopology: {} },
      /is a Keras layers model.*tensorflowjs_converter/,
    ],
    ['a layers model without a format', { modelTopology: { model_config: {} } }, /is a Keras layers model/],
    ['no nodes', { modelTopology: { node: {} } }, /"modelTopology.node" that is not a list/],
    ['an empty graph', topology(), /without outputs/],
    ['a node without a name', topology({ op: 'Abs' }), /without a name or op/],
    ['two nodes of one name', topology(x, x), /two nodes "x"/],
    ['inputs that are not a list', topology({ name: 'y', op: 'Abs', input: 'x' }), /not a list/],
    ['an input that is not text', topology({ name: 'y', op: 'Abs', input: [1] }), /not text/],
    [
      'an input of a strange form',
      topology({ name: 'y', op: 'Abs', input: ['x:one'] }),
      /"x:one", which is not node:index/,
    ],
    [
      'a missing node',
      topology({ name: 'y', op: 'Abs', input: ['x'] }),
      /"y" that reads the node "x", which is missing/,
    ],
    [
      'a missing output of a node',
      topology(x, { name: 'y', op: 'Abs', input: ['x:1'] }),
      /"y" that reads "x:1", which is missing/,
    ],
    [
      'a cycle',
      topology(
        { name: 'a', op: 'Abs', input: ['b'] },
        { name: 'b', op: 'Abs', input: ['a'] },
        { name: 'c', op: 'Abs', input: ['a'] },
      ),
      /cycle/,
    ],
    [
      'no weights for a constant',
      topology(constant('c'), { name: 'y', op: 'Abs', input: ['c'] }),
      /no weights for the node "c"/,
    ],
    [
      'an attribute of another kind',
      topology(x, { name: 'y', op: 'Squeeze', input: ['x'], attr: { squeeze_dims: { list: { i: ['one'] } } } }),
      /"y" whose attribute "squeeze_dims"/,
    ],
    [
      'an attribute that is not base64',
      topology(x, { name: 'y', op: 'BiasAdd', input: ['x', 'x'], attr: { data_format: { s: '?' } } }),
      /"y" whose attribute "data_format"/,
    ],
    ['a shape with a negative size', topology(placeholder('x', 'float32', [-2]), add('y', 'x', 'x')), /the size -2/],
    [
      'a signature of missing nodes',
      { ...ok, signature: { inputs: { a: { name: 'gone:0' } } } },
      /input "a", whose node is missing/,
    ],
    [
      'a signature of missing outputs',
      { ...ok, signature: { outputs: { a: { name: 'y:3' } } } },
      /output "a", which its node does not have/,
    ],
    ['a weight without a name', manifest({ dtype: 'float32', shape: [] }), /weight without a name/],
    ['a weight with a negative size', manifest({ name: 'c', dtype: 'float32', shape: [-1] }), /the shape \[-1\]/],
    [
      'a weight of more bytes than there are',
      manifest({ name: 'c', dtype: 'float32', shape: [1e15] }),
      /of 4000000000000000 bytes/,
    ],
  ])('%s', async (_, json, message) => {
    const error = (await importTfjs(json, async () => new Uint8Array(), { file: 'm.json' }).catch(
      (e) => e,
    )) as EspalierError;
    expect(error).toBeInstanceOf(EspalierError);
    expect([error.code, error.file]).toEqual(['BAD_FILE', 'm.json']);
    expect(error.message).toMatch(message);
  });

  it('whose nodes do not fit each other', async () => {
    const nodes = [x, placeholder('w', 'float32', [3]), add('y', 'x', 'w')];
    await expect(load(nodes)).rejects.toThrow(
      expect.objectContaining({ code: 'SHAPE_MISMATCH', message: expect.stringContaining('y/Add') }),
    );
  });

  it('with a deep graph', async () => {
    const nodes = Array.from({ length: 20_000 }, (_, i) => ({
      name: `n${i + 1}`,
      op: 'Identity',
      input: [i === 0 ? 'x' : `n${i}`],
    }));
    const graph = await load([...nodes.toReversed(), x]);
    expect(graph.outputs).toEqual(['n20000']);
  });

  it('throws nothing but its own errors, whatever is put into a model', async () => {
    let seed = 1;
    const random = (n: number): number => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % n;
    };
    const poison = [
      null,
      -1,
      0,
      1,
      3,
      1e9,
      1e300,
      0.5,
      '',
      'x',
      '-1',
      '1000000000',
      [],
      {},
      true,
      '^x',
      ['x'],
      { i: '7' },
      { list: null },
      btoa('SAME'),
      9,
    ];
    let refused = 0;
    for (let i = 0; i < 3000; i++) {
      const c = cases[i % cases.length]!;
      const { json, shard } = caseModel(c, 'all');
      const mutant = JSON.parse(JSON.stringify(json));
      let at = mutant;
      for (let depth = random(9); depth > 0; depth--) {
        const next = Object.values(at).filter((value) => typeof value === 'object' && value !== null);
        if (next.length > 0) at = next[random(next.length)];
      }
      const keys = Object.keys(at);
      at[keys[random(keys.length)] ?? 'attr'] = poison[random(poison.length)];
      await importTfjs(mutant, async () => shard).catch((error) => {
        expect(error, JSON.stringify(mutant)).toBeInstanceOf(EspalierError);
        refused++;
      });
    }
    expect(refused).toBeGreaterThan(1000);
  });

  it('stops when aborted', async () => {
    const { json, shard } = model([x, add('y', 'x', 'x')]);
    const aborted = importTfjs(json, async () => shard, { signal: AbortSignal.abort() });
    await expect(aborted).rejects.toThrow(expect.objectContaining({ code: 'ABORTED' }));
  });
});

it('imports the same tensors that it is given', async () => {
  const graph = await load([constant('c'), x, add('y', 'x', 'c')], { c: new Tensor('float32', [3, 4]) });
  expect([...graph.constants.values()][0]!.data).toEqual(Float32Array.of(3, 4));
});
