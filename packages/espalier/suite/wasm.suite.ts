/** The WebAssembly backend in Node: how polite it is, what it leaves behind, and what happens when a worker ends. */

import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createWasmBackend, type WasmBackend } from '@espalier/backend-wasm';
import { createRuntime } from '@espalier/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Session } from '../src/index.ts';
import { bundle } from '../test/bundle.ts';
import { chain, rows } from './chain.ts';

/** Milliseconds that the event loop may be held more than it is anyway, and that an abort may take. */
const [MOST_DELAY, MOST_ABORT] = [10, 20];
/** Runs, of which the best counts: others have this machine too. */
const TRIES = 8;

describe.each([
  ['threads', {}],
  ['slices', { mask: ['threads'] }],
] as const)('with %s', (_, options) => {
  const SIZE = 512;
  let wasm: WasmBackend;
  let session: Session;
  beforeAll(async () => {
    wasm = (await createWasmBackend({ threads: 2, ...options })) as WasmBackend;
    session = await createRuntime({ backends: [wasm] }).createSession(chain(12, SIZE));
  });
  afterAll(() => session.dispose());

  /** Milliseconds that the event loop was held while something was done, and that it took. */
  async function held(work: () => Promise<unknown>): Promise<{ most: number; took: number }> {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const started = performance.now();
    await work();
    const took = performance.now() - started;
    delay.disable();
    return { most: delay.max / 1e6, took };
  }

  /** Turns the event loop for so many milliseconds. */
  async function spin(milliseconds: number): Promise<void> {
    const end = performance.now() + milliseconds;
    while (performance.now() < end) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Rows enough for 300 ms, once that is found out. */
  let count = 256;
  it('holds the event loop for 10 ms at most, in runs of 300 ms and more', async () => {
    let [busy, idle] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let i = 0; i < TRIES; ) {
      const feeds = rows(count, SIZE);
      const { most, took } = await held(() => session.run(feeds));
      if (took < 300) {
        count *= 2;
        continue;
      }
      i++;
      busy = Math.min(busy, most);
      idle = Math.min(idle, (await held(() => spin(took))).most);
    }
    console.log(`event loop held for ${busy.toFixed(1)} ms at most, ${idle.toFixed(1)} ms where nothing is done`);
    expect(busy - idle).toBeLessThanOrEqual(MOST_DELAY);
  });

  it('stops within 20 ms of its signal', async () => {
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < TRIES && least > MOST_ABORT; i++) {
      const controller = new AbortController();
      let aborted = 0;
      setTimeout(() => {
        aborted = performance.now();
        controller.abort();
      }, 50);
      await expect(session.run(rows(count, SIZE), { signal: controller.signal })).rejects.toMatchObject({
        code: 'ABORTED',
      });
      least = Math.min(least, performance.now() - aborted);
    }
    console.log(`stopped after ${least.toFixed(1)} ms`);
    expect(least).toBeLessThanOrEqual(MOST_ABORT);
  });
});

describe('what is left', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-left-'));
    await bundle(fileURLToPath(new URL('./left.ts', import.meta.url)), join(folder, 'left.mjs'));
    await copyFile(fileURLToPath(import.meta.resolve('@espalier/backend-wasm/worker.js')), join(folder, 'worker.js'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  // Memories that are kept for the next model, and such that are not. V8's young generation is kept small: it would grow as it likes. In the first
  // hundreds V8 compiles what is hot.
  it.each([
    ['sessions', 256, [10, 500, 1500]],
    ['sessions', 3072, [10, 30]],
    ['runs', 256, [1000, 10_000]],
  ] as const)('of %s with %i rows of weights does not grow', { retry: 2 }, async (what, size, marks) => {
    const args = ['--expose-gc', '--max-semi-space-size=1', join(folder, 'left.mjs'), what, size, ...marks];
    const { stdout } = await promisify(execFile)(process.execPath, args.map(String));
    const bytes: number[] = JSON.parse(stdout);
    console.log(what, bytes.map((each, i) => `after ${marks[i]}: ${(each / 1e6).toFixed(0)} MB`).join(', '));
    expect(bytes.at(-1)! / bytes.at(-2)!).toBeLessThan(1.05);
  });
});
