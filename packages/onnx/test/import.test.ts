// What a file says, and the graph that comes of it.

import {
  formatType,
  inferGraph,
  isSequence,
  onnxOps,
  subgraphs,
  type Tensor,
  UnsupportedError,
  type ValueKind,
} from '@espalier/core';
import { describe, expect, test } from 'vitest';
import { importOnnx, importTensor, importValue, inspectOnnx, isOnnx } from '../src/index.ts';
import { modelProto, type OptionalProto, optionalProto, sequenceProto, tensorProto } from '../src/proto.ts';
import { encode } from '../src/wire.ts';
import { external, filled, fn, graph, model, node, tensor, value } from './models.ts';

const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const elements = (found: Tensor | undefined): unknown[] => Array.from(found!.data as ArrayLike<unknown>);
const local = { domain: 'local' };

describe('metadata', () => {
  const file = model({}, 17, {
    producerName: 'tool',
    producerVersion: '1.2',
    domain: 'com.example',
    modelVersion: 3n,
    docString: text('what it does'),
    metadataProps: [{ key: 'author', value: text('me') }],
  });
  const metadata = {
    irVersion: 8,
    producer: 'tool',
    producerVersion: '1.2',
    domain: 'com.example',
    modelVersion: 3,
    description: 'what it does',
    opsets: { '': 17, local: 1 },
    properties: { author: 'me' },
  };

  test('comes with the graph', async () => {
    expect((await importOnnx(file)).metadata).toEqual(metadata);
  });

  test('can be read of a model that does not load', async () => {
    const body = graph({ node: [node('Mystery', ['x'], ['y'])] });
    const odd = model({ node: [node('If', ['c'], ['y'], { then_branch: body, else_branch: body })] });
    await expect(importOnnx(odd)).rejects.toThrow(/Mystery|nothing|makes/);
    expect(Object.fromEntries(inspectOnnx(odd).ops)).toEqual({ If: 1, Mystery: 2 });
    expect(inspectOnnx(file).metadata).toEqual(metadata);
  });
});

describe('isOnnx', () => {
  const file = model();

  test('knows a model, and its first half', () => {
    expect(isOnnx(file)).toBe(true);
    expect(isOnnx(file.subarray(0, file.length / 2))).toBe(true);
  });

  test.each([
    ['nothing', new Uint8Array(0)],
    ['JSON', text('{"modelTopology": {}}')],
    ['safetensors', new Uint8Array([8, 0, 0, 0, 0, 0, 0, 0, ...text('{}      ')])],
    [
      'safetensors of a long header',
      new Uint8Array([58, 8, 0, 0, 0, 0, 0, 0, ...text('{"a": 1, "b": 22222222222222222222}')]),
    ],
    ['GGUF', text('GGUF\x03\0\0\0\0\0\0\0')],
    ['a zip', text('PK\x03\x04')],
    ['a flatbuffer', new Uint8Array([0x1c, 0, 0, 0, ...text('TFL3'), 0, 0])],
    ['an ORT flatbuffer', new Uint8Array([0x08, 0, 0, 0, ...text('ORTM'), 0, 0])],
    ['a PNG', new Uint8Array([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10])],
    ['plain text', text('an ordinary sentence, of some length')],
    ['zeros', new Uint8Array(64)],
    ['another protobuf', encode(tensorProto, filled('t', 'float32', [2], [1, 2]))],
    [
      'a model without a graph',
      encode(modelProto, { irVersion: 8n, opsetImport: [], metadataProps: [], functions: [] }),
    ],
  ])('is not %s', (_, bytes) => expect(isOnnx(bytes)).toBe(false));
});

describe('values and nodes', () => {
  test('sizes: numbers, symbols, expressions over them, and names made safe', async () => {
    const input = [
      value('a', 'float32', ['batch', 'seq', 'batch*seq', 'seq + 1', 'rows+1']),
      value('b', 'float32', ['4 x 4', '_hidden', '4 x 4', 7]),
      {
        name: 'c-1',
        type: { tensorType: { elemType: 1, shape: { dim: [{}, { dimParam: '' }, { dimParam: 'seq' }] } } },
      },
    ];
    const { graph: found } = await importOnnx(model({ input, node: [node('Relu', ['a'], ['y'])] }));
    expect(found.inputs.map(({ shape }) => shape)).toEqual([
      ['batch', 'seq', 'batch*seq', 'seq+1', 'rows_1'],
      ['d4_x_4', 'd_hidden', 'd4_x_4', 7],
      ['c_1_0', 'c_1_1', 'seq'],
    ]);
  });

  test('an input that has an initializer is a constant', async () => {
    const initializer = [filled('w', 'float32', [2], [1, 2])];
    const input = [value('x', 'float32', [2]), value('w', 'float32', [2])];
    const { graph: found } = await importOnnx(model({ input, initializer, node: [node('Add', ['x', 'w'], ['y'])] }));
    expect(found.inputs.map(({ name }) => name)).toEqual(['x']);
    expect(elements(found.constants.get('w'))).toEqual([1, 2]);
  });

  test('nodes get names, in topological order', async () => {
    const nodes = [
      node('Relu', ['b'], ['y'], {}, { name: 'same' }),
      node('Sigmoid', ['a'], ['b'], {}, { name: 'same' }),
      node('Relu', ['x'], ['a']),
    ];
    const { graph: found } = await importOnnx(model({ node: nodes }));
    expect(found.nodes.map(({ name, outputs }) => [name, ...outputs])).toEqual([
      ['Relu_2', 'a'],
      ['same_1', 'b'],
      ['same', 'y'],
    ]);
  });

  test('what is left out at the end of inputs and outputs is trimmed, in between it stays', async () => {
    const nodes = [node('Clip', ['x', '', 'max', '', ''], ['c']), node('Dropout', ['c', '', ''], ['y', ''])];
    const initializer = [filled('max', 'float32', [], [1])];
    const { graph: found } = await importOnnx(model({ node: nodes, initializer }));
    expect(found.nodes[0]!.inputs).toEqual(['x', '', 'max']);
    expect(found.nodes[1]).toMatchObject({ inputs: ['c'], outputs: ['y'] });
  });

  test('a subgraph may come before what it captures', async () => {
    const then_branch = graph({ input: [], node: [node('Relu', ['late'], ['t'])], output: [value('t')] });
    const else_branch = graph({ input: [], node: [node('Abs', ['late'], ['e'])], output: [value('e')] });
    const nodes = [node('If', ['c'], ['y'], { then_branch, else_branch }), node('Exp', ['x'], ['late'])];
    const { graph: found } = await importOnnx(model({ input: [value('x'), value('c', 'bool', [])], node: nodes }));
    expect(found.nodes.map(({ op }) => op)).toEqual(['Exp', 'If']);
    expect(subgraphs(found.nodes[1]!).map(([, body]) => body.nodes[0]!.op)).toEqual(['Relu', 'Abs']);
  });

  test('integers too large for JavaScript stay what they are, or are refused', async () => {
    const max = 2n ** 63n - 1n;
    const constant = node('Constant', [], ['c'], { value_ints: { ints: [max, -max] } });
    const { graph: found } = await importOnnx(model({ node: [constant], output: [value('c', 'int64', [2])] }));
    expect(elements(found.constants.get('c'))).toEqual([max, -max]);
    const odd = model({ node: [node('Softmax', ['x'], ['y'], { axis: { i: max } })] });
    await expect(importOnnx(odd)).rejects.toMatchObject({ code: 'BAD_GRAPH', node: 'Softmax_0' });
  });
});

describe('tensors', () => {
  const [f16, bf16] = [[0x3c00, 0xc000], [0x3f80]];
  const varints = (...values: number[]): Uint8Array[] => values.map((each) => Uint8Array.of(...leb(each)));
  function leb(number: number): number[] {
    const bytes = [];
    let rest = BigInt.asUintN(64, BigInt(number));
    for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
    return [...bytes, Number(rest)];
  }

  test.each([
    [
      'float32',
      [1.5, -2],
      { floatData: [new Uint8Array(Float32Array.of(1.5).buffer), new Uint8Array(Float32Array.of(-2).buffer)] },
    ],
    ['float64', [1.5], { doubleData: [new Uint8Array(Float64Array.of(1.5).buffer)] }],
    ['float16', f16, { int32Data: varints(...f16) }],
    ['bfloat16', bf16, { int32Data: varints(...bf16) }],
    ['int64', [-1n, 5n], { int64Data: varints(-1, 5) }],
    ['int32', [-1, 300], { int32Data: varints(-1, 300) }],
    ['int16', [-300], { int32Data: varints(-300) }],
    ['int8', [-128, 127], { int32Data: varints(-128, 127) }],
    ['uint64', [2n ** 64n - 1n], { uint64Data: varints(-1) }],
    ['uint32', [2 ** 32 - 1], { uint64Data: varints(2 ** 32 - 1) }],
    ['uint16', [65535], { int32Data: varints(65535) }],
    ['uint8', [255], { int32Data: varints(255) }],
    ['bool', [1, 0], { int32Data: varints(1, 0) }],
    ['string', ['a', 'ü'], { stringData: [text('a'), text('ü')] }],
  ] as const)('%s in its typed field', (dtype, values, data) => {
    const { tensor: found, name } = importTensor(
      encode(tensorProto, tensor('t', dtype, [values.length], data as object)),
    );
    expect([name, found.type, found.dims, elements(found)]).toEqual(['t', dtype, [values.length], values]);
  });

  test.each(['int4', 'uint4'] as const)('%s, two to a byte', (dtype) => {
    const packed = [0x21, 0x0f];
    const typed = tensor('t', dtype, [3], { int32Data: varints(...packed) });
    const raw = tensor('t', dtype, [3], { rawData: Uint8Array.from(packed) });
    for (const proto of [typed, raw])
      expect([...importTensor(encode(tensorProto, proto)).tensor.bytes]).toEqual(packed);
  });

  test('raw data lies over the file, and over nothing else', () => {
    const read = (size: number, inBuffer = false): [Uint8Array, ArrayBufferLike] => {
      const file = encode(tensorProto, filled('t', 'float32', [size], new Array(size).fill(1)));
      return [importTensor(inBuffer ? Buffer.from(file) : file).tensor.bytes, file.buffer];
    };
    const [bytes, file] = read(2000);
    expect(bytes.buffer).toBe(file);
    expect(read(2000, true)[0].constructor).toBe(Uint8Array);
    // What is small must not keep all of the file.
    for (const inBuffer of [false, true]) expect(read(3, inBuffer)[0].buffer.byteLength).toBe(12);
  });

  test('booleans are 0 or 1', () => {
    const file = encode(tensorProto, tensor('t', 'bool', [3], { rawData: Uint8Array.of(0, 7, 1) }));
    expect(elements(importTensor(file).tensor)).toEqual([0, 1, 1]);
  });

  test('in sequences and optionals', () => {
    const tensors = [filled('', 'float32', [2], [1, 2]), filled('', 'float32', [1], [3])];
    const sequence = { name: 'v', elemType: 1, tensorValues: tensors };
    const read = (bytes: Uint8Array, kind: ValueKind): unknown => {
      const { name, value: found } = importValue(bytes, kind);
      expect(name).toBe('v');
      return isSequence(found) ? found.map(elements) : found && elements(found);
    };
    const optional = (proto: Omit<OptionalProto, 'name'>) => encode(optionalProto, { name: 'v', ...proto });
    expect(read(encode(tensorProto, { ...tensors[0]!, name: 'v' }), 'tensor')).toEqual([1, 2]);
    expect(read(encode(sequenceProto, sequence), 'sequence')).toEqual([[1, 2], [3]]);
    expect(read(optional({ elemType: 3, sequenceValue: sequence }), 'optional(sequence)')).toEqual([[1, 2], [3]]);
    expect(read(optional({ elemType: 1, tensorValue: tensors[1]! }), 'optional')).toEqual([3]);
    expect([read(optional({}), 'optional'), read(optional({ elemType: 0 }), 'optional(sequence)')]).toEqual([
      null,
      null,
    ]);
    expect(() => read(optional({ elemType: 1 }), 'optional')).toThrow(/lacks the element/);
    expect(() => read(optional({ elemType: 4 }), 'optional')).toThrow(/neither a tensor nor a sequence/);
    expect(() => read(encode(sequenceProto, { ...sequence, elemType: 3 }), 'sequence')).toThrow(/not hold tensors/);
  });

  test('a dtype that Espalier lacks is named', () => {
    expect(() => importTensor(encode(tensorProto, tensor('t', 'int8', [1], { dataType: 17 })))).toThrow(/float8e4m3fn/);
  });

  test('external data is asked for by location, offset and length', async () => {
    const asked: unknown[] = [];
    const initializer = [
      external('v', [2], { location: 'w.bin', offset: '8' }),
      external('w', [2], { location: 'w.bin', length: '8' }),
      external('same', [2], { location: 'w.bin', offset: '8', length: '8' }),
    ];
    const file = model({
      input: [value('x', 'float32', [2])],
      initializer,
      node: [node('Sum', ['x', 'v', 'w'], ['y'])],
    });
    const read = async (location: string, offset: number, length: number): Promise<Uint8Array> => {
      asked.push([location, offset, length]);
      return new Uint8Array(Float32Array.of(offset, length).buffer);
    };
    const { graph: found } = await importOnnx(file, { external: read });
    expect(asked).toEqual([
      ['w.bin', 8, 8],
      ['w.bin', 0, 8],
    ]);
    expect(elements(found.constants.get('v'))).toEqual([8, 8]);
    await expect(importOnnx(file)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(importOnnx(file, { external: () => new Uint8Array(3) })).rejects.toMatchObject({ code: 'BAD_FILE' });
    await expect(importOnnx(file, { external: read, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });
});

test('constants of every kind become initializers, in bodies too', async () => {
  const constants = [
    node('Constant', [], ['a'], { value: filled('', 'int8', [2], [1, 2]) }),
    node('Constant', [], ['b'], { value_float: { f: 0.5 } }),
    node('Constant', [], ['c'], { value_floats: { floats: [1, 2] } }),
    node('Constant', [], ['d'], { value_int: 3 }),
    node('Constant', [], ['e'], { value_string: 'x' }),
    node('Constant', [], ['f'], { value_strings: ['x', 'y'] }),
  ];
  const body = graph({ input: [], node: constants, output: [value('b')] });
  const nodes = [node('If', ['k'], ['y'], { then_branch: body, else_branch: body })];
  const { graph: found } = await importOnnx(model({ input: [value('k', 'bool', [])], node: nodes }));
  const [[, then]] = subgraphs(found.nodes[0]!) as [[string, typeof found]];
  expect(then.nodes).toEqual([]);
  expect([...then.constants].map(([name, { type, dims }]) => [name, type, dims])).toEqual([
    ['a', 'int8', [2]],
    ['b', 'float32', []],
    ['c', 'float32', [2]],
    ['d', 'int64', []],
    ['e', 'string', []],
    ['f', 'string', [2]],
  ]);
});

describe('functions', () => {
  const scaled = fn('Scaled', {
    input: ['a', 'shift'],
    output: ['b', 'unused'],
    attribute: ['factor'],
    attributeProto: [node('', [], [], { slope: { f: 0.25 } }).attribute[0]!],
    node: [
      node('Constant', [], ['k'], { value_float: { type: 1, refAttrName: 'factor' } }),
      node('Mul', ['a', 'k'], ['m']),
      node('LeakyRelu', ['m'], ['r'], { alpha: { type: 1, refAttrName: 'slope' } }),
      node('Clip', ['r', 'shift'], ['b']),
      node('Exp', ['m'], ['unused']),
    ],
  });

  test('are inlined: names, attributes, defaults, what is left out', async () => {
    const call = node('Scaled', ['x'], ['y'], { factor: { f: 3 } }, { ...local, name: 'call' });
    const { graph: found } = await importOnnx(model({ node: [call] }, 17, { functions: [scaled] }));
    expect(found.nodes.map(({ name, inputs, outputs, attrs }) => ({ name, inputs, outputs, attrs }))).toEqual([
      { name: 'call/Mul_2', inputs: ['x', 'call/k'], outputs: ['call/m'], attrs: {} },
      { name: 'call/LeakyRelu_3', inputs: ['call/m'], outputs: ['call/r'], attrs: { alpha: 0.25 } },
      { name: 'call/Clip_4', inputs: ['call/r'], outputs: ['y'], attrs: {} },
      { name: 'call/Exp_5', inputs: ['call/m'], outputs: ['call/unused'], attrs: {} },
    ]);
    expect(elements(found.constants.get('call/k'))).toEqual([3]);
  });

  test('may be called twice and call each other; values that pass through are copied', async () => {
    const functions = [
      fn('Twice', { node: [node('Pass', ['a'], ['m', 'n'], {}, local), node('Add', ['m', 'n'], ['b'])] }),
      fn('Pass', { output: ['a', 'b'], node: [node('Abs', ['a'], ['b'])] }),
    ];
    const nodes = [node('Twice', ['x'], ['h'], {}, local), node('Twice', ['h'], ['y'], {}, local)];
    const { graph: found } = await importOnnx(model({ node: nodes }, 17, { functions }));
    expect(found.nodes.map(({ op }) => op)).toEqual(['Identity', 'Abs', 'Add', 'Identity', 'Abs', 'Add']);
    expect(new Set(found.nodes.flatMap(({ outputs }) => outputs)).size).toBe(6);
    expect(inferGraph(found, onnxOps).values.get('y')!.shape).toEqual([2, 3]);
  });

  test('keep their own opset, and names of bodies apart', async () => {
    const body = (op: string): ReturnType<typeof graph> =>
      graph({ input: [], node: [node(op, ['a'], ['inner'])], output: [value('inner')] });
    const functions = [
      fn('Choose', {
        input: ['a', 'c'],
        node: [
          node('ReduceMean', ['a'], ['mean'], { axes: [1] }),
          node('If', ['c'], ['b'], { then_branch: body('Relu'), else_branch: body('Abs') }),
        ],
        opsetImport: [{ domain: '', version: 11n }],
      }),
    ];
    const nodes = [
      node('Choose', ['inner', 'c'], ['y'], {}, { ...local, name: 'choose' }),
      node('Exp', ['x'], ['inner']),
    ];
    const input = [value('x'), value('c', 'bool', [])];
    const { graph: found } = await importOnnx(model({ input, node: nodes }, 22, { functions }));
    const [, mean, choice] = found.nodes;
    expect(mean).toMatchObject({ op: 'ReduceMean', inputs: ['inner', 'choose/ReduceMean_1/axes'], attrs: {} });
    expect(subgraphs(choice!).map(([, each]) => [each.nodes[0]!.inputs, each.outputs])).toEqual([
      [['inner'], ['choose/inner']],
      [['inner'], ['choose/inner_1']],
    ]);
  });
});

test('inputs that are sequences and optionals have open sizes', async () => {
  const of = (dims: readonly (number | string)[]) => value('', 'int64', dims).type!;
  const input = [
    { name: 's', type: { sequenceType: { elemType: of(['n', 2]) } } },
    { name: 'o', type: { optionalType: { elemType: of([]) } } },
    {
      name: 'q',
      type: { optionalType: { elemType: { sequenceType: { elemType: { tensorType: { elemType: 7 } } } } } },
    },
  ];
  const nodes = ['s', 'o', 'q'].map((name) => node('Identity', [name], [`${name}2`]));
  const { graph: found } = await importOnnx(model({ input, node: nodes, output: [value('s2')] }));
  expect(found.inputs.map(formatType)).toEqual([
    'sequence(int64[?,2])',
    'optional(int64[])',
    'optional(sequence(int64[...]))',
  ]);
});

describe('what cannot run', () => {
  test('is listed whole, in one error', async () => {
    const body = graph({ input: [], node: [node('Deeper', ['x'], ['t'])], output: [value('t')] });
    const nodes = [
      node('Mystery', ['x'], ['a'], {}, { name: 'first' }),
      node('Gelu', ['x'], ['b'], {}, { domain: 'com.microsoft', name: 'second' }),
      node('If', ['c'], ['y'], { then_branch: body, else_branch: body }),
      node('Relu', ['odd'], ['z']),
      node('Relu', ['ids'], ['z2']),
    ];
    const input = [
      value('x'),
      value('c', 'bool', []),
      { name: 'odd', type: { sequenceType: { elemType: { mapType: new Uint8Array(0) } } } },
      value('ids', 'bool', [3]),
    ];
    const error = await importOnnx(model({ input, node: nodes }), { file: 'm.onnx' }).catch((reason) => reason);
    expect(error).toBeInstanceOf(UnsupportedError);
    expect(error.file).toBe('m.onnx');
    expect(error.message).toMatch(/^m\.onnx: the model "g" cannot run, for \d reason\(s\):/);
    const reasons = [/"odd" is a sequence/, /first.*Mystery/, /second.*com\.microsoft\.Gelu/, /Deeper/, /Relu.*bool/];
    for (const reason of reasons) expect(error.reasons.join('\n')).toMatch(reason);
    expect(error.reasons.length).toBe(6);
  });

  test('an op that changed after opset 22 is refused in files of that opset, others are not', async () => {
    const schema = onnxOps.get('Relu')!;
    const ops = new Map(onnxOps).set('Relu', { ...schema, versions: [...schema.versions, 24, 26], widened: [24] });
    for (const opset of [22, 23, 24, 25])
      expect((await importOnnx(model({}, opset), { ops })).graph.nodes.length).toBe(1);
    await expect(importOnnx(model({}, 26), { ops })).rejects.toThrow(/changed in opset 26/);
    const newer = new Map(onnxOps).set('Relu', { ...schema, versions: [24] });
    expect((await importOnnx(model({}, 26), { ops: newer })).graph.nodes.length).toBe(1);
  });
});
