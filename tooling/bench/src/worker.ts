/** The process that an engine runs in: answers one call after the other from the process that started it. */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Answering, type Host } from './engines/answering.ts';
import type { Answer, Question } from './engines/client.ts';
import type { EngineName } from './engines/engine.ts';
import { openEspalier } from './engines/espalier.ts';
import { openOnnxruntime, openOnnxruntimeWeb } from './engines/onnxruntime.ts';
import type { OpenSession } from './engines/session.ts';

const engines: Readonly<Record<EngineName, OpenSession>> = {
  espalier: openEspalier,
  'onnxruntime-node': openOnnxruntime,
  'onnxruntime-web': openOnnxruntimeWeb,
};

const host: Host = {
  processorSeconds() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
  async memory() {
    // Twice: what the first one finalises, the second one frees.
    for (let i = 0; i < 2; i++) {
      globalThis.gc!();
      await sleep(20);
    }
    return process.memoryUsage.rss();
  },
  async delays(during) {
    const resolution = 1;
    const monitor = monitorEventLoopDelay({ resolution });
    monitor.enable();
    await during();
    monitor.disable();
    const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - resolution);
    return { p50: late(monitor.percentile(50)), p99: late(monitor.percentile(99)), max: late(monitor.max) };
  },
};

const engine = new Answering(engines[process.argv[2] as EngineName], host);
process.on('message', async ({ id, call, args }: Question) => {
  let answer: Answer;
  try {
    answer = { id, result: await (engine[call] as (...args: unknown[]) => Promise<unknown>)(...args) };
  } catch (error) {
    answer = { id, error: (error as Error).stack ?? String(error) };
  }
  process.send!(answer);
});
