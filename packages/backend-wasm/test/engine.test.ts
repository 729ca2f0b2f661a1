/** Memory, threads and lists: what holds for every kernel. */

import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Call } from '@espalier/core';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { Allocator } from '../src/allocator.ts';
import type { Body } from '../src/code.ts';
import { type Engine, type EngineOptions, startEngine } from '../src/engine.ts';
import { recordList } from '../src/list.ts';
import type { WasmProgram } from '../src/program.ts';

const engines: Engine[] = [];
afterAll(() => {
  for (const engine of engines) engine.dispose();
});

async function engineOf(options: EngineOptions): Promise<Engine> {
  const engine = await startEngine(options);
  if ('reason' in engine) throw new Error(engine.reason);
  engines.push(engine);
  return engine;
}

const call: Call = { node: 'here', op: 'Test', domain: '', inputs: [], outputs: [], attrs: {}, epilogue: [] };

/** A list of a step, whose units run `body`; its argument is an address. */
async function listOf(engine: Engine, name: string, body: Body, units: number, address = 0, repeats = 1) {
  const code = await engine.code.load(name, {}, () => body);
  const program: WasmProgram = { resident: 0, phases: [{ code, units: () => units, args: () => [address] }] };
  const step = { call, kernel: name, program, inputs: [], outputs: [] };
  return recordList(engine, new Array<typeof step>(repeats).fill(step));
}

/** Counts to `times` in each unit. */
const busy =
  (times: number): Body =>
  (f) => {
    const left = f.local('i32');
    left.set(f.i32_const(times));
    f.loop((again) => f.br_if(again, left.tee(f.i32_sub(left.get(), f.i32_const(1)))));
  };

describe('the allocator', () => {
  it('gives out what is free, and joins what comes back', () => {
    const space = new Allocator(64);
    expect(space.take(1)).toBeUndefined();
    space.extend(64 + 1024);
    expect([256, 256, 256].map((bytes) => space.take(bytes))).toEqual([64, 320, 576]);
    space.release(64, 256);
    space.release(576, 256);
    expect(space.take(512)).toBe(576);
    space.release(320, 256);
    expect(space.take(512)).toBe(64);
    expect(space.tail).toBe(0);
    space.extend(64 + 2048);
    expect(space.tail).toBe(1024);
  });

  it('keeps apart what is in use, whatever comes and goes', () => {
    const space = new Allocator(0);
    space.extend(1 << 16);
    const used = new Map<number, number>();
    let state = 1;
    const next = (below: number): number => {
      state = (Math.imul(state, 48271) >>> 0) % 2147483647;
      return state % below;
    };
    for (let i = 0; i < 2000; i++) {
      const bytes = 64 * (1 + next(20));
      const start = next(3) > 0 ? space.take(bytes) : undefined;
      if (start !== undefined) {
        for (const [other, size] of used) expect(start >= other + size || start + bytes <= other).toBe(true);
        used.set(start, bytes);
      } else {
        const [first] = used;
        if (!first) continue;
        used.delete(first[0]);
        space.release(...first);
      }
    }
    for (const each of used) space.release(...each);
    expect(space.take(1 << 16)).toBe(0);
  });
});

describe('memory', () => {
  it('grows, and is let go with the last of what was in it', async () => {
    const { memory } = await engineOf({ threads: 1 });
    const small = memory.alloc(100);
    memory.view(small)!.fill(7);
    const { space } = memory;
    const large = memory.alloc(50_000_000);
    expect(memory.space).toBe(space);
    expect(memory.view(small)!.every((byte) => byte === 7)).toBe(true);
    expect(memory.view(large)).toHaveLength(50_000_000);
    memory.free(small);
    memory.free(large);
    expect(memory.live).toBe(0);
    const next = memory.alloc(10);
    expect(memory.space).not.toBe(space);
    memory.free(next);
  });

  it('says what it cannot hold', async () => {
    const { memory } = await engineOf({ threads: 1 });
    const one = memory.alloc(64);
    expect(() => memory.alloc(5e9)).toThrow(expect.objectContaining({ code: 'LIMIT' }));
    memory.free(one);
  });
});

describe.each([
  ['workers', {}],
  ['slices', { mask: ['threads'] }],
] as const)('runs in %s', (_, options) => {
  it('do every unit once, and leave the event loop free', async () => {
    const engine = await engineOf({ threads: 2, ...options });
    const units = 500;
    // Each unit adds one to a word of its own, late enough for others to come in between.
    const body: Body = (f, args, unit, thread) => {
      busy(200_000)(f, args, unit, thread);
      const at = f.local('i32');
      at.set(f.i32_add(f.i32_load(args.get()), f.i32_shl(unit.get(), f.i32_const(2))));
      f.i32_store(at.get(), f.i32_add(f.i32_load(at.get()), f.i32_const(1)));
    };
    const words = engine.memory.alloc(4 * units);
    engine.memory.write(words, 0, new Uint8Array(words.bytes));
    const list = await listOf(engine, 'once', body, units, words.address);
    let turns = 0;
    let isRunning = true;
    const turn = (): void => {
      turns++;
      if (isRunning) setImmediate(turn);
    };
    turn();
    for (let i = 0; i < 5; i++) await list.run([], {});
    isRunning = false;
    expect(turns).toBeGreaterThan(5);
    const found = new Int32Array((await engine.memory.read(words, 0, words.bytes)).buffer);
    expect([...new Set(found)]).toEqual([5]);
    engine.memory.free(words);
    list.dispose();
    // Once the last thread has left.
    await vi.waitFor(() => expect(engine.memory.live).toBe(0));
  });

  it('stop soon after their signal', async () => {
    const engine = await engineOf({ threads: 2, ...options });
    const list = await listOf(engine, 'long', busy(50_000), 100_000);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    const started = performance.now();
    await expect(list.run([], {}, { signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' });
    expect(performance.now() - started).toBeLessThan(1000);
    list.dispose();
  });

  it('end with an error that names the node where code traps, and the next run works', async () => {
    const engine = await engineOf({ threads: 2, ...options });
    const trap = await listOf(engine, 'trap', (f) => f.unreachable(), 10);
    await expect(trap.run([], {})).rejects.toMatchObject({ code: 'KERNEL_FAILED', node: 'here' });
    const good = await listOf(engine, 'good', busy(10), 10);
    await good.run([], {});
    for (const list of [trap, good]) list.dispose();
  });

  it('tell how long steps took', async () => {
    const engine = await engineOf({ threads: 2, ...options });
    const list = await listOf(engine, 'timed', busy(10_000), 20, 0, 5);
    const seconds: number[] = [];
    const started = performance.now();
    await list.run(
      [],
      {},
      {
        onStep(step, spent) {
          seconds[step] = spent;
        },
      },
    );
    expect(seconds).toHaveLength(5);
    const sum = seconds.reduce((a, b) => a + b, 0);
    expect(sum).toBeGreaterThan(0);
    expect(sum).toBeLessThanOrEqual((performance.now() - started) / 1000 + 1e-3);
    list.dispose();
  });
});

describe('workers', () => {
  it('that end in mid-run end the run with an error, and others take their place', async () => {
    const flag = join(tmpdir(), `espalier-dying-${process.pid}`);
    const workerUrl = new URL('./dying.js', import.meta.url);
    const engine = await engineOf({ threads: 1, workerUrl });
    expect(engine.hint).toBeUndefined();
    const list = await listOf(engine, 'killed', busy(100), 100);
    await list.run([], {});
    writeFileSync(flag, '');
    await expect(list.run([], {})).rejects.toMatchObject({ code: 'KERNEL_FAILED' });
    await list.run([], {});
    list.dispose();
  });

  it('that end take memory along that is not shared, and say so; the next model has another', async () => {
    const flag = join(tmpdir(), `espalier-dying-${process.pid}`);
    const workerUrl = new URL('./dying.js', import.meta.url);
    const engine = await engineOf({ mask: ['threads'], workerUrl });
    const list = await listOf(engine, 'killed', busy(100), 100);
    await list.run([], {});
    writeFileSync(flag, '');
    const gone = { code: 'KERNEL_FAILED', message: expect.stringContaining('load it again') };
    await expect(list.run([], {})).rejects.toMatchObject({ code: 'KERNEL_FAILED' });
    await expect(list.run([], {})).rejects.toMatchObject(gone);
    list.dispose();
    await vi.waitFor(() => expect(engine.memory.live).toBe(0));
    const next = await listOf(engine, 'next', busy(100), 100);
    await next.run([], {});
    next.dispose();
  });

  it('whose file is not there leave the work to the thread that calls, and say so', async () => {
    const engine = await engineOf({ threads: 2, workerUrl: new URL('./missing.js', import.meta.url) });
    expect(engine.team).toBe(1);
    expect(engine.hint).toContain('workerUrl');
    const list = await listOf(engine, 'alone', busy(100), 10);
    await list.run([], {});
    list.dispose();
  });
});
