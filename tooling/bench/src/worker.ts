/** The process that an engine runs in: answers one call after the other from the process that started it. */

import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Tensor } from '@espalier/core';
import type { Answer, Question } from './engines/client.ts';
import { type Engine, type EngineOptions, fromSent, type Responsiveness, toSent } from './engines/engine.ts';
import { openEspalier } from './engines/espalier.ts';
import { openOnnxruntime } from './engines/onnxruntime.ts';
import type { EngineSession, OpenSession } from './engines/session.ts';

const ABORTS = 10;

class Worker implements Engine {
  private readonly openSession: OpenSession;
  private options: EngineOptions | undefined;
  private session: EngineSession | undefined;
  private feeds: Record<string, Tensor> = {};

  constructor(openSession: OpenSession) {
    this.openSession = openSession;
  }

  async open(options: EngineOptions) {
    this.options = options;
    const started = performance.now();
    this.session = await this.openSession(options);
    return { ...this.session.opened, seconds: (performance.now() - started) / 1000 };
  }

  async feed(feeds: Parameters<Engine['feed']>[0]) {
    this.feeds = fromSent(feeds);
  }

  async run() {
    return toSent(await this.session!.run(this.feeds));
  }

  async time(runs: number) {
    const wall: number[] = [];
    const before = process.cpuUsage();
    for (let i = 0; i < runs; i++) {
      const started = performance.now();
      await this.session!.run(this.feeds);
      wall.push((performance.now() - started) / 1000);
    }
    const { user, system } = process.cpuUsage(before);
    return { wall, cpu: (user + system) / 1e6 / runs };
  }

  nodes(runs: number) {
    return this.session!.nodes(this.feeds, runs);
  }

  async memory() {
    // Twice: what the first one finalises, the second one frees.
    for (let i = 0; i < 2; i++) {
      globalThis.gc!();
      await sleep(20);
    }
    return process.memoryUsage.rss();
  }

  async responsiveness(seconds: number): Promise<Responsiveness> {
    const idleMs = await delays(() => sleep(1000 * seconds));
    const { wall } = await this.time(1);
    const runMs = 1000 * wall[0]!;
    const delayMs = await delays(async () => {
      const end = performance.now() + Math.max(1000 * seconds, 3 * runMs);
      while (performance.now() < end) await this.session!.run(this.feeds);
    });
    if (!this.session!.aborts) return { runMs, idleMs, delayMs };
    const abortMs: number[] = [];
    for (let i = 0; i < ABORTS; i++) {
      const controller = new AbortController();
      const stopped = this.session!.run(this.feeds, controller.signal).then(
        () => Number.NaN,
        () => performance.now(),
      );
      await sleep((runMs * (i + 1)) / (ABORTS + 2));
      const aborted = performance.now();
      controller.abort();
      const ended = await stopped;
      // Too late to abort, where the run was done by then.
      if (!Number.isNaN(ended)) abortMs.push(ended - aborted);
    }
    return { runMs, idleMs, delayMs, abortMs };
  }

  async throughput(sessions: number, threads: number, seconds: number) {
    const open: EngineSession[] = [];
    for (let i = 0; i < sessions; i++) open.push(await this.openSession({ ...this.options!, threads }));
    for (const session of open) await session.run(this.feeds);
    const started = performance.now();
    let runs = 0;
    await Promise.all(
      open.map(async (session) => {
        while (performance.now() - started < 1000 * seconds) {
          await session.run(this.feeds);
          runs++;
        }
      }),
    );
    const elapsed = (performance.now() - started) / 1000;
    for (const session of open) await session.close();
    return { sessions, threads, runsPerSecond: runs / elapsed };
  }

  async close() {
    await this.session?.close();
    this.session = undefined;
  }
}

/** Milliseconds by which the event loop is late while something goes on. */
async function delays(during: () => Promise<unknown>): Promise<Responsiveness['delayMs']> {
  const resolution = 1;
  const monitor = monitorEventLoopDelay({ resolution });
  monitor.enable();
  await during();
  monitor.disable();
  const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - resolution);
  return { p50: late(monitor.percentile(50)), p99: late(monitor.percentile(99)), max: late(monitor.max) };
}

const worker = new Worker(process.argv[2] === 'onnxruntime' ? openOnnxruntime : openEspalier);
process.on('message', async ({ id, call, args }: Question) => {
  let answer: Answer;
  try {
    answer = { id, result: await (worker[call] as (...args: unknown[]) => Promise<unknown>)(...args) };
  } catch (error) {
    answer = { id, error: (error as Error).stack ?? String(error) };
  }
  process.send!(answer);
});
