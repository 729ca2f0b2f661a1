import { describe, expect, it } from 'vitest';
import {
  type Container,
  type Dim,
  type DType,
  formatType,
  type Graph,
  inferGraph,
  inferNode,
  onnxOps,
  type ValueFacts,
} from '../src/index.ts';
import { infer, ints, value } from './infer.ts';

const holding = (kind: Container['kind'], shape?: readonly Dim[], dtype: DType = 'float32'): ValueFacts => ({
  dtype,
  shape: [],
  container: shape ? { kind, shape } : { kind },
});
const sequence = (shape?: readonly Dim[], dtype?: DType): ValueFacts => holding('sequence', shape, dtype);
const typeOf = (...args: Parameters<typeof infer>): string => formatType(infer(...args)[0]!);

describe('sequences', () => {
  it('know the shape of their tensors, open where they differ', () => {
    const [a, b] = [value(['batch', 2, 3]), value(['batch', 'n', 3])];
    expect(typeOf('SequenceConstruct', [a, a])).toBe('sequence(float32[batch,2,3])');
    expect(typeOf('SequenceConstruct', [a, b])).toBe('sequence(float32[batch,?,3])');
    expect(typeOf('SequenceConstruct', [a, value([3])])).toBe('sequence(float32[...])');
    expect(typeOf('SequenceEmpty', [], { dtype: 7 })).toBe('sequence(int64)');
    expect(typeOf('SequenceEmpty', [])).toBe('sequence(float32)');
    expect(typeOf('SequenceInsert', [sequence(), a])).toBe('sequence(float32[batch,2,3])');
    expect(typeOf('SequenceInsert', [sequence([1, '?', 3]), a])).toBe('sequence(float32[?,?,3])');
    expect(typeOf('SequenceInsert', [sequence(['...']), a])).toBe('sequence(float32[...])');
    expect(typeOf('SequenceErase', [sequence([2])])).toBe('sequence(float32[2])');
    expect(typeOf('Identity', [sequence([2])])).toBe('sequence(float32[2])');
  });

  it('give tensors whose open sizes the run finds out', () => {
    const [at] = infer('SequenceAt', [sequence(['batch', '?', 3]), ints([0], [])]);
    expect(at!.shape).toEqual(['batch', at!.fresh[0], 3]);
    expect(at!.fresh.length).toBe(1);
    const [joined] = infer('ConcatFromSequence', [sequence([2, 3, 4])], { axis: -2 });
    expect(joined!.shape).toEqual([2, joined!.fresh[0], 4]);
    const [stacked] = infer('ConcatFromSequence', [sequence([2, 3])], { axis: -1, new_axis: 1 });
    expect(stacked!.shape).toEqual([2, 3, stacked!.fresh[0]]);
    expect(infer('SequenceLength', [sequence()])[0]).toMatchObject({ dtype: 'int64', shape: [] });
  });

  it('are split from tensors', () => {
    const x = value(['n', 6]);
    expect(typeOf('SplitToSequence', [x])).toBe('sequence(float32[1,6])');
    expect(typeOf('SplitToSequence', [x], { axis: 1, keepdims: 0 })).toBe('sequence(float32[n])');
    expect(typeOf('SplitToSequence', [x, ints([2], [])], { axis: -1, keepdims: 0 })).toBe('sequence(float32[n,2])');
    expect(typeOf('SplitToSequence', [x, ints([4], [])], { axis: 1 })).toBe('sequence(float32[n,?])');
    expect(typeOf('SplitToSequence', [x, ints([2], [])])).toBe('sequence(float32[?,6])');
    expect(typeOf('SplitToSequence', [x, ints([3, 3])], { axis: 1 })).toBe('sequence(float32[n,3])');
    expect(typeOf('SplitToSequence', [x, ints([2, 4])], { axis: 1 })).toBe('sequence(float32[n,?])');
    expect(typeOf('SplitToSequence', [x, value([2], 'int64')], { axis: 1 })).toBe('sequence(float32[n,?])');
  });

  it.each([
    ['Relu', [sequence([2])], {}, 'UNSUPPORTED', /input 0 \(X\) is sequence\(float32\[2\]\); it takes tensor/],
    ['SequenceAt', [value([2]), ints([0], [])], {}, 'UNSUPPORTED', /is float32\[2\]; it takes sequence/],
    ['SequenceLength', [holding('optional(sequence)', [2])], {}, 'UNSUPPORTED', /optional\(sequence\(float32\[2\]\)\)/],
    ['SequenceAt', [sequence(['...']), ints([0], [])], {}, 'UNSUPPORTED', /how many axes/],
    ['ConcatFromSequence', [sequence()], { axis: 0 }, 'UNSUPPORTED', /how many axes/],
    ['ConcatFromSequence', [sequence([2])], { axis: 1 }, 'BAD_GRAPH', /axis 1/],
    ['ConcatFromSequence', [sequence([2])], { axis: 0, new_axis: 2 }, 'BAD_GRAPH', /new_axis/],
    ['SequenceInsert', [sequence([2]), value([2], 'int64')], {}, 'BAD_GRAPH', /inserts int64\[2\] into sequence/],
    ['SequenceConstruct', [value([2]), value([2], 'int64')], {}, 'BAD_GRAPH', /float32 and int64/],
    ['SplitToSequence', [value([])], {}, 'BAD_GRAPH', /axes/],
    ['Optional', [], {}, 'BAD_GRAPH', /neither/],
    ['Optional', [], { type: holding('optional', [2]) }, 'BAD_GRAPH', /do not nest/],
    ['Optional', [holding('optional', [2])], {}, 'UNSUPPORTED', /it takes tensor or sequence/],
  ] as const)('%s is refused (%#)', (op, inputs, attrs, code, message) => {
    expect(() => infer(op, inputs, attrs)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});

describe('optionals', () => {
  it('hold a tensor or a sequence, or nothing', () => {
    expect(typeOf('Optional', [value(['n'])])).toBe('optional(float32[n])');
    expect(typeOf('Optional', [sequence([2])])).toBe('optional(sequence(float32[2]))');
    expect(typeOf('Optional', [], { type: sequence([5], 'int64') })).toBe('optional(sequence(int64))');
    expect(typeOf('OptionalGetElement', [holding('optional(sequence)', ['?'])])).toBe('sequence(float32[?])');
    expect(typeOf('OptionalGetElement', [holding('optional', ['n'])])).toBe('float32[n]');
    expect(typeOf('OptionalGetElement', [value(['n'])])).toBe('float32[n]');
  });

  it('are known to have an element where they are none', () => {
    const has = (...inputs: (ValueFacts | undefined)[]) => infer('OptionalHasElement', inputs)[0]!.contents;
    expect([has(), has(undefined), has(value([2])), has(sequence([2])), has(holding('optional', [2]))]).toEqual([
      [0],
      [0],
      [1],
      [1],
      undefined,
    ]);
  });
});

describe('control flow', () => {
  const body = (inputs: string, outputs: string, ...lines: readonly (readonly [string, string, string])[]): Graph => {
    const list = (text: string): string[] => text.split(' ').filter(Boolean);
    return {
      name: 'body',
      inputs: list(inputs).map((name) => ({ name, dtype: 'float32', shape: [] })),
      outputs: list(outputs),
      nodes: lines.map(([op, from, to]) => ({
        name: `make_${to}`,
        op,
        domain: '',
        inputs: list(from),
        outputs: [to],
        attrs: {},
      })),
      constants: new Map(),
    };
  };
  const known: Record<string, ValueFacts> = {
    c: value([], 'bool'),
    x: value(['n', 3]),
    y: value([2, 3]),
    s: sequence([2, 3]),
    none: sequence(),
  };
  const run = (op: string, inputs: string, attrs: Record<string, Graph>, outputs = 1): string[] => {
    const names = Array.from({ length: outputs }, (_, i) => `out${i}`);
    const node = { name: op, op, domain: '', inputs: inputs.split(' '), outputs: names, attrs };
    const { values } = inferNode(node, onnxOps, (name) => known[name]);
    return names.map((name) => formatType(values.get(name)!));
  };

  it('joins what branches make', () => {
    const branch = (from: string): Graph => body('', 'r', ['SequenceConstruct', from, 'r']);
    expect(run('If', 'c', { then_branch: branch('y'), else_branch: branch('x y') })).toEqual([
      'sequence(float32[?,3])',
    ]);
    const kept = body('', 'r', ['Identity', 'none', 'r']);
    expect(run('If', 'c', { then_branch: kept, else_branch: branch('y') })).toEqual(['sequence(float32[2,3])']);
    // What only the branch knows means nothing outside.
    const found = body('', 'r', ['NonZero', 'x', 'z'], ['SequenceConstruct', 'z', 'r']);
    expect(run('If', 'c', { then_branch: found, else_branch: found })).toEqual(['sequence(int64[2,?])']);
    const tensor = body('', 'r', ['Identity', 'y', 'r']);
    expect(() => run('If', 'c', { then_branch: tensor, else_branch: branch('y') })).toThrow(
      /make sequence\(float32\[2,3\]\) and float32\[2,3\] as output 0/,
    );
  });

  it('joins what iterations make', () => {
    const collect = (from: string): Graph => body('i go list', 'go made', ['SequenceInsert', `list ${from}`, 'made']);
    expect(run('Loop', ' c none', { body: collect('y') })).toEqual(['sequence(float32[2,3])']);
    expect(run('Loop', ' c s', { body: collect('x') })).toEqual(['sequence(float32[?,3])']);
    const grown = body('i go list t', 'go made u', ['SequenceInsert', 'list t', 'made'], ['Concat', 't t', 'u']);
    grown.nodes.forEach((node) => void (node.op === 'Concat' && Object.assign(node.attrs, { axis: 0 })));
    expect(run('Loop', ' c none y', { body: grown }, 2)[0]).toBe('sequence(float32[?,?])');
    const stacked = body('i go', 'go r', ['SequenceConstruct', 'y', 'r']);
    expect(() => run('Loop', ' c', { body: stacked })).toThrow(/sequence\(float32\[2,3\]\) to be stacked/);
    const wrapped = body('i go list', 'go made', ['Optional', 'list', 'made']);
    expect(() => run('Loop', ' c s', { body: wrapped })).toThrow(/makes optional\(sequence.*sequence.* before/);
  });

  it('maps over sequences', () => {
    const joined = body('a b', 'r', ['Add', 'a b', 'r']);
    expect(run('SequenceMap', 's y', { body: joined })).toEqual(['sequence(float32[2,3])']);
    const open = { ...known, s: sequence(['?', 3]) };
    const node = {
      name: 'm',
      op: 'SequenceMap',
      domain: '',
      inputs: ['s', 's'],
      outputs: ['r'],
      attrs: { body: joined },
    };
    const { values, subgraphs } = inferNode(node, onnxOps, (name) => open[name as 's']);
    expect(formatType(values.get('r')!)).toBe('sequence(float32[?,3])');
    expect(new Set(subgraphs[0]!.graph.inputs.map(({ shape }) => shape[0])).size).toBe(2);
    expect(() => run('SequenceMap', 's y', { body: body('a', 'r', ['Relu', 'a', 'r']) })).toThrow(/takes 1 inputs/);
  });

  it('passes the types of inputs on', () => {
    const graph: Graph = {
      ...body('', 'y', ['Identity', 's', 'y']),
      inputs: [{ name: 's', ...sequence(['?', 4]) }],
    };
    expect(formatType(inferGraph(graph, onnxOps).values.get('y')!)).toBe('sequence(float32[?,4])');
  });
});
