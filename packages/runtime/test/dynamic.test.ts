import { createJsBackend } from '@espalier/backend-js';
import { type Graph, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { createRuntime } from '../src/index.ts';
import { graph, input, node } from './graph.ts';

const sessionOf = (model: Graph) => createRuntime({ backends: [createJsBackend()] }).createSession(model);
const floats = (values: readonly number[], dims: readonly number[] = [values.length]): Tensor =>
  new Tensor('float32', Float32Array.from(values), dims);
const longs = (values: readonly number[], dims: readonly number[] = [values.length]): Tensor =>
  new Tensor('int64', BigInt64Array.from(values, BigInt), dims);
const bool = (value: boolean): Tensor => new Tensor('bool', Uint8Array.of(Number(value)), []);
const values = (tensor: Tensor | undefined): number[] => Array.from(tensor!.data as ArrayLike<number>, Number);

describe('shapes that depend on data', () => {
  it('are read from inputs and bound', async () => {
    const session = await sessionOf(
      graph(
        [input('x', ['n']), input('shape', [2], 'int64')],
        ['y'],
        [node('Reshape', ['x', 'shape'], ['r']), node('Relu', ['r'], ['y'])],
      ),
    );
    const { y } = await session.run({ x: floats([-1, 2, 3, -4, 5, 6]), shape: longs([3, -1]) });
    expect([y!.dims, values(y)]).toEqual([
      [3, 2],
      [0, 2, 3, 0, 5, 6],
    ]);
    await expect(session.run({ x: floats([1, 2, 3]), shape: longs([2, -1]) })).rejects.toMatchObject({
      code: expect.stringMatching(/BAD_|SHAPE/),
    });
    expect((await session.run({ x: floats([1, 2, 3, 4]), shape: longs([1, 4]) })).y!.dims).toEqual([1, 4]);
  });

  it('are data where a shape is consumed as such', async () => {
    const sizes = graph(
      [input('x', ['n', 'm'])],
      ['y'],
      [node('Shape', ['x'], ['s']), node('Cast', ['s'], ['f'], { to: 1 }), node('Mul', ['f', 'two'], ['y'])],
      { two: floats([2]) },
    );
    const session = await sessionOf(sizes);
    for (const [n, m] of [
      [2, 3],
      [5, 0],
    ]) {
      expect(values((await session.run({ x: floats(new Array(n! * m!).fill(0), [n!, m!]) })).y)).toEqual([
        2 * n!,
        2 * m!,
      ]);
    }
  });

  it('are told to kernels of strings', async () => {
    const text = graph(
      [input('x', ['n']), input('s', [1], 'string')],
      ['y'],
      [node('Shape', ['x'], ['n']), node('Expand', ['s', 'n'], ['y'])],
    );
    const session = await sessionOf(text);
    const { y } = await session.run({ x: floats([1, 2, 3]), s: new Tensor('string', ['a'], [1]) });
    expect(y!.data).toEqual(['a', 'a', 'a']);
  });

  it('come out of the computation and go on', async () => {
    const session = await sessionOf(
      graph(
        [input('x', ['n'])],
        ['picked', 'doubled'],
        [
          node('NonZero', ['x'], ['i']),
          node('Squeeze', ['i', 'axis'], ['flat']),
          node('Gather', ['x', 'flat'], ['picked']),
          node('Add', ['picked', 'picked'], ['doubled']),
        ],
        { axis: longs([0]) },
      ),
    );
    for (const data of [[0, 5, 0, 7, -1], [0, 0], [], [3]]) {
      const { picked, doubled } = await session.run({ x: floats(data) });
      expect(values(picked)).toEqual(data.filter((v) => v !== 0));
      expect(values(doubled)).toEqual(data.filter((v) => v !== 0).map((v) => 2 * v));
    }
  });
});

describe('If', () => {
  const model = graph(
    [input('c', [], 'bool'), input('x', ['n'])],
    ['y'],
    [
      node('If', ['c'], ['y'], {
        then_branch: graph([], ['t'], [node('Relu', ['x'], ['t'])]),
        else_branch: graph(
          [],
          ['e'],
          [
            node('If', ['c'], ['e'], {
              then_branch: graph([], ['k'], [], { k: floats([1]) }),
              else_branch: graph([], ['m'], [node('Concat', ['x', 'x'], ['m'], { axis: 0 })]),
            }),
          ],
        ),
      }),
    ],
  );

  it('runs the branch that is taken, with values from around it, nested', async () => {
    const session = await sessionOf(model);
    expect(values((await session.run({ c: bool(true), x: floats([-1, 2]) })).y)).toEqual([0, 2]);
    expect(values((await session.run({ c: bool(false), x: floats([-1, 2]) })).y)).toEqual([-1, 2, -1, 2]);
  });
});

it('If gives a view of a value from around it', async () => {
  const axis = longs([1]);
  const squeeze = graph(
    [input('c', [], 'bool'), input('x', ['n', 'k'])],
    ['y'],
    [
      node('Relu', ['x'], ['r']),
      node('If', ['c'], ['y'], {
        then_branch: graph([], ['t'], [node('Squeeze', ['r', 'axis'], ['t'])]),
        else_branch: graph([], ['e'], [node('Identity', ['r'], ['e'])]),
      }),
    ],
    { axis },
  );
  const session = await sessionOf(squeeze);
  const { y } = await session.run({ c: bool(true), x: floats([-1, 2], [2, 1]) });
  expect([y!.dims, values(y)]).toEqual([[2], [0, 2]]);
});

describe('Loop', () => {
  const loop = graph(
    [input('m', [], 'int64'), input('x', ['n'])],
    ['last', 'all'],
    [
      node('Loop', ['m', '', 'x'], ['last', 'all'], {
        body: graph(
          [input('i', [], 'int64'), input('keep', [], 'bool'), input('v', ['n'])],
          ['keep', 'next', 'next'],
          [node('Add', ['v', 'x'], ['next'])],
        ),
      }),
    ],
  );

  it('carries values and stacks scans', async () => {
    const session = await sessionOf(loop);
    const { last, all } = await session.run({ m: longs([3], []), x: floats([1, 10]) });
    expect(values(last)).toEqual([4, 40]);
    expect([all!.dims, values(all)]).toEqual([
      [3, 2],
      [2, 20, 3, 30, 4, 40],
    ]);
    const none = await session.run({ m: longs([0], []), x: floats([1, 10]) });
    expect([values(none.last), none.all!.dims]).toEqual([
      [1, 10],
      [0, 2],
    ]);
  });

  it('lets the loop turn and hears an abort in a million tiny iterations', async () => {
    const session = await sessionOf(loop);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    await expect(
      session.run({ m: longs([1_000_000], []), x: floats([1]) }, ['last'], { signal: controller.signal }),
    ).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('carries values whose shape changes', async () => {
    const growing = graph(
      [input('m', [], 'int64'), input('x', ['n'])],
      ['last'],
      [
        node('Loop', ['m', '', 'x'], ['last'], {
          body: graph(
            [input('i', [], 'int64'), input('keep', [], 'bool'), input('v', ['k'])],
            ['keep', 'next'],
            [node('Concat', ['v', 'x'], ['next'], { axis: 0 })],
          ),
        }),
      ],
    );
    const session = await sessionOf(growing);
    expect(values((await session.run({ m: longs([3], []), x: floats([1, 2]) })).last)).toEqual([
      1, 2, 1, 2, 1, 2, 1, 2,
    ]);
  });
});

describe('Scan', () => {
  it('walks an axis forwards and backwards', async () => {
    const body = graph([input('s', [2]), input('e', [2])], ['sum', 'sum'], [node('Add', ['s', 'e'], ['sum'])]);
    const scan = (direction: number) =>
      graph(
        [input('x', ['n', 2])],
        ['last', 'all'],
        [
          node('Scan', ['zero', 'x'], ['last', 'all'], {
            body,
            num_scan_inputs: 1,
            scan_input_directions: [direction],
          }),
        ],
        { zero: floats([0, 0]) },
      );
    const x = floats([1, 2, 3, 4, 5, 6], [3, 2]);
    const forward = await (await sessionOf(scan(0))).run({ x });
    expect([values(forward.last), values(forward.all)]).toEqual([
      [9, 12],
      [1, 2, 4, 6, 9, 12],
    ]);
    const backward = await (await sessionOf(scan(1))).run({ x });
    expect(values(backward.all)).toEqual([5, 6, 8, 10, 9, 12]);
  });
});
