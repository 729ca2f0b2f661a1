import { createJsBackend } from '@espalier/backend-js';
import { type AnyBackend, createHostBackend, type HostKernel, Tensor, UnsupportedError } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { createRuntime, type RuntimeOptions } from '../src/index.ts';
import { graph, input, node } from './graph.ts';

const rates = { macs: 1e9, bytes: 1e9, call: 1e-3 };
const profile: RuntimeOptions['profile'] = {
  version: 1,
  machine: 'test',
  rates: { js: rates, fast: { macs: 1e12, bytes: 1e12, call: 1e-9, crossing: 1e-9 } },
};

const sessionOf = (
  model: ReturnType<typeof graph>,
  backends: readonly AnyBackend[] = [createJsBackend()],
  options = {},
) => createRuntime({ backends, profile: profile! }).createSession(model, options);

const floats = (values: readonly number[], dims: readonly number[]): Tensor =>
  new Tensor('float32', Float32Array.from(values), dims);
const ramp = (dims: readonly number[]): Tensor =>
  floats(
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => (i % 13) - 6),
    dims,
  );
const values = (tensor: Tensor | undefined): number[] => Array.from(tensor!.data as ArrayLike<number>, Number);

const mlp = graph(
  [input('x', ['batch', 3])],
  ['y'],
  [node('MatMul', ['x', 'w'], ['h']), node('Add', ['h', 'b'], ['s']), node('Relu', ['s'], ['y'])],
  { w: floats([1, 2, 3, 4, 5, 6], [3, 2]), b: floats([-30, 1], [2]) },
);

function expected(x: Tensor): number[] {
  const data = values(x);
  return Array.from({ length: x.dims[0]! }, (_, r) =>
    [0, 1].map((c) =>
      Math.max(0, [0, 1, 2].reduce((sum, k) => sum + data[r * 3 + k]! * (1 + 2 * k + c), 0) + [-30, 1][c]!),
    ),
  ).flat();
}

describe('sessions', () => {
  it('run with any size for the dimensions left open, by one plan', async () => {
    const session = await sessionOf(mlp);
    expect(session.inputMetadata).toEqual([{ name: 'x', kind: 'tensor', type: 'float32', shape: ['batch', 3] }]);
    expect(session.outputMetadata).toEqual([{ name: 'y', kind: 'tensor', type: 'float32', shape: ['batch', 2] }]);
    for (const batch of [1, 5, 0, 33, 1]) {
      const x = ramp([batch, 3]);
      const { y } = await session.run({ x });
      expect(y!.dims).toEqual([batch, 2]);
      expect(values(y)).toEqual(expected(x));
    }
  });

  it('refuse sizes that do not fit each other before any kernel sees them', async () => {
    const rows = graph(
      [input('x', ['n', 'k']), input('w', ['l', 2]), input('b', ['m'])],
      ['y'],
      [node('MatMul', ['x', 'w'], ['h']), node('Add', ['h', 'b'], ['y'])],
    );
    const session = await sessionOf(rows);
    const run = (k: number, l: number, m: number) => session.run({ x: ramp([3, k]), w: ramp([l, 2]), b: ramp([m]) });
    expect((await run(4, 4, 2)).y!.dims).toEqual([3, 2]);
    expect((await run(4, 4, 1)).y!.dims).toEqual([3, 2]);
    await expect(run(4, 5, 2)).rejects.toThrow(/MatMul_h.*k = 4 and l = 5 must be equal/);
    await expect(run(4, 4, 3)).rejects.toThrow(/m = 3.* must be equal, or one of them 1/);
  });

  it('run concurrently with different sizes, each with its own memory', async () => {
    const session = await sessionOf(mlp);
    const feeds = [1, 70, 3, 400, 2, 1000].map((n) => ramp([n, 3]));
    const results = await Promise.all(feeds.map((x) => session.run({ x })));
    for (const [i, { y }] of results.entries()) expect(values(y)).toEqual(expected(feeds[i]!));
  });

  it("give outputs that are the caller's own, and leave feeds alone", async () => {
    const passing = graph([input('x', ['n'])], ['x', 'v', 'c'], [node('Reshape', ['x', 'shape'], ['v'])], {
      shape: new Tensor('int64', BigInt64Array.of(-1n, 1n), [2]),
      c: floats([7], [1]),
    });
    const session = await sessionOf(passing);
    const x = ramp([4]);
    const first = await session.run({ x });
    for (const name of ['x', 'v', 'c']) (first[name]!.data as Float32Array).fill(99);
    expect(values(x)).toEqual([-6, -5, -4, -3]);
    const second = await session.run({ x });
    expect(values(second.v)).toEqual([-6, -5, -4, -3]);
    expect(second.v!.dims).toEqual([4, 1]);
    expect(values(second.c)).toEqual([7]);
  });

  it('give only the outputs asked for', async () => {
    const two = graph([input('x', [2])], ['a', 'b'], [node('Relu', ['x'], ['a']), node('Neg', ['x'], ['b'])]);
    const session = await sessionOf(two);
    const x = floats([-1, 2], [2]);
    expect(Object.keys(await session.run({ x }, ['b']))).toEqual(['b']);
    expect(Object.keys(await session.run({ x }, { a: null }))).toEqual(['a']);
    expect(Object.keys(await session.run({ x }))).toEqual(['a', 'b']);
    expect(Object.keys(await session.run({ x }, {}))).toEqual(['a', 'b']);
    expect(Object.keys(await session.run({ x }, []))).toEqual([]);
    const aborted = { signal: AbortSignal.abort() };
    await expect(session.run({ x }, {}, aborted)).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(session.run({ x }, ['c'])).rejects.toThrow(/no output "c"; its outputs are: a, b/);
  });

  it('tell what each node took', async () => {
    const session = await sessionOf(mlp);
    const seen: string[] = [];
    await session.run(
      { x: ramp([2, 3]) },
      { onNode: ({ op, backend, seconds }) => void seen.push(`${backend} ${op} ${seconds >= 0}`) },
    );
    expect(seen.map((line) => line.split(' ')[2])).not.toContain('false');
    expect(seen.length).toBeGreaterThan(0);
  });

  it('say so when a run needs more memory than there is', async () => {
    const repeats = new Tensor('int64', [2n ** 40n]);
    const session = await sessionOf(
      graph([input('x', ['n'])], ['y'], [node('Tile', ['x', 'r'], ['y'])], { r: repeats }),
    );
    await expect(session.run({ x: new Tensor('float32', [1, 2]) })).rejects.toMatchObject({ code: 'LIMIT' });
  });

  it('refuse feeds that do not fit, naming the input', async () => {
    const session = await sessionOf(mlp);
    await expect(session.run({})).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringMatching(/input "x" is missing: give a float32 tensor of \[batch,3\]/),
    });
    await expect(session.run({ x: ramp([2, 4]) })).rejects.toMatchObject({
      code: 'SHAPE_MISMATCH',
      message: expect.stringMatching(/"x" has the shape \[2,4\]/),
    });
    await expect(session.run({ x: ramp([6]) })).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
    await expect(session.run({ x: new Tensor('int32', new Int32Array(3), [1, 3]) })).rejects.toThrow(
      /is int32; the model takes float32/,
    );
    await expect(session.run({ x: ramp([1, 3]), z: ramp([1]) })).rejects.toThrow(/no input "z"; its inputs are: x/);
  });

  it('bind one symbol by several inputs, and check expressions whatever the order', async () => {
    const add = graph(
      [input('later', ['n+m']), input('a', ['n']), input('b', ['m'])],
      ['y'],
      [node('Concat', ['a', 'b'], ['c'], { axis: 0 }), node('Add', ['c', 'later'], ['y'])],
    );
    const session = await sessionOf(add);
    expect(values((await session.run({ later: ramp([5]), a: ramp([2]), b: ramp([3]) })).y)).toEqual([
      -12, -10, -10, -8, -6,
    ]);
    await expect(session.run({ later: ramp([4]), a: ramp([2]), b: ramp([3]) })).rejects.toMatchObject({
      code: 'SHAPE_MISMATCH',
    });
  });

  it('refuse sizes for which a view would not have the bytes of its source', async () => {
    const halves = graph(
      [input('x', ['n'])],
      ['y'],
      [node('Reshape', ['x'], ['r'], { shape: [2, 'floor(n,2)'] }), node('Relu', ['r'], ['y'])],
    );
    const session = await sessionOf(halves);
    expect((await session.run({ x: ramp([6]) })).y!.dims).toEqual([2, 3]);
    await expect(session.run({ x: ramp([7]) })).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
    expect((await session.run({ x: ramp([4]) })).y!.dims).toEqual([2, 2]);
  });

  it('refuse sizes that cannot be broadcast, and run again after it', async () => {
    const add = graph([input('a', ['n']), input('b', ['m'])], ['y'], [node('Add', ['a', 'b'], ['y'])]);
    const session = await sessionOf(add);
    await expect(session.run({ a: ramp([2]), b: ramp([3]) })).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
    expect((await session.run({ a: ramp([1]), b: ramp([3]) })).y!.dims).toEqual([3]);
    expect((await session.run({ a: ramp([3]), b: ramp([1]) })).y!.dims).toEqual([3]);
    expect((await session.run({ a: ramp([0]), b: ramp([1]) })).y!.dims).toEqual([0]);
  });
});

describe('politeness', () => {
  const square = graph(
    [input('a', [1024, 1024]), input('b', [1024, 1024])],
    ['y'],
    [node('MatMul', ['a', 'b'], ['y'])],
  );

  it('lets the event loop turn while one node multiplies two large matrices, and hears an abort', async () => {
    const session = await sessionOf(square);
    const feeds = { a: ramp([1024, 1024]), b: ramp([1024, 1024]) };
    const controller = new AbortController();
    let turns = 0;
    let settled = false;
    const turn = (): void => {
      if (++turns === 12) controller.abort();
      if (!settled) setImmediate(turn);
    };
    setImmediate(turn);
    const run = session.run(feeds, { signal: controller.signal });
    await expect(run).rejects.toMatchObject({ code: 'ABORTED' });
    settled = true;
    expect(turns).toBeGreaterThanOrEqual(12);
    // Counted in turns of the loop, of which each slice of work is followed by one: time says nothing on a busy machine.
    expect(turns).toBeLessThanOrEqual(12 + 4);
  });

  it('refuses to start when already aborted', async () => {
    const session = await sessionOf(mlp);
    await expect(session.run({ x: ramp([1, 3]) }, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    await expect(sessionOf(mlp, [createJsBackend()], { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });

  it('waits for running work on dispose, then refuses to run', async () => {
    const session = await sessionOf(mlp);
    const running = session.run({ x: ramp([500, 3]) });
    const disposed = session.dispose();
    await expect(session.run({ x: ramp([1, 3]) })).rejects.toMatchObject({ code: 'DISPOSED' });
    expect((await running).y!.dims).toEqual([500, 2]);
    await disposed;
    await session.dispose();
  });

  it('is disposed by `await using`', async () => {
    let kept: Awaited<ReturnType<typeof sessionOf>>;
    {
      await using session = await sessionOf(mlp);
      kept = session;
    }
    await expect(kept.run({ x: ramp([1, 3]) })).rejects.toMatchObject({ code: 'DISPOSED' });
  });
});

/** A backend that is truly faster at one op, with memory of its own that only it can see. */
function fastBackend(kernels: readonly HostKernel[], log: string[] = []): AnyBackend {
  const host = createHostBackend({ id: 'fast', kernels, calibrate: async () => rates });
  const { view: _, adopt: __, ...own } = host;
  let live = 0;
  return {
    ...own,
    alloc: (bytes) => {
      live++;
      log.push(`alloc ${live}`);
      return host.alloc(bytes);
    },
    free: () => void log.push(`free ${--live}`),
    write: (buffer, offset, bytes) => {
      log.push(`write ${bytes.byteLength}`);
      host.write(buffer, offset, bytes);
    },
  };
}

const relu: HostKernel = {
  name: 'relu_f32_dense__fast',
  op: 'Relu',
  types: { T: ['float32'] },
  work: (call, at) => ({
    macs: call.inputs[0]!.shape.reduce<number>((n, d) => n * (typeof d === 'number' ? d : at[d]!), 1),
    bytes: 8,
    resident: 0,
  }),
  prepare: () => ({
    resident: 0,
    start: ({ inputs: [x], outputs: [y] }) => [
      {
        units: x!.data.length,
        run: (from, to) => {
          for (let i = from; i < to; i++) y!.data[i] = Math.max(0, x!.data[i] as number);
        },
      },
    ],
  }),
};

describe('several backends', () => {
  const deep = graph(
    [input('x', ['n', 4])],
    ['y', 'r'],
    [
      node('Neg', ['x'], ['a']),
      node('Relu', ['a'], ['r']),
      node('Reshape', ['r', 's'], ['f']),
      node('Neg', ['f'], ['y']),
    ],
    { s: new Tensor('int64', BigInt64Array.of(-1n), [1]) },
  );

  it('cross between memories and give the same answer', async () => {
    const log: string[] = [];
    const session = await sessionOf(deep, [fastBackend([relu], log), createJsBackend()]);
    const { nodes } = session.explain();
    expect(nodes.filter((n) => n.kind === 'kernel').map((n) => `${n.backend} ${n.op}`)).toEqual([
      'js Neg',
      'fast Relu',
      'js Neg',
    ]);
    for (const n of [1, 6, 2]) {
      const x = ramp([n, 4]);
      const { y, r } = await session.run({ x });
      expect(values(r)).toEqual(values(x).map((v) => Math.max(0, -v)));
      expect(values(y)).toEqual(values(x).map((v) => -Math.max(0, -v)));
      expect(y!.dims).toEqual([4 * n]);
    }
    expect(log.filter((line) => line.startsWith('write'))).toEqual(['write 16', 'write 96', 'write 32']);
    await session.dispose();
    expect(log.filter((line) => line.startsWith('free')).at(-1)).toBe('free 0');
  });

  it('fall back to the next candidate when a kernel finds out late that it cannot', async () => {
    const late: HostKernel = {
      ...relu,
      name: 'relu_late__fast',
      prepare: () => {
        throw new UnsupportedError('not today');
      },
    };
    const session = await sessionOf(deep, [fastBackend([late]), createJsBackend()]);
    expect(values((await session.run({ x: floats([-1, 2, -3, 4], [1, 4]) })).r)).toEqual([1, 0, 3, 0]);
  });

  it('let every other error of a kernel through', async () => {
    const broken: HostKernel = {
      ...relu,
      prepare: () => {
        throw new RangeError('a bug');
      },
    };
    await expect(sessionOf(deep, [fastBackend([broken]), createJsBackend()])).rejects.toThrow(/a bug/);
  });

  it("take a third party's kernel that is added to the scalar backend", async () => {
    const js = createJsBackend();
    const session = await sessionOf(deep, [
      { ...js, kernels: [{ ...relu, law: () => 1e-9 }, ...js.kernels] } as AnyBackend,
    ]);
    expect(session.explain().nodes.find((n) => n.op === 'Relu')!.kernel).toBe('relu_f32_dense__fast');
    expect(values((await session.run({ x: floats([-1, 2, -3, 4], [1, 4]) })).r)).toEqual([1, 0, 3, 0]);
  });

  it('must have different ids', () => {
    expect(() => createRuntime({ backends: [createJsBackend(), createJsBackend()] })).toThrow(TypeError);
    expect(() => createRuntime({ backends: [] })).toThrow(TypeError);
  });
});
