// Graphs written as ONNX come back as they were.

import { type Attribute, dtypes, type Graph, isGraph, type Node, Tensor } from '@espalier/core';
import { describe, expect, test } from 'vitest';
import { exportOnnx, importOnnx } from '../src/index.ts';

const node = (
  op: string,
  inputs: string[],
  outputs: string[],
  attrs: Node['attrs'] = {},
  more: Partial<Node> = {},
): Node => ({
  name: `the ${op} of ${outputs[0]}`,
  op,
  domain: '',
  inputs,
  outputs,
  attrs,
  ...more,
});

const simple = (...nodes: readonly Node[]): Graph => ({
  name: 'simple',
  inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 3] }],
  outputs: [nodes.at(-1)!.outputs[0]!],
  nodes,
  constants: new Map(),
});

/** As plain data, tensors as their bytes. */
function plain(graph: Graph): unknown {
  const value = (each: Attribute): unknown => {
    if (isGraph(each)) return plain(each);
    return typeof each === 'object' && 'dims' in each ? tensor(each) : each;
  };
  const tensor = (each: Tensor): unknown => ({
    type: each.type,
    dims: each.dims,
    data: each.type === 'string' ? each.data : [...each.bytes],
  });
  return {
    ...graph,
    constants: [...graph.constants].map(([name, each]) => [name, tensor(each)]),
    nodes: graph.nodes.map((each) => ({
      ...each,
      attrs: Object.fromEntries(Object.entries(each.attrs).map(([key, held]) => [key, value(held)])),
    })),
  };
}

async function roundTrip(graph: Graph): Promise<Graph> {
  return (await importOnnx(exportOnnx(graph))).graph;
}

describe('a graph written and read', () => {
  test('is the same: attributes, bodies, symbols, options left out', async () => {
    const branch = (op: string): Graph => ({
      name: `${op} branch`,
      inputs: [],
      outputs: [`${op}_y`],
      nodes: [node(op, ['r', 'half'], [`${op}_y`])],
      constants: new Map([['half', new Tensor('float32', [0.5], [])]]),
    });
    const graph: Graph = {
      name: 'everything',
      inputs: [
        { name: 'x', dtype: 'float32', shape: ['batch', 3, 'seq', 'batch*seq+1'] },
        { name: 'if', dtype: 'bool', shape: [] },
      ],
      outputs: ['y', 'z'],
      nodes: [
        node('Transpose', ['x'], ['t'], { perm: [0, 1, 3, 2] }),
        node('LeakyRelu', ['t'], ['l'], { alpha: Math.fround(0.1) }),
        node('Clip', ['l', '', 'max'], ['r']),
        node('If', ['if'], ['y'], { then_branch: branch('Add'), else_branch: branch('Mul') }),
        node('ConstantOfShape', ['shape'], ['z'], { value: new Tensor('int8', [7], [1]) }),
        node('ArgMax', ['r'], ['unused'], { axis: -1, keepdims: 0 }),
      ],
      constants: new Map([
        ['max', new Tensor('float32', [6], [])],
        ['shape', new Tensor('int64', [2n, 2n])],
      ]),
    };
    expect(plain(await roundTrip(graph))).toEqual(plain(graph));
  });

  test.each(Object.keys(dtypes).filter((dtype) => dtype !== 'string') as (keyof typeof dtypes)[])(
    'keeps constants of %s',
    async (dtype) => {
      const bytes = Uint8Array.from({ length: (dtypes[dtype].bits * 8) / 8 }, (_, i) =>
        dtype === 'bool' ? i & 1 : 3 * i,
      );
      const constants = new Map([['c', Tensor.fromBytes(dtype, bytes, [8])]]);
      const graph: Graph = { ...simple(node('Identity', ['c'], ['y'])), constants };
      expect(plain(await roundTrip(graph))).toEqual(plain(graph));
    },
  );

  test('keeps strings, empty tensors and odd names', async () => {
    const constants = new Map([
      ['c', new Tensor('string', ['', 'ü', '\0'], [3, 1])],
      ['empty', new Tensor('float32', [], [0, 4])],
      ['a name/with.everything: é', new Tensor('float32', [1])],
    ]);
    const graph: Graph = { ...simple(node('Identity', ['c'], ['y']), node('Identity', ['empty'], ['z'])), constants };
    expect(plain(await roundTrip(graph))).toEqual(plain(graph));
  });

  test('keeps sequences and optionals', async () => {
    const held = { dtype: 'int64', shape: [] } as const;
    const graph: Graph = {
      ...simple(
        node('SequenceInsert', ['s', 'i'], ['t']),
        node('SequenceMap', ['s', 'i'], ['u'], {
          body: {
            ...simple(node('Add', ['a', 'b'], ['c'])),
            inputs: [
              { ...held, name: 'a' },
              { ...held, name: 'b' },
            ],
          },
        }),
        node('Optional', [], ['none'], { type: { ...held, container: { kind: 'sequence', shape: ['?', 2] } } }),
        node('Optional', [], ['nothing'], { type: { dtype: 'float32', shape: ['...'] } }),
        node('OptionalHasElement', ['o'], ['y']),
      ),
      inputs: [
        { name: 's', ...held, container: { kind: 'sequence', shape: ['?', 2] } },
        { name: 'o', ...held, container: { kind: 'optional', shape: [3] } },
        { name: 'q', ...held, container: { kind: 'optional(sequence)', shape: ['...'] } },
        { name: 'i', dtype: 'int64', shape: ['n', 2] },
      ],
      outputs: ['t', 'u', 'none', 'nothing', 'y', 's', 'q'],
    };
    // A body's inputs have the types that its node passes in.
    const read = await roundTrip(graph);
    const map = read.nodes[1]!.attrs['body'] as Graph;
    expect(map.inputs.map(({ shape }) => shape.length)).toEqual([2, 2]);
    const body = { ...map, inputs: (graph.nodes[1]!.attrs['body'] as Graph).inputs };
    const nodes = read.nodes.with(1, { ...read.nodes[1]!, attrs: { body } });
    expect(plain({ ...read, nodes })).toEqual(plain(graph));
    expect(exportOnnx(read)).toEqual(exportOnnx(graph));
  });

  test("keeps Espalier's own ops, sizes as expressions", async () => {
    const dims = node(
      'Dims',
      [],
      ['y'],
      { dims: ['batch', 3, 'batch+1'], dtype: 'int64', scalar: 0 },
      { domain: 'espalier' },
    );
    const graph = simple(dims);
    expect(plain(await roundTrip(graph))).toEqual(plain(graph));
    expect((await importOnnx(exportOnnx(graph))).metadata.opsets).toEqual({ '': 22, espalier: 1 });
  });
});

describe('the file', () => {
  test('is of opset 22, or of the first that has the ops', async () => {
    const opsets = async (...nodes: Node[]): Promise<unknown> =>
      (await importOnnx(exportOnnx(simple(...nodes)))).metadata.opsets;
    expect(await opsets(node('Relu', ['x'], ['y']))).toEqual({ '': 22 });
    expect(await opsets(node('Relu', ['x'], ['h']), node('Swish', ['h'], ['y']))).toEqual({ '': 24 });
  });

  test('is of an older opset where that has the same forms of the ops', async () => {
    const opset = async (asked: number, ...nodes: Node[]): Promise<unknown> =>
      (await importOnnx(exportOnnx(simple(...nodes), { opset: asked }))).metadata.opsets[''];
    expect(await opset(17, node('Relu', ['x'], ['y']))).toBe(17);
    expect(await opset(17, node('Relu', ['x'], ['h']), node('Gelu', ['h'], ['y']))).toBe(20);
    const mean = node('ReduceMean', ['x', 'axes'], ['y']);
    const graph = { ...simple(mean), constants: new Map([['axes', new Tensor('int64', [1n], [1])]]) };
    const { metadata, graph: read } = await importOnnx(exportOnnx(graph, { opset: 17 }));
    expect([metadata.opsets[''], read.nodes[0]!.inputs]).toEqual([18, ['x', 'axes']]);
  });

  test('may leave large initializers to another file', async () => {
    const graph: Graph = {
      ...simple(node('MatMul', ['x', 'w'], ['h']), node('Add', ['h', 'b'], ['y'])),
      constants: new Map([
        ['w', new Tensor('float32', Float32Array.from({ length: 1200 }, Math.sin), [3, 400])],
        ['b', new Tensor('float32', [1], [])],
      ]),
    };
    let weights = new Uint8Array(64);
    const bytes = exportOnnx(graph, {
      external: (more) => {
        const offset = weights.length;
        weights = Uint8Array.from([...weights, ...more]);
        return { location: 'weights.bin', offset };
      },
    });
    expect([bytes.length < 1000, weights.length]).toEqual([true, 64 + 4800]);
    const external = (file: string, offset: number, length: number): Uint8Array =>
      file === 'weights.bin' ? weights.subarray(offset, offset + length) : new Uint8Array();
    expect(plain((await importOnnx(bytes, { external })).graph)).toEqual(plain(graph));
  });

  test('says who wrote it, and what it was told to say', async () => {
    const { metadata } = await importOnnx(
      exportOnnx(simple(node('Relu', ['x'], ['y'])), { properties: { sparsity: '0.9' } }),
    );
    expect(metadata).toMatchObject({ producer: 'espalier', irVersion: 10, properties: { sparsity: '0.9' } });
  });

  test('is not written for what ONNX cannot say', () => {
    const fused = node('Relu', ['x'], ['y'], {}, { epilogue: [{ op: 'Relu', attrs: {}, inputs: [], position: 0 }] });
    expect(() => exportOnnx(simple(fused))).toThrow(/is fused/);
    const reshaped = node('Reshape', ['x'], ['y'], { shape: ['batch*3'] });
    expect(() => exportOnnx(simple(reshaped))).toThrow(/"shape"/);
    expect(() => exportOnnx(simple(node('Mystery', ['x'], ['y'])))).toThrow(/Mystery/);
  });
});
