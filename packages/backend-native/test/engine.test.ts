import { type Call, EspalierError, type Step } from '@espalier/core';
import { Assembler, at, rax, rcx, rdi, rdx, rsi, ymm0, ymm1 } from '@espalier/x64';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createNativeBackend,
  type LoadedCode,
  loadCode,
  type NativeBackend,
  type NativeBuffer,
  type NativePhase,
  type NativeProgram,
  recordList,
  type StartedEngine,
  startEngine,
} from '../src/index.ts';

const started = startEngine();
const engine = started as StartedEngine;
const suite = 'reason' in started ? describe.skip : describe;
if ('reason' in started) it.skip(`runs emitted code (${started.reason})`, () => {});

/** y[i] = x[i] + 1 for the 8 floats of a unit: args are x, y and the address of 1. */
function emitAddOne(): Uint8Array {
  const a = new Assembler();
  a.mov(rax, at(rdi), 0);
  a.mov(rcx, at(rdi), 8);
  a.shl(rsi, 5);
  a.vmovups(ymm0, at(rax, rsi), 0);
  a.mov(rdx, at(rdi), 16);
  a.vbroadcastss(ymm1, at(rdx), 0);
  a.vaddps(ymm0, ymm0, ymm1);
  a.vmovups(at(rcx, rsi), 0, ymm0);
  a.ret();
  return a.finish().slice();
}

/** Writes 7 and 9 to the status at its argument. */
function emitFailure(): Uint8Array {
  const a = new Assembler();
  a.mov(rcx, at(rdi), 0);
  for (const [i, word] of [7, 9].entries()) {
    a.movi(rax, word);
    a.mov(at(rcx), 8 * i, rax);
  }
  a.ret();
  return a.finish().slice();
}

const call: Call = {
  node: 'n',
  op: 'Test',
  domain: '',
  inputs: [{ dtype: 'float32', shape: ['n'] }],
  outputs: [{ dtype: 'float32', shape: ['n'] }],
  attrs: {},
  epilogue: [],
};
const step = (program: NativeProgram, inputs: number[], outputs: number[]): Step<NativeProgram> => ({
  call,
  kernel: 'test',
  program,
  inputs,
  outputs,
});

suite('the engine', () => {
  let code: LoadedCode;
  let one: NativeBuffer;
  beforeAll(() => {
    code = loadCode(engine.addon, [emitAddOne(), spin(), emitFailure()]);
    one = engine.memory.alloc(4);
    new Float32Array(one.view.buffer)[0] = 1;
  });
  afterAll(() => {
    code.dispose();
    engine.memory.free(one);
    engine.dispose();
  });

  const addOne = (inPlace = false): NativePhase => ({
    code: code.addresses[0]!,
    units: ({ inputs: [x] }) => x!.dims[0]! / 8,
    args: ({ inputs: [x], outputs: [y] }) => [inPlace ? y!.address : x!.address, y!.address, one.address],
  });
  /** A unit that counts to as much as its argument says. */
  function spin(): Uint8Array {
    const a = new Assembler();
    a.mov(rcx, at(rdi), 0);
    const loop = a.here();
    a.dec(rcx);
    a.jnz(loop);
    a.ret();
    return a.finish().slice();
  }
  const busy = (units: number, count: number): NativeProgram => ({
    resident: 0,
    phases: [{ code: code.addresses[1]!, units: () => units, args: () => [count] }],
  });

  const floats = (n: number) => engine.memory.alloc(4 * n);

  it('finds features by asking the processor', () => {
    expect(engine.features.has('avx2')).toBe(true);
    expect(engine.threads).toBeGreaterThanOrEqual(1);
  });

  it('runs steps in order, each unit once, and again on other memory and sizes', async () => {
    const list = recordList(engine, [
      step(
        {
          resident: 0,
          phases: [addOne(), addOne(true)],
        },
        [0],
        [1],
      ),
      step({ resident: 0, phases: [addOne()] }, [1], [2]),
    ]);
    for (const n of [8, 4096, 80, 0, 4096]) {
      const slots = [floats(n), floats(n), floats(n)];
      new Float32Array(slots[0]!.view.buffer).forEach((_, i, x) => {
        x[i] = i;
      });
      await list.run(
        slots.map((buffer) => ({ buffer, offset: 0 })),
        { n },
      );
      expect([...new Float32Array(slots[2]!.view.buffer)]).toEqual(Array.from({ length: n }, (_, i) => i + 3));
      for (const buffer of slots) engine.memory.free(buffer);
    }
    list.dispose();
  });

  it('runs lists at once, each with its own results', async () => {
    const list = recordList(engine, [step({ resident: 0, phases: [addOne()] }, [0], [1])]);
    const runs = Array.from({ length: 20 }, async (_, r) => {
      const [x, y] = [floats(800), floats(800)];
      new Float32Array(x.view.buffer).fill(r);
      for (let i = 0; i < 20; i++)
        await list.run(
          [
            { buffer: x, offset: 0 },
            { buffer: y, offset: 0 },
          ],
          { n: 800 },
        );
      const right = new Float32Array(y.view.buffer).every((v) => v === r + 1);
      engine.memory.free(x);
      engine.memory.free(y);
      return right;
    });
    expect(await Promise.all(runs)).toEqual(runs.map(() => true));
    list.dispose();
  });

  it('comes to run short lists on the calling thread, long ones never', async () => {
    const ran = { there: 0, here: 0 };
    const addon: StartedEngine['addon'] = {
      ...engine.addon,
      run(...args) {
        ran.there++;
        return engine.addon.run(...args);
      },
      runHere(...args) {
        ran.here++;
        engine.addon.runHere(...args);
      },
    };
    const failing: NativeProgram = {
      resident: 0,
      phases: [{ code: code.addresses[2]!, units: () => 1, args: ({ status }) => [status] }],
      failure: (kind, found) => new EspalierError('BAD_INPUT', `kind ${kind} found ${found}`),
    };
    const short = recordList({ ...engine, addon }, [step({ resident: 0, phases: [addOne()] }, [0], [1])]);
    const wrong = recordList({ ...engine, addon }, [step(failing, [], [])]);
    const [x, y] = [floats(16), floats(16)];
    const slots = [x, y].map((buffer) => ({ buffer, offset: 0 }));
    // Others may use the machine so much that it takes a while until a list is seen to be short.
    for (let i = 0; ran.here < 50 && i < 5000; i++) {
      new Float32Array(x.view.buffer).fill(i);
      await short.run(slots, { n: 16 });
      expect(new Float32Array(y.view.buffer)).toEqual(new Float32Array(16).fill(i + 1));
      await expect(wrong.run([], {})).rejects.toMatchObject({ code: 'BAD_INPUT', message: /kind 7 found 9/ });
    }
    expect(ran.there).toBeGreaterThanOrEqual(2);
    expect(ran.here).toBeGreaterThanOrEqual(50);
    await expect(short.run(slots, { n: 16 }, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    // Without a turn there would be none, however long it takes.
    const until = performance.now() + 5000;
    while (turns < 5 && performance.now() < until) await short.run(slots, { n: 16 });
    clearInterval(timer);
    expect(turns).toBeGreaterThanOrEqual(5);
    const long = recordList({ ...engine, addon }, [step(busy(8, 1_000_000), [], [])]);
    ran.here = 0;
    for (let i = 0; i < 20; i++) await long.run([], {});
    expect(ran.here).toBe(0);
    for (const list of [short, wrong, long]) list.dispose();
    for (const buffer of [x, y]) engine.memory.free(buffer);
  });

  it('stops between two units when aborted, leaves the event loop free meanwhile, and runs again', async () => {
    const list = recordList(engine, [step(busy(100_000, 100_000), [], [])]);
    const controller = new AbortController();
    let turns = 0;
    const timer = setInterval(() => {
      if (++turns === 5) controller.abort();
    }, 1);
    await expect(list.run([], {}, { signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' });
    clearInterval(timer);
    expect(turns).toBeGreaterThanOrEqual(5);
    await expect(list.run([], {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
    list.dispose();
  });

  it('tells what each step took', async () => {
    const list = recordList(engine, [step(busy(1, 1000), [], []), step(busy(64, 100_000), [], [])]);
    // The least of many runs: whoever else uses the machine can only make a step take longer.
    const least = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    const onStep = (index: number, seconds: number): void => {
      least[index] = Math.min(least[index]!, seconds);
    };
    for (let i = 0; i < 50; i++) await list.run([], {}, { onStep });
    expect(least[1]!).toBeGreaterThan(least[0]!);
    expect(least[0]!).toBeGreaterThan(0);
    list.dispose();
  });

  it('measures what the machine does', async () => {
    const backend = createNativeBackend() as NativeBackend;
    const rates = await backend.calibrate();
    // From a slow laptop to a machine that does not exist yet.
    expect(rates.fma!).toBeGreaterThan(1e9);
    expect(rates.fma!).toBeLessThan(1e13);
    expect(rates.bytes!).toBeGreaterThan(1e8);
    backend.dispose();
  });

  it('puts what lasts next to each other, fresh every time, and gives it back with the last of it', () => {
    const { memory } = engine;
    const before = memory.live;
    const sizes = [100, 3 << 20, 0, 3 << 20, 3 << 20, 5 << 20];
    for (let round = 0; round < 3; round++) {
      const buffers = sizes.map((bytes) => memory.allocLasting(bytes));
      expect(memory.live - before).toBe(sizes.reduce((sum, bytes) => sum + bytes));
      expect(buffers[1]!.address - buffers[0]!.address).toBe(128);
      for (const [i, { address, bytes, view }] of buffers.entries()) {
        expect(bytes === 0 || address % 64 === 0).toBe(true);
        expect([view.length, view[0] ?? 0, view.at(-1) ?? 0]).toEqual([sizes[i], 0, 0]);
        view.fill(i + 1);
      }
      for (const [i, { view }] of buffers.entries())
        expect([view[0] ?? i + 1, view.at(-1) ?? i + 1]).toEqual([i + 1, i + 1]);
      for (const i of [3, 0, 5, 4, 2, 1]) {
        memory.free(buffers[i]!);
        expect(buffers[1]!.view[0]).toBe(i === 1 ? undefined : 2);
      }
      expect(memory.live).toBe(before);
    }
  });

  it('gives all memory back', async () => {
    const before = engine.memory.live;
    const list = recordList(engine, [step(busy(1, 1), [], [])]);
    await Promise.all(Array.from({ length: 10 }, () => list.run([], {})));
    list.dispose();
    expect(engine.memory.live).toBe(before);
  });
});
