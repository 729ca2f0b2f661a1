import { describe, expect, it } from 'vitest';
import { type Call, createHostBackend, type HostKernel, type Phase } from '../src/index.ts';

const call: Call = {
  node: 'n',
  op: 'Test',
  domain: '',
  inputs: [{ dtype: 'float32', shape: ['n'] }],
  outputs: [{ dtype: 'float32', shape: ['n'] }],
  attrs: {},
  epilogue: [],
};

/** Runs one program over buffers of `n` floats. */
async function run(phases: (x: Float32Array, y: Float32Array) => readonly Phase[], n: number, signal?: AbortSignal) {
  const backend = createHostBackend({ id: 'test', kernels: [] as HostKernel[], calibrate: async () => ({}) });
  const program = {
    resident: 0,
    start: (io: { inputs: readonly unknown[]; outputs: readonly unknown[] }) =>
      phases((io.inputs[0] as { data: Float32Array }).data, (io.outputs[0] as { data: Float32Array }).data),
  };
  const list = backend.record([{ call, kernel: 'test', program: program as never, inputs: [0], outputs: [1] }]);
  const [x, y] = [backend.alloc(4 * n), backend.alloc(4 * n)];
  new Float32Array(x.buffer).forEach((_, i, a) => {
    a[i] = i;
  });
  await list.run(
    [
      { buffer: x, offset: 0 },
      { buffer: y, offset: 0 },
    ],
    { n },
    { signal },
  );
  return new Float32Array(y.buffer);
}

describe('host backends', () => {
  it('cover every unit exactly once, in order, phase after phase', async () => {
    const seen: number[] = [];
    const y = await run(
      (x, out) => [
        {
          units: 1000,
          run: (from, to) => {
            for (let i = from; i < to; i++) {
              seen.push(i);
              out[i] = x[i]! * 2;
            }
          },
        },
        {
          units: 1000,
          run: (from, to) => {
            for (let i = from; i < to; i++) out[i]! += 1;
          },
        },
      ],
      1000,
    );
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(y[999]).toBe(1999);
  });

  it('let the event loop turn during long work, and hear an abort', async () => {
    const controller = new AbortController();
    let ticks = 0;
    const timer = setInterval(() => {
      if (++ticks === 3) controller.abort(new Error('enough'));
    }, 1);
    const spin: Phase = {
      units: 100_000,
      run: (from, to) => {
        const end = performance.now() + (to - from) * 0.1;
        while (performance.now() < end);
      },
    };
    const error = await run(() => [spin], 1, controller.signal).catch((e) => e);
    clearInterval(timer);
    expect(error).toMatchObject({ code: 'ABORTED', cause: { message: 'enough' } });
    expect(ticks).toBeGreaterThanOrEqual(3);
  });

  it('give concurrent runs turns', async () => {
    const order: string[] = [];
    const work = (name: string): Phase => ({
      units: 200,
      run: (from, to) => {
        const end = performance.now() + (to - from) * 0.2;
        while (performance.now() < end);
        if (order.at(-1) !== name) order.push(name);
      },
    });
    await Promise.all([run(() => [work('a')], 1), run(() => [work('b')], 1)]);
    expect(order.length).toBeGreaterThan(3);
  });

  it('name the node and the kernel when a kernel throws', async () => {
    const failing: Phase = {
      units: 1,
      run: () => {
        throw new RangeError('oops');
      },
    };
    await expect(run(() => [failing], 1)).rejects.toMatchObject({
      code: 'KERNEL_FAILED',
      node: 'n',
      message: 'n: test failed: oops',
    });
  });

  it('refuse to start when already aborted', async () => {
    await expect(run(() => [], 1, AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
