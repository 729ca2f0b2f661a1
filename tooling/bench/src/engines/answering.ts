/** An engine that answers what a bench asks of it, in whatever runs it. */

import type { Tensor } from '@espalier/core';
import { type Engine, type EngineOptions, fromSent, type Responsiveness, toSent } from './engine.ts';
import type { EngineSession, OpenSession } from './session.ts';

/** What depends on the host. */
export interface Host {
  /** Seconds of processor time of this process so far. */
  processorSeconds?(): number;
  /** Bytes of this process in memory, after a garbage collection. */
  memory(): Promise<number>;
  /** Milliseconds by which the event loop is late while something goes on. */
  delays(during: () => Promise<unknown>): Promise<Responsiveness['delayMs']>;
}

const ABORTS = 10;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

export class Answering implements Engine {
  private readonly openSession: OpenSession;
  private readonly host: Host;
  private options: EngineOptions | undefined;
  private session: EngineSession | undefined;
  private feeds: Record<string, Tensor> = {};

  constructor(openSession: OpenSession, host: Host) {
    this.openSession = openSession;
    this.host = host;
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
    const before = this.host.processorSeconds?.();
    for (let i = 0; i < runs; i++) {
      const started = performance.now();
      await this.session!.run(this.feeds);
      wall.push((performance.now() - started) / 1000);
    }
    return before === undefined ? { wall } : { wall, cpu: (this.host.processorSeconds!() - before) / runs };
  }

  nodes(runs: number) {
    return this.session!.nodes(this.feeds, runs);
  }

  memory() {
    return this.host.memory();
  }

  async responsiveness(seconds: number): Promise<Responsiveness> {
    const idleMs = await this.host.delays(() => sleep(1000 * seconds));
    const { wall } = await this.time(1);
    const runMs = 1000 * wall[0]!;
    const delayMs = await this.host.delays(async () => {
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
