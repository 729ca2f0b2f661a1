import { createJsBackend } from '@espalier/backend-js';
import { type Container, type DType, type Graph, Tensor, type Value, type ValueInfo } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { createRuntime, type Session } from '../src/index.ts';
import { graph, input, node } from './graph.ts';

const sessionOf = (model: Graph, disablePasses: readonly string[] = []): Promise<Session> =>
  createRuntime({ backends: [createJsBackend()] }).createSession(model, { disablePasses });
const floats = (values: readonly number[], dims: readonly number[] = [values.length]): Tensor =>
  new Tensor('float32', Float32Array.from(values), dims);
const longs = (values: readonly number[], dims: readonly number[] = [values.length]): Tensor =>
  new Tensor('int64', BigInt64Array.from(values, BigInt), dims);
const bool = (value: boolean): Tensor => new Tensor('bool', Uint8Array.of(Number(value)), []);
const held = (
  name: string,
  kind: Container['kind'],
  shape: readonly (number | string)[] = ['...'],
  dtype: DType = 'float32',
): ValueInfo => ({ name, dtype, shape: [], container: { kind, shape } });

/** Elements of tensors, in lists as they are held. */
const plain = (value: Value | undefined): unknown =>
  Array.isArray(value)
    ? value.map((tensor) => plain(tensor))
    : value && { dims: (value as Tensor).dims, data: Array.from((value as Tensor).data as ArrayLike<number>, Number) };
const vector = (...data: number[]) => ({ dims: [data.length], data });

async function run(model: Graph, feeds: Record<string, Value | undefined>): Promise<Record<string, unknown>> {
  const outputs = await (await sessionOf(model)).run<Value>(feeds);
  return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, plain(value)]));
}

describe('sequences', () => {
  it('keep tensors whose memory the run uses again', async () => {
    const model = graph(
      [input('x', ['n'])],
      ['all', 'list', 'last'],
      [
        node('Neg', ['x'], ['a']),
        node('SequenceConstruct', ['a', 'x'], ['two']),
        node('Abs', ['x'], ['b']),
        node('Exp', ['b'], ['c']),
        node('SequenceInsert', ['two', 'b', 'first'], ['list']),
        node('Sqrt', ['c'], ['last']),
        node('ConcatFromSequence', ['list'], ['all'], { axis: 0 }),
      ],
      { first: longs([0], []) },
    );
    for (const disabled of [[], ['constant-folding', 'canonical-forms', 'dead-code']]) {
      const session = await sessionOf(model, disabled);
      for (const x of [[1, -2, 3], [4], []]) {
        const { all, list } = await session.run<Value>({ x: floats(x) });
        const [a, b] = [x.map((v) => (v === 0 ? 0 : -v)), x.map(Math.abs)];
        expect(plain(list)).toEqual([vector(...b), vector(...a), vector(...x)]);
        expect(plain(all)).toEqual(vector(...b, ...a, ...x));
      }
      expect(session.explain().toString()).toMatch(/SequenceConstruct .*runtime/);
      await session.dispose();
    }
  });

  it('come from feeds and go to the caller, as copies', async () => {
    const model = graph(
      [held('s', 'sequence')],
      ['y', 's2'],
      [node('Identity', ['s'], ['y']), node('SequenceErase', ['s'], ['s2'])],
    );
    const session = await sessionOf(model);
    expect(session.inputMetadata).toEqual([{ name: 's', kind: 'sequence', type: 'float32', shape: ['...'] }]);
    expect(session.outputMetadata[0]).toEqual({ name: 'y', kind: 'sequence', type: 'float32', shape: ['...'] });
    const feed = [floats([1, 2]), floats([3], [1, 1])];
    const { y, s2 } = await session.run<Value>({ s: feed });
    expect([plain(y), plain(s2)]).toEqual([[vector(1, 2), { dims: [1, 1], data: [3] }], [vector(1, 2)]]);
    for (const tensor of [...(y as Tensor[]), ...(s2 as Tensor[])]) (tensor.data as Float32Array).fill(9);
    expect(plain(feed)).toEqual([vector(1, 2), { dims: [1, 1], data: [3] }]);
  });

  it('are read and written at positions from either end', async () => {
    const model = graph(
      [held('s', 'sequence', [1]), input('p', [], 'int64'), input('x', [1])],
      ['at', 'erased', 'inserted', 'n'],
      [
        node('SequenceAt', ['s', 'p'], ['at']),
        node('SequenceErase', ['s', 'p'], ['erased']),
        node('SequenceInsert', ['s', 'x', 'p'], ['inserted']),
        node('SequenceLength', ['s'], ['n']),
      ],
    );
    const session = await sessionOf(model);
    for (const p of [0, 1, 2, -1, -3]) {
      const list = [10, 20, 30];
      const outputs = await session.run<Value>({
        s: list.map((v) => floats([v])),
        p: longs([p], []),
        x: floats([p]),
      });
      expect(plain(outputs.at)).toEqual(vector(list.at(p)!));
      expect(plain(outputs.erased)).toEqual(list.toSpliced(p, 1).map((v) => vector(v)));
      expect(plain(outputs.inserted)).toEqual(list.toSpliced(p, 0, p).map((v) => vector(v)));
      expect(plain(outputs.n)).toEqual({ dims: [], data: [3] });
    }
    for (const p of [3, -4])
      await expect(
        session.run({ s: [1, 2, 3].map((v) => floats([v])), p: longs([p], []), x: floats([0]) }),
      ).rejects.toThrow(
        expect.objectContaining({
          code: 'BAD_INPUT',
          node: 'SequenceAt_at',
          message: expect.stringMatching(`position ${p}`),
        }),
      );
  });

  it('are split off and joined', async () => {
    const model = (attrs: Graph['nodes'][number]['attrs'], split?: Tensor): Graph =>
      graph(
        [input('x', ['n', 5])],
        ['parts', 'again'],
        [
          node('SplitToSequence', split ? ['x', 'split'] : ['x'], ['parts'], attrs),
          node('ConcatFromSequence', ['parts'], ['again'], {
            axis: attrs['axis']!,
            new_axis: attrs['keepdims'] === 0 ? 1 : 0,
          }),
        ],
        split ? { split } : {},
      );
    const data = Array.from({ length: 15 }, (_, i) => i);
    const shapes = async (attrs: Graph['nodes'][number]['attrs'], split?: Tensor): Promise<unknown> => {
      const { parts, again } = await run(model(attrs, split), { x: floats(data, [3, 5]) });
      expect(again).toEqual({ dims: [3, 5], data });
      return (parts as { dims: number[] }[]).map(({ dims }) => dims);
    };
    expect(await shapes({ axis: 0 })).toEqual([
      [1, 5],
      [1, 5],
      [1, 5],
    ]);
    expect(await shapes({ axis: 1, keepdims: 0 })).toEqual([[3], [3], [3], [3], [3]]);
    expect(await shapes({ axis: -1 }, longs([2], []))).toEqual([
      [3, 2],
      [3, 2],
      [3, 1],
    ]);
    expect(await shapes({ axis: 1 }, longs([4, 0, 1]))).toEqual([
      [3, 4],
      [3, 0],
      [3, 1],
    ]);
    for (const split of [longs([4, 2]), longs([6, -1]), longs([0], [])])
      await expect(run(model({ axis: 1 }, split), { x: floats(data, [3, 5]) })).rejects.toMatchObject({
        code: 'BAD_INPUT',
        message: expect.stringMatching(/SplitToSequence.*axis of 5/),
      });
  });

  it('join only what fits', async () => {
    const model = graph(
      [held('s', 'sequence', ['?', '?'])],
      ['y'],
      [node('ConcatFromSequence', ['s'], ['y'], { axis: 0 })],
    );
    expect((await run(model, { s: [floats([1, 2], [1, 2]), floats([], [0, 2]), floats([3, 4], [1, 2])] })).y).toEqual({
      dims: [2, 2],
      data: [1, 2, 3, 4],
    });
    await expect(run(model, { s: [] })).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringMatching(/empty/),
    });
    await expect(run(model, { s: [floats([1], [1, 1]), floats([1, 2], [1, 2])] })).rejects.toMatchObject({
      code: 'SHAPE_MISMATCH',
      message: expect.stringMatching(/ConcatFromSequence.*\[1,1\] and \[1,2\]/),
    });
  });

  it('hold texts', async () => {
    const model = graph(
      [input('s', ['n'], 'string')],
      ['y', 'all'],
      [node('SplitToSequence', ['s'], ['y']), node('ConcatFromSequence', ['y'], ['all'], { axis: 0 })],
    );
    const session = await sessionOf(model);
    const { y, all } = await session.run<Value>({ s: new Tensor('string', ['a', 'b'], [2]) });
    expect((y as Tensor[]).map(({ data }) => data)).toEqual([['a'], ['b']]);
    expect((all as Tensor).data).toEqual(['a', 'b']);
  });
});

describe('optionals', () => {
  const model = graph(
    [held('o', 'optional', ['?']), input('x', ['n'])],
    ['has', 'y', 'o2'],
    [
      node('OptionalHasElement', ['o'], ['has']),
      node('Identity', ['o'], ['o2']),
      node('If', ['has'], ['y'], {
        then_branch: graph([], ['t'], [node('OptionalGetElement', ['o'], ['e']), node('Neg', ['e'], ['t'])]),
        else_branch: graph([], ['f'], [node('Identity', ['x'], ['f'])]),
      }),
    ],
  );

  it('have an element, or are empty', async () => {
    const x = floats([1, 2]);
    expect(await run(model, { o: floats([5, 6, 7]), x })).toMatchObject({ y: vector(-5, -6, -7), o2: vector(5, 6, 7) });
    for (const feeds of [{ o: null, x }, { o: undefined, x }, { x }])
      expect(await run(model, feeds)).toEqual({ has: { dims: [], data: [0] }, y: vector(1, 2), o2: null });
  });

  it('are made, of sequences too', async () => {
    const branch = (...nodes: Graph['nodes']): Graph => graph([], ['r'], nodes);
    const made = graph(
      [input('c', [], 'bool'), input('x', ['n'])],
      ['y', 'z'],
      [
        node('If', ['c'], ['y'], {
          then_branch: branch(node('SequenceConstruct', ['x'], ['s']), node('Optional', ['s'], ['r'])),
          else_branch: branch(
            node('Optional', [], ['r'], {
              type: { dtype: 'float32', shape: [], container: { kind: 'sequence', shape: [5] } },
            }),
          ),
        }),
        node('Optional', ['x'], ['z']),
      ],
    );
    const x = floats([1, 2]);
    expect(await run(made, { c: bool(true), x })).toEqual({ y: [vector(1, 2)], z: vector(1, 2) });
    expect(await run(made, { c: bool(false), x })).toEqual({ y: null, z: vector(1, 2) });
    expect((await sessionOf(made)).outputMetadata).toEqual([
      { name: 'y', kind: 'optional(sequence)', type: 'float32', shape: ['n'] },
      { name: 'z', kind: 'optional', type: 'float32', shape: ['n'] },
    ]);
  });

  it('cannot give an element that they lack', async () => {
    const get = graph([held('o', 'optional(sequence)')], ['y'], [node('OptionalGetElement', ['o'], ['y'])]);
    expect((await run(get, { o: [floats([1])] })).y).toEqual([vector(1)]);
    await expect(run(get, {})).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringMatching(/OptionalGetElement.*empty/),
    });
  });
});

describe('control flow', () => {
  it('collects tensors of iterations', async () => {
    const body = graph(
      [input('i', [], 'int64'), input('go', [], 'bool'), held('list', 'sequence')],
      ['on', 'more'],
      [
        node('Identity', ['go'], ['on']),
        node('Range', ['zero', 'i', 'one'], ['r']),
        node('SequenceInsert', ['list', 'r'], ['more']),
      ],
      { zero: longs([0], []), one: longs([1], []) },
    );
    const model = graph(
      [input('n', [], 'int64')],
      ['y', 'all'],
      [
        node('SequenceEmpty', [], ['none'], { dtype: 7 }),
        node('Loop', ['n', '', 'none'], ['y'], { body }),
        node('SequenceInsert', ['y', 'zeros'], ['some']),
        node('ConcatFromSequence', ['some'], ['all'], { axis: 0 }),
      ],
      { zeros: longs([0]) },
    );
    const session = await sessionOf(model);
    for (const n of [0, 1, 4, 2]) {
      const rows = Array.from({ length: n }, (_, i) => Array.from({ length: i }, (_, j) => j));
      const { y, all } = await session.run<Value>({ n: longs([n], []) });
      expect(plain(y)).toEqual(rows.map((row) => vector(...row)));
      expect(plain(all)).toEqual(vector(...rows.flat(), 0));
    }
  });

  it('maps over sequences of any sizes', async () => {
    const body = graph(
      [input('a', []), input('b', [])],
      ['sum', 'n'],
      [node('Add', ['a', 'b'], ['sum']), node('Shape', ['a'], ['n'])],
    );
    const model = graph(
      [held('s', 'sequence', ['?']), held('t', 'sequence', ['?'])],
      ['sums', 'sizes'],
      [{ ...node('SequenceMap', ['s', 't'], ['sums'], { body }), outputs: ['sums', 'sizes'] }],
    );
    const s = [floats([1, 2]), floats([]), floats([3])];
    expect(await run(model, { s, t: s })).toEqual({
      sums: [vector(2, 4), vector(), vector(6)],
      sizes: [vector(2), vector(0), vector(1)],
    });
    await expect(run(model, { s, t: s.slice(1) })).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
    await expect(run(model, { s, t: s.map(() => floats([1, 2, 3])) })).rejects.toMatchObject({
      code: 'SHAPE_MISMATCH',
    });
  });

  it('sees sequences of outer graphs', async () => {
    const pick = (at: string): Graph => graph([], ['r'], [node('SequenceAt', ['view', at], ['r'])]);
    const model = graph(
      [held('s', 'sequence', ['?', 2]), input('c', [], 'bool')],
      ['y'],
      [
        node('Identity', ['s'], ['view']),
        node('If', ['c'], ['y'], { then_branch: pick('first'), else_branch: pick('last') }),
      ],
      { first: longs([0], []), last: longs([-1], []) },
    );
    const s = [floats([1, 2], [1, 2]), floats([3, 4, 5, 6], [2, 2])];
    expect((await run(model, { s, c: bool(true) })).y).toEqual({ dims: [1, 2], data: [1, 2] });
    expect((await run(model, { s, c: bool(false) })).y).toEqual({ dims: [2, 2], data: [3, 4, 5, 6] });
  });
});

describe('feeds of the wrong kind', () => {
  const model = graph(
    [
      held('s', 'sequence', ['?', 2]),
      held('o', 'optional', [2]),
      held('q', 'optional(sequence)', ['...']),
      input('x', [1]),
    ],
    ['y'],
    [node('SequenceLength', ['s'], ['n']), node('Identity', ['n'], ['y'])],
  );
  const good = { s: [floats([1, 2], [1, 2])], o: null, q: null, x: floats([1]) };

  it.each([
    [{ s: floats([1]) }, 'BAD_INPUT', /"s" is sequence\(float32\[\?,2\]\): give an array of tensors$/],
    [{ s: null }, 'BAD_INPUT', /"s" is sequence.*give an array of tensors$/],
    [{ s: undefined }, 'BAD_INPUT', /"s" is sequence/],
    [{ s: [longs([1, 2], [1, 2])] }, 'BAD_INPUT', /"s" holds int64 at 0; the model takes float32/],
    [{ s: [good.s[0], null] }, 'BAD_INPUT', /"s" holds no tensor at 1/],
    [{ s: [floats([1, 2, 3], [1, 3])] }, 'SHAPE_MISMATCH', /"s" holds the shape \[1,3\] at 0; expected \[\?,2\]/],
    [{ s: [floats([1, 2])] }, 'SHAPE_MISMATCH', /\[2\] at 0/],
    [{ o: [] }, 'BAD_INPUT', /"o" is optional\(float32\[2\]\): give a tensor, or null/],
    [{ o: floats([1]) }, 'SHAPE_MISMATCH', /"o"/],
    [{ q: floats([1]) }, 'BAD_INPUT', /"q" .*give an array of tensors, or null/],
    [{ x: [floats([1])] }, 'BAD_INPUT', /"x" is an array; the model takes one float32 tensor/],
    [{ x: null }, 'BAD_INPUT', /"x" is missing/],
  ] as const)('are refused (%#)', async (feeds, code, message) => {
    const session = await sessionOf(model);
    await expect(session.run({ ...good, ...(feeds as object) })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(plain((await session.run(good)).y)).toEqual({ dims: [], data: [1] });
  });
});
