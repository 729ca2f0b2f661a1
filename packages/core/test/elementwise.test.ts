import { describe, expect, it } from 'vitest';
import { type Attributes, type Dim, type DType, inferNode, onnxOps } from '../src/index.ts';
import { infer, sizes, value } from './infer.ts';

/** The output for inputs of one dtype whose contents are known: lists, or one element for a scalar. */
function reckon(op: string, inputs: readonly (readonly Dim[] | Dim)[], attrs: Attributes = {}, dtype: DType = 'int64') {
  const facts = inputs.map((x) => ({ ...(typeof x === 'object' ? sizes(x) : sizes([x], [])), dtype }));
  return infer(op, facts, attrs)[0]!;
}
const contents = (...args: Parameters<typeof reckon>) => reckon(...args).contents;

describe('shape arithmetic', () => {
  it('adds, subtracts and multiplies, with broadcasting', () => {
    expect(contents('Add', [['batch', 'seq'], 1])).toEqual(['batch+1', 'seq+1']);
    expect(
      contents('Sub', [
        ['seq', 7],
        ['past', 9],
      ]),
    ).toEqual(['-past+seq', -2]);
    expect(
      contents('Mul', [
        ['batch', 3],
        ['seq', 4],
      ]),
    ).toEqual(['batch*seq', 12]);
    expect(contents('Neg', [['seq', 0]])).toEqual(['-seq', 0]);
    expect(reckon('Mul', [3, ['a']]).shape).toEqual([1]);
  });

  it('divides where truncating is flooring, or exact', () => {
    expect(
      contents('Div', [
        ['seq', -7, 7],
        [2, 2, -2],
      ]),
    ).toEqual(['floor(seq,2)', -3, -3]);
    expect(contents('Div', [['-12*batch'], [12]])).toEqual(['-batch']);
    expect(contents('Div', [['a-b'], [2]])).toBeUndefined();
    expect(contents('Div', [[7], [0]])).toBeUndefined();
    expect(contents('Div', [[-1], [2]])).toEqual([0]);
  });

  it('takes remainders', () => {
    expect(
      contents('Mod', [
        ['6*a', 'a', -7],
        [3, 4, 4],
      ]),
    ).toEqual([0, 'mod(a,4)', 1]);
    expect(contents('Mod', [['a'], [4]], { fmod: 1 })).toEqual(['mod(a,4)']);
    expect(contents('Mod', [[-7], [4]], { fmod: 1 })).toBeUndefined();
    expect(contents('Mod', [[1], [0]])).toBeUndefined();
  });

  it('decides what is certain', () => {
    expect(
      contents('Max', [
        ['a', 'a', 3],
        [0, 'b', 5],
      ]),
    ).toEqual(['a', 'max(a,b)', 5]);
    expect(contents('Min', [['a+2'], ['a'], ['a+1']])).toEqual(['a']);
    expect(contents('Abs', [['a', -3]])).toEqual(['a', 3]);
    expect(contents('Abs', [['a-b']])).toBeUndefined();
    expect(contents('Clip', ['a-1', 0, 'a'])).toEqual(['min(a,max(0,a-1))']);
    expect(
      reckon('Equal', [
        ['a', 'a', 'a'],
        ['a', -1, 'a+1'],
      ]),
    ).toMatchObject({ dtype: 'bool', contents: [1, 0, 0] });
    expect(contents('Equal', [['a'], [1]])).toBeUndefined();
    expect(
      contents('Less', [
        ['a', 'a+1'],
        ['a+1', 'a'],
      ]),
    ).toEqual([1, 0]);
    expect(contents('Less', [['a'], [5]])).toBeUndefined();
    expect(
      contents('LessOrEqual', [
        ['a', 3],
        ['a', 2],
      ]),
    ).toEqual([1, 0]);
    expect(
      contents('Greater', [
        ['a+1', 'a'],
        ['a', 'a'],
      ]),
    ).toEqual([1, 0]);
    expect(
      contents('GreaterOrEqual', [
        ['a', 0],
        [0, 'a+1'],
      ]),
    ).toEqual([1, 0]);
  });

  it('reckons with truth', () => {
    expect(contents('Not', [[0, 1]], {}, 'bool')).toEqual([1, 0]);
    expect(
      contents(
        'And',
        [
          [0, 1, 1],
          [1, 1, 0],
        ],
        {},
        'bool',
      ),
    ).toEqual([0, 1, 0]);
    expect(
      contents(
        'Or',
        [
          [0, 1, 0],
          [1, 1, 0],
        ],
        {},
        'bool',
      ),
    ).toEqual([1, 1, 0]);
    const inputs = [{ ...sizes([1, 0, 0]), dtype: 'bool' as const }, sizes(['a'], []), sizes([1, 2, 'b'])];
    expect(infer('Where', inputs)[0]!.contents).toEqual(['a', 2, 'b']);
  });

  it('keeps contents through casts to dtypes that hold them', () => {
    expect(contents('Cast', [['a', 300]], { to: 6 })).toEqual(['a', 300]);
    expect(contents('Cast', [['a', 300]], { to: 2 })).toBeUndefined();
    expect(contents('Cast', [[300]], { to: 2 })).toBeUndefined();
    expect(contents('Cast', [['a+1', 0, 5]], { to: 9 })).toEqual([1, 0, 1]);
    expect(contents('Cast', [['a']], { to: 9 })).toBeUndefined();
    expect(contents('Cast', [['a']], { to: 1 })).toBeUndefined();
    expect(contents('Identity', [['a']])).toEqual(['a']);
  });

  it('forgets what an integer cannot hold, and what is no dimension', () => {
    expect(contents('Add', [[2 ** 31 - 1], [1]], {}, 'int32')).toBeUndefined();
    expect(contents('Sub', [[1], [2]], {}, 'uint64')).toBeUndefined();
    expect(contents('Sub', [['a'], ['b']], {}, 'uint64')).toBeUndefined();
    expect(contents('Mul', [[2 ** 40], [2 ** 40]])).toBeUndefined();
    expect(contents('Mul', [[`${2 ** 40}*a`], [2 ** 40]])).toBeUndefined();
    const long = Array.from({ length: 600 }, () => 'a');
    const [sum] = infer('Add', [sizes(long, [600, 1]), sizes(long)]);
    expect([sum!.shape, sum!.contents]).toEqual([[600, 600], undefined]);
  });

  it('knows nothing of data', () => {
    const [sum] = infer('Add', [value(['n'], 'int64'), sizes([1], [])]);
    expect([sum!.shape, sum!.contents]).toEqual([['n'], undefined]);
  });
});

describe('signatures', () => {
  it('name the node, however short its name', () => {
    const node = { name: 'o', op: 'Add', domain: '', inputs: ['x', 'y'], outputs: ['z'], attrs: {} };
    const facts: Record<string, ReturnType<typeof value>> = { x: value([2]), y: value([3]) };
    expect(() => inferNode(node, onnxOps, (name) => facts[name])).toThrow(/^o \(Add\): dimensions/);
  });

  it('refuse shapes that cannot broadcast, naming the node', () => {
    expect(() =>
      reckon('Add', [
        [1, 2],
        [1, 2, 3],
      ]),
    ).toThrow(/^node \(Add\): dimensions 2 and 3 cannot be broadcast/);
  });

  it('refuse dtypes that the op does not take', () => {
    expect(() => reckon('Neg', [[1]], {}, 'uint8')).toThrow(/uint8/);
    expect(() => reckon('BitwiseAnd', [[1], [1]], {}, 'bool')).toThrow(/bool/);
  });

  it('refuse attributes out of their range', () => {
    expect(() => reckon('Gelu', [[]], { approximate: 'fast' }, 'float32')).toThrow(/none, tanh/);
    expect(() => reckon('Mod', [[1], [1]], { speed: 1 })).toThrow(/"speed" is not one of Mod/);
  });
});
