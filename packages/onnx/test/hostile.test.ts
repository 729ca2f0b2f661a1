// Files that mean harm or are broken: each ends in an error of ours, soon and without absurd memory.

import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { EspalierError } from '@espalier/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { importTensor, isOnnx } from '../src/index.ts';
import { readOnnxFile } from '../src/node.ts';
import { type TypeProto, tensorProto } from '../src/proto.ts';
import { encode } from '../src/wire.ts';
import { external, filled, fn, graph, loaded, model, node, tensor, value } from './models.ts';
import { mutant } from './mutants.ts';

/** Milliseconds of this process: those of others on the same processor do not count. */
function clock(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
const SECOND = 1000;

/** The error that loading the bytes ends in, which must come within a second. */
async function refusal(bytes: Uint8Array): Promise<EspalierError> {
  const start = clock();
  const error = await loaded(bytes, { file: 'hostile.onnx' }).then(
    () => undefined,
    (reason) => reason,
  );
  expect(clock() - start).toBeLessThan(SECOND);
  expect(error, 'it loads').toBeInstanceOf(EspalierError);
  return error as EspalierError;
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const varint = (value: number): number[] => [...new BinaryWriter().uint32(value).finish()];
const concat = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
/** A field of the model around bytes that may be anything. */
const field = (number: number, content: Uint8Array): Uint8Array =>
  new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(content).finish();
const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const badText = bytes(0x72, 0xc3, 0x28, 0xff);
const header = concat(bytes(0x08, 0x08), field(8, bytes(0x10, 17)));

function twice(name: string, count: number): Uint8Array {
  const writer = new BinaryWriter().tag(7, WireType.LengthDelimited).fork();
  for (let i = 0; i < count; i++) writer.tag(1, WireType.LengthDelimited).bytes(text(name));
  return concat(header, writer.join().finish());
}

/** Sequences within each other. */
function sequences(depth: number): TypeProto {
  return depth === 0 ? {} : { sequenceType: { elemType: sequences(depth - 1) } };
}

/** If nodes within each other. */
function nested(depth: number): ReturnType<typeof graph> {
  let body = graph({ input: [], node: [node('Identity', ['x'], ['y0'])], output: [value('y0')] });
  for (let i = 1; i < depth; i++) {
    const attributes = { then_branch: body, else_branch: graph({ input: [], node: [], output: [value('x')] }) };
    body = graph({ input: [], node: [node('If', ['c'], [`y${i}`], attributes)], output: [value(`y${i}`)] });
  }
  return body;
}

/** Functions of which each calls the one before it twice. */
function doubling(levels: number): ReturnType<typeof fn>[] {
  const first = fn('f0', { node: [node('Relu', ['a'], ['b'])] });
  const rest = Array.from({ length: levels }, (_, i) =>
    fn(`f${i + 1}`, {
      node: [
        node(`f${i}`, ['a'], ['m'], {}, { domain: 'local' }),
        node(`f${i}`, ['m'], ['b'], {}, { domain: 'local' }),
      ],
      opsetImport: [
        { domain: '', version: 17n },
        { domain: 'local', version: 1n },
      ],
    }),
  );
  return [first, ...rest];
}

const call = (name: string): ReturnType<typeof node> => node(name, ['x'], ['y'], {}, { domain: 'local' });
const weights = (proto: ReturnType<typeof tensor>): Uint8Array =>
  model({ initializer: [proto], node: [node('Add', ['x', 'w'], ['y'])] });
const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

const files: Readonly<Record<string, readonly [Uint8Array, EspalierError['code']]>> = {
  'an empty file': [bytes(), 'BAD_FILE'],
  'a tag alone': [bytes(0x3a), 'BAD_FILE'],
  'field number 0': [bytes(0x00, 0x01), 'BAD_FILE'],
  'a varint without end': [bytes(0x08, ...Array(20).fill(0xff)), 'BAD_FILE'],
  'a varint cut off': [bytes(0x08, 0x80), 'BAD_FILE'],
  'a tag beyond 32 bits': [bytes(0xff, 0xff, 0xff, 0xff, 0x7f, 0x00), 'BAD_FILE'],
  'an end of no group': [concat(header, bytes(0x0c)), 'BAD_FILE'],
  'a group without end': [concat(header, bytes(...varint((100 << 3) | 3))), 'BAD_FILE'],
  'groups in groups': [concat(header, ...Array(5000).fill(bytes(...varint((100 << 3) | 3)))), 'BAD_FILE'],
  'a graph that is a number': [concat(header, bytes(0x38, 0x01)), 'BAD_FILE'],
  'a graph longer than the file': [concat(header, bytes(0x3a, 0x20, 0x0a)), 'BAD_FILE'],
  'a length of 4 GB': [concat(header, bytes(0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f)), 'BAD_FILE'],
  'a node longer than its graph': [concat(header, field(7, bytes(0x0a, 0x05, 0x22))), 'BAD_FILE'],
  'an opset of the wrong wire type': [concat(bytes(0x08, 0x08, 0x40, 0x11), field(7, bytes())), 'BAD_FILE'],
  'a name of the wrong wire type': [concat(header, field(7, field(1, bytes(0x18, 0x01)))), 'BAD_FILE'],
  'no graph': [header, 'BAD_FILE'],
  'no IR version': [field(7, bytes()), 'BAD_FILE'],
  'a graph of nothing': [concat(header, field(7, bytes())), 'BAD_GRAPH'],
  'five million empty nodes': [twice('', 5_000_000), 'LIMIT'],
  'a graph name that is not UTF-8': [concat(header, field(7, field(2, badText))), 'BAD_FILE'],
  'an op that is not UTF-8': [concat(header, field(7, field(1, field(4, badText)))), 'BAD_FILE'],
  'an input that is not UTF-8': [concat(header, field(7, field(1, field(1, badText)))), 'BAD_FILE'],
  'an attribute that is not UTF-8': [
    model({ node: [node('Relu', ['x'], ['y'], { mode: { s: badText } })] }),
    'BAD_FILE',
  ],
  'a name of a megabyte': [model({ node: [node('x'.repeat(1 << 20), ['x'], ['y'])] }), 'LIMIT'],
  'no opset': [model({}, 17, { opsetImport: [] }), 'BAD_FILE'],
  'opset 0': [model({}, 0), 'BAD_FILE'],
  'a negative opset': [model({}, -3), 'BAD_FILE'],
  'opset 2^62': [model({}, 17, { opsetImport: [{ domain: '', version: 2n ** 62n }] }), 'BAD_FILE'],
  'opsets that contradict each other': [
    model({}, 17, {
      opsetImport: [
        { domain: '', version: 17n },
        { domain: 'ai.onnx', version: 18n },
      ],
    }),
    'BAD_FILE',
  ],
  'an opset from before': [model({ node: [node('Add', ['x', 'x'], ['y'])] }, 6), 'UNSUPPORTED'],
  'an opset yet to come': [model({}, 999), 'UNSUPPORTED'],

  'a tensor of negative size': [weights(tensor('w', 'float32', [-1])), 'BAD_FILE'],
  'a tensor of 2^62 elements': [weights(tensor('w', 'float32', [2n ** 62n])), 'BAD_FILE'],
  'a shape whose product overflows': [weights(tensor('w', 'float32', [2n ** 40n, 2n ** 40n])), 'LIMIT'],
  'a tensor of 2^50 elements without data': [weights(tensor('w', 'int64', [2n ** 50n])), 'BAD_FILE'],
  'a tensor of 2^50 elements with one': [
    weights(tensor('w', 'int64', [2n ** 50n], { int64Data: [bytes(1)] })),
    'BAD_FILE',
  ],
  'a tensor of 100,000 axes': [weights(tensor('w', 'float32', Array(100_000).fill(1))), 'LIMIT'],
  'raw data that is too short': [weights(tensor('w', 'float32', [3], { rawData: floats(1, 2) })), 'BAD_FILE'],
  'raw data that is too long': [weights(tensor('w', 'float32', [3], { rawData: floats(1, 2, 3, 4) })), 'BAD_FILE'],
  'raw data cut within an element': [
    weights(tensor('w', 'float32', [2], { rawData: floats(1, 2).subarray(1) })),
    'BAD_FILE',
  ],
  'too few floats': [weights(tensor('w', 'float32', [3], { floatData: [floats(1)] })), 'BAD_FILE'],
  'floats cut within one': [weights(tensor('w', 'float32', [1], { floatData: [bytes(1, 2, 3)] })), 'BAD_FILE'],
  'too many integers': [weights(tensor('w', 'int64', [1], { int64Data: [bytes(1, 2, 3)] })), 'BAD_FILE'],
  'an integer cut off': [weights(tensor('w', 'int64', [1], { int64Data: [bytes(0x80)] })), 'BAD_FILE'],
  'an int8 of 300': [weights(tensor('w', 'int8', [1], { int32Data: [bytes(0xac, 0x02)] })), 'BAD_FILE'],
  'data of another dtype': [weights(tensor('w', 'float32', [1], { int64Data: [bytes(1)] })), 'BAD_FILE'],
  'data type 0': [weights(tensor('w', 'float32', [1], { dataType: 0 })), 'UNSUPPORTED'],
  'data type 99': [weights(tensor('w', 'float32', [1], { dataType: 99 })), 'UNSUPPORTED'],
  'strings as raw data': [weights(tensor('w', 'string', [1], { rawData: text('a') })), 'BAD_FILE'],
  'too few strings': [weights(tensor('w', 'string', [2], { stringData: [text('a')] })), 'BAD_FILE'],
  'a string that is not UTF-8': [weights(tensor('w', 'string', [1], { stringData: [badText] })), 'BAD_FILE'],
  'a segment of a tensor': [weights(tensor('w', 'float32', [1], { segment: bytes(8, 1) })), 'BAD_FILE'],
  'a sparse initializer': [model({ sparseInitializer: [bytes()] }), 'UNSUPPORTED'],
  'an initializer without a name': [weights(filled('', 'float32', [1], [1])), 'BAD_GRAPH'],
  'an initializer of another dtype than its input': [
    model({ input: [value('x'), value('w')], initializer: [filled('w', 'int32', [2, 3], [1, 2, 3, 4, 5, 6])] }),
    'BAD_GRAPH',
  ],
  'an initializer of another shape than its input': [
    model({ input: [value('x'), value('w')], initializer: [filled('w', 'float32', [1], [1])] }),
    'BAD_GRAPH',
  ],

  'weights in ../../etc/passwd': [weights(external('w', [3], { location: '../../etc/passwd' })), 'UNSAFE_PATH'],
  'weights in a/../../b': [weights(external('w', [3], { location: 'a/../../b' })), 'UNSAFE_PATH'],
  'weights in ..\\b': [weights(external('w', [3], { location: '..\\b' })), 'UNSAFE_PATH'],
  'weights in /etc/passwd': [weights(external('w', [3], { location: '/etc/passwd' })), 'UNSAFE_PATH'],
  'weights in C:\\data': [weights(external('w', [3], { location: 'C:\\data' })), 'UNSAFE_PATH'],
  'weights in \\\\server\\data': [weights(external('w', [3], { location: '\\\\server\\data' })), 'UNSAFE_PATH'],
  'weights at a URL': [weights(external('w', [3], { location: 'http://localhost/data' })), 'UNSAFE_PATH'],
  'weights in a path with a zero': [weights(external('w', [3], { location: 'a\0b' })), 'UNSAFE_PATH'],
  'weights nowhere': [weights(external('w', [3], {})), 'UNSAFE_PATH'],
  'weights at a negative offset': [weights(external('w', [3], { location: 'a', offset: '-1' })), 'BAD_FILE'],
  'weights at 1e3': [weights(external('w', [3], { location: 'a', offset: '1e3' })), 'BAD_FILE'],
  'weights of another length': [weights(external('w', [3], { location: 'a', length: '999' })), 'BAD_FILE'],
  'weights at a third kind of place': [
    weights({ ...external('w', [3], { location: 'a' }), dataLocation: 7 }),
    'BAD_FILE',
  ],

  'a node that reads itself': [model({ node: [node('Add', ['x', 'y'], ['y'])] }), 'BAD_GRAPH'],
  'a cycle': [
    model({ node: [node('Add', ['x', 'b'], ['a']), node('Relu', ['a'], ['b']), node('Relu', ['b'], ['y'])] }),
    'BAD_GRAPH',
  ],
  'two nodes that make one value': [
    model({ node: [node('Relu', ['x'], ['y']), node('Sigmoid', ['x'], ['y'])] }),
    'BAD_GRAPH',
  ],
  'a node that makes one value twice': [model({ node: [node('Dropout', ['x'], ['y', 'y'])] }), 'BAD_GRAPH'],
  'a node that makes an input': [model({ node: [node('Relu', ['x'], ['x'])], output: [value('x')] }), 'BAD_GRAPH'],
  'two inputs of one name': [model({ input: [value('x'), value('x')] }), 'BAD_GRAPH'],
  'two initializers of one name': [
    model({ initializer: [filled('w', 'float32', [1], [1]), filled('w', 'float32', [1], [2])] }),
    'BAD_GRAPH',
  ],
  'an output twice': [model({ output: [value('y'), value('y')] }), 'BAD_GRAPH'],
  '200,000 outputs, one of them twice': [
    model({ output: Array.from({ length: 200_000 }, (_, i) => ({ name: `y${i % 199_999}` })) }),
    'BAD_GRAPH',
  ],
  'an output that nobody makes': [model({ output: [value('z')] }), 'BAD_GRAPH'],
  'a value that nobody makes': [model({ node: [node('Relu', ['nothing'], ['y'])] }), 'BAD_GRAPH'],
  'a node without an op': [model({ node: [node('', ['x'], ['y'])] }), 'BAD_GRAPH'],
  'a node of 100,000 inputs': [model({ node: [node('Sum', Array(100_000).fill('x'), ['y'])] }), 'LIMIT'],
  'an op that does not exist': [model({ node: [node('constructor', ['x'], ['y'])] }), 'UNSUPPORTED'],
  'a domain that does not exist': [
    model({ node: [node('Relu', ['x'], ['y'], {}, { domain: '__proto__' })] }),
    'UNSUPPORTED',
  ],
  'an attribute that does not exist': [
    model({ node: [node('Relu', ['x'], ['y'], { ['__proto__']: 1 })] }),
    'UNSUPPORTED',
  ],
  'an attribute without a name': [model({ node: [node('Relu', ['x'], ['y'], { '': 1 })] }), 'BAD_GRAPH'],
  'an attribute that lies about its type': [
    model({ node: [node('LeakyRelu', ['x'], ['y'], { alpha: { type: 1, i: 5n } })] }),
    'BAD_GRAPH',
  ],
  'an attribute of another type': [model({ node: [node('LeakyRelu', ['x'], ['y'], { alpha: 'half' })] }), 'BAD_GRAPH'],
  'an attribute of type 77': [model({ node: [node('Relu', ['x'], ['y'], { a: { type: 77 } })] }), 'UNSUPPORTED'],
  'an attribute that says nothing': [model({ node: [node('Relu', ['x'], ['y'], { a: {} })] }), 'BAD_GRAPH'],
  'an attribute that promises a tensor': [
    model({ node: [node('Relu', ['x'], ['y'], { a: { type: 4 } })] }),
    'BAD_GRAPH',
  ],
  'a reference to no function': [
    model({ node: [node('Relu', ['x'], ['y'], { a: { refAttrName: 'b' } })] }),
    'BAD_GRAPH',
  ],
  'a constant of two values': [
    model({ node: [node('Constant', [], ['y'], { value_int: 1, value_ints: [1] })] }),
    'BAD_GRAPH',
  ],
  'a constant of another type': [model({ node: [node('Constant', [], ['y'], { value_float: 1 })] }), 'BAD_GRAPH'],

  'an input without a type': [model({ input: [{ name: 'x' }] }), 'BAD_GRAPH'],
  'an input of a type that does not exist': [
    model({ input: [{ name: 'x', type: { tensorType: { elemType: 99 } } }] }),
    'UNSUPPORTED',
  ],
  'an input of unknown rank': [model({ input: [{ name: 'x', type: { tensorType: { elemType: 1 } } }] }), 'UNSUPPORTED'],
  'an input that is a sequence of nothing': [
    model({ input: [{ name: 'x', type: { sequenceType: {} } }] }),
    'UNSUPPORTED',
  ],
  'an input that is an optional of optionals': [
    model({ input: [{ name: 'x', type: { optionalType: { elemType: { optionalType: {} } } } }] }),
    'UNSUPPORTED',
  ],
  'an input that is a sequence of 200 sequences': [model({ input: [{ name: 'x', type: sequences(200) }] }), 'LIMIT'],
  'a sequence of tensors of negative size': [
    model({ input: [{ name: 'x', type: { sequenceType: { elemType: value('', 'float32', [-5]).type! } } }] }),
    'BAD_FILE',
  ],
  'an empty optional of no type': [model({ node: [node('Optional', [], ['y'])] }), 'BAD_GRAPH'],
  'an input of negative size': [model({ input: [value('x', 'float32', [-5])] }), 'BAD_FILE'],
  'an input of 2^60 elements': [model({ input: [value('x', 'float32', [2n ** 60n])] }), 'BAD_FILE'],
  'an input whose size overflows': [model({ input: [value('x', 'float32', [2n ** 30n, 2n ** 30n])] }), 'LIMIT'],
  'an input of 1,000 axes': [model({ input: [value('x', 'float32', Array(1000).fill(2))] }), 'LIMIT'],

  'sizes squared 30 times': [squares(30), 'LIMIT'],
  'an expansion to 2^80 elements': [shaped('Expand', [2 ** 40, 2 ** 40]), 'LIMIT'],
  'a constant of 2^80 elements': [shaped('ConstantOfShape', [2 ** 40, 2 ** 40]), 'LIMIT'],
  'a constant of negative size': [shaped('ConstantOfShape', [-5]), 'BAD_GRAPH'],

  'subgraphs 200 deep': [model({ input: [value('x'), value('c', 'bool', [])], ...only(nested(200)) }), 'LIMIT'],
  'a subgraph that reads what nobody makes': [
    model({
      input: [value('x'), value('c', 'bool', [])],
      node: [
        node('If', ['c'], ['y'], {
          then_branch: graph({ input: [], node: [node('Relu', ['nothing'], ['t'])], output: [value('t')] }),
          else_branch: graph({ input: [], node: [node('Relu', ['x'], ['e'])], output: [value('e')] }),
        }),
      ],
    }),
    'BAD_GRAPH',
  ],
  'a function that calls itself': [
    model({ node: [call('f')] }, 17, {
      functions: [fn('f', { node: [node('f', ['a'], ['b'], {}, { domain: 'local' })] })],
    }),
    'BAD_GRAPH',
  ],
  'functions that call each other': [
    model({ node: [call('f')] }, 17, {
      functions: [
        fn('f', { node: [node('g', ['a'], ['b'], {}, { domain: 'local' })] }),
        fn('g', { node: [node('f', ['a'], ['b'], {}, { domain: 'local' })] }),
      ],
    }),
    'BAD_GRAPH',
  ],
  'functions that double 40 times': [model({ node: [call('f40')] }, 17, { functions: doubling(40) }), 'LIMIT'],
  'functions 100 deep': [
    model({ node: [call('f100')] }, 17, {
      functions: Array.from({ length: 101 }, (_, i) =>
        fn(`f${i}`, {
          node: [i === 0 ? node('Relu', ['a'], ['b']) : node(`f${i - 1}`, ['a'], ['b'], {}, { domain: 'local' })],
        }),
      ),
    }),
    'LIMIT',
  ],
  'a function defined twice': [model({}, 17, { functions: [fn('f', {}), fn('f', {})] }), 'BAD_GRAPH'],
  'a function that makes nothing': [model({ node: [call('f')] }, 17, { functions: [fn('f', {})] }), 'BAD_GRAPH'],
  'a function of fewer inputs': [
    model({ node: [call('f')] }, 17, { functions: [fn('f', { input: [], node: [node('Relu', ['x'], ['b'])] })] }),
    'BAD_GRAPH',
  ],
  'a function whose opset is missing': [
    model({ node: [call('f')] }, 17, {
      functions: [fn('f', { node: [node('Relu', ['a'], ['b'])], opsetImport: [] })],
    }),
    'BAD_FILE',
  ],
};

/** Squares the number of elements `rounds` times. */
function squares(rounds: number): Uint8Array {
  const nodes = Array.from({ length: rounds }, (_, i) => [
    node('Unsqueeze', [`v${i}`, 'zero'], [`row${i}`]),
    node('Unsqueeze', [`v${i}`, 'one'], [`column${i}`]),
    node('Mul', [`row${i}`, `column${i}`], [`product${i}`]),
    node('Reshape', [`product${i}`, 'all'], [`v${i + 1}`]),
  ]).flat();
  const index = (name: string, of: number): ReturnType<typeof filled> => filled(name, 'int64', [1], [of]);
  return model({
    node: nodes,
    input: [value('v0', 'float32', ['n'])],
    output: [value(`v${rounds}`)],
    initializer: [index('zero', 0), index('one', 1), index('all', -1)],
  });
}

function shaped(op: string, shape: readonly number[]): Uint8Array {
  return model({
    node: [node(op, op === 'Expand' ? ['x', 'shape'] : ['shape'], ['y'])],
    input: [value('x', 'float32', [1])],
    initializer: [filled('shape', 'int64', [shape.length], shape)],
  });
}

function only({ node: nodes, output }: ReturnType<typeof graph>): Partial<ReturnType<typeof graph>> {
  return { node: nodes, output };
}

describe('hostile files', () => {
  test('there are many', () => expect(Object.keys(files).length).toBeGreaterThanOrEqual(100));

  test.each(Object.entries(files))('%s', async (_, [content, code]) => {
    const error = await refusal(content);
    expect(error.code, error.message).toBe(code);
    // What inference finds is about the graph, not about the file.
    if (error.file !== undefined) expect(error.message).toMatch(/^hostile\.onnx: ./);
  });
});

const valid = model(
  {
    node: [
      node('Gemm', ['x', 'w', 'b'], ['h'], { transB: 1, alpha: { f: 0.5 } }, { name: 'dense' }),
      node('Relu', ['h'], ['r']),
      node('If', ['c'], ['y'], {
        then_branch: graph({ input: [], node: [node('Sigmoid', ['r'], ['t'])], output: [value('t')] }),
        else_branch: graph({ input: [], node: [call('twice')], output: [value('y')] }),
      }),
    ].map((each, i) => (i === 2 ? renamed(each) : each)),
    input: [value('x', 'float32', ['batch', 3]), value('c', 'bool', [])],
    initializer: [
      filled('w', 'float32', [2, 3], [1, 2, 3, 4, 5, 6]),
      tensor('b', 'float32', [2], { floatData: [floats(1, 2)] }),
    ],
    output: [value('y', 'float32', ['batch', 2])],
  },
  17,
  { functions: [fn('twice', { node: [node('Add', ['a', 'a'], ['b'])] })] },
);

/** The calling branch reads `r` and makes `e`. */
function renamed(each: ReturnType<typeof node>): ReturnType<typeof node> {
  const other = each.attribute[1]!.g!;
  other.node = [node('twice', ['r'], ['e'], {}, { domain: 'local' })];
  other.output = [value('e')];
  return each;
}

describe('a valid model', () => {
  test('loads', async () => {
    const { graph: found, inferred } = await loaded(valid);
    expect(isOnnx(valid)).toBe(true);
    expect(inferred.values.get(found.outputs[0]!)).toMatchObject({ dtype: 'float32', shape: ['batch', 2] });
  });

  test('cut off anywhere, does not', async () => {
    for (let length = 0; length < valid.length; length++) await refusal(valid.subarray(0, length));
  });

  test('mutated 1,500 times, loads or is refused', async () => {
    const count = { loaded: 0, refused: 0 };
    for (let seed = 1; seed <= 1500; seed++) {
      const start = clock();
      try {
        await loaded(mutant(valid, seed));
        count.loaded++;
      } catch (error) {
        if (!(error instanceof EspalierError)) throw new Error(`mutant ${seed} crashed`, { cause: error });
        count.refused++;
      }
      expect(clock() - start).toBeLessThan(SECOND);
    }
    expect(count.loaded).toBeGreaterThan(50);
    expect(count.refused).toBeGreaterThan(500);
  });
});

test('a large initializer is not copied', async () => {
  const rawData = new Uint8Array(4 << 20);
  const file = weights(tensor('w', 'float32', [1 << 20], { rawData }));
  const { graph: found } = await loaded(model({ initializer: [tensor('w', 'float32', [1 << 20], { rawData })] }));
  expect(found.constants.get('w')!.bytes.buffer.byteLength).toBeGreaterThanOrEqual(rawData.length);
  expect(file.length).toBeGreaterThan(rawData.length);
});

test('50,000 nodes in the wrong order load in time', async () => {
  const nodes = Array.from({ length: 50_000 }, (_, i) =>
    node('Relu', [i === 0 ? 'x' : `v${i}`], [`v${i + 1}`]),
  ).reverse();
  const file = model({ node: nodes, output: [value('v50000')] });
  const { graph: found } = await loaded(file);
  expect(found.nodes.length).toBe(50_000);
  expect(found.nodes[0]!.inputs).toEqual(['x']);
});

test('a hostile tensor is refused', () => {
  const huge = encode(tensorProto, tensor('t', 'float32', [2n ** 40n, 2n ** 40n]));
  expect(() => importTensor(huge)).toThrow(EspalierError);
  expect(() => importTensor(bytes(0x0a))).toThrow(EspalierError);
});

describe('external data in files', () => {
  let folder: string;
  const write = async (name: string, entries: Record<string, string>, more: ReturnType<typeof tensor>[] = []) => {
    const path = join(folder, 'model', name);
    const initializer = [external('w', [3], entries), ...more];
    await writeFile(path, model({ initializer, node: [node('Add', ['x', 'w'], ['y'])] }));
    return path;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-'));
    await mkdir(join(folder, 'model', 'sub'), { recursive: true });
    await writeFile(join(folder, 'secret.bin'), floats(7, 7, 7));
    await writeFile(join(folder, 'model', 'w.bin'), floats(1, 2, 3, 4));
    await symlink(join(folder, 'secret.bin'), join(folder, 'model', 'link.bin'));
    await symlink(folder, join(folder, 'model', 'out'));
    await symlink('w.bin', join(folder, 'model', 'inside.bin'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each([
    ['a link out of the folder', { location: 'link.bin' }, 'UNSAFE_PATH'],
    ['a folder linked out of the folder', { location: 'out/secret.bin' }, 'UNSAFE_PATH'],
    ['a path upwards', { location: '../secret.bin' }, 'UNSAFE_PATH'],
    ['a file that is missing', { location: 'none.bin' }, 'NOT_FOUND'],
    ['a file below a file', { location: 'w.bin/x' }, 'NOT_FOUND'],
    ['a folder', { location: 'sub' }, 'BAD_FILE'],
    ['an offset beyond the end', { location: 'w.bin', offset: '8' }, 'BAD_FILE'],
    ['an offset of 2^52', { location: 'w.bin', offset: String(2 ** 52) }, 'BAD_FILE'],
  ])('%s', async (name, entries, code) => {
    const path = await write(`${name}.onnx`, entries);
    await expect(readOnnxFile(path)).rejects.toMatchObject({ code, file: path });
  });

  test('tensors that overlap, so that a small file fills the memory', async () => {
    const path = await write('overlap.onnx', { location: 'w.bin' }, [
      external('v', [3], { location: 'w.bin', offset: '4' }),
    ]);
    await expect(readOnnxFile(path)).rejects.toMatchObject({ code: 'BAD_FILE' });
  });

  test('what is within the folder is read, a link too, one range once', async () => {
    const more = [external('v', [3], { location: 'w.bin', offset: '4', length: '12' })];
    const path = await write('good.onnx', { location: 'inside.bin', offset: '4' }, more);
    const { graph: found } = await readOnnxFile(path);
    expect(Array.from(found.constants.get('w')!.data as Float32Array)).toEqual([2, 3, 4]);
    expect(found.constants.get('v')!.dims).toEqual([3]);
  });

  test('a model that is missing, or a folder', async () => {
    await expect(readOnnxFile(join(folder, 'none.onnx'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(readOnnxFile(folder)).rejects.toMatchObject({ code: 'BAD_FILE' });
  });
});
