/** What loading a model takes beside onnxruntime, and whether memory comes back: each measurement in a process of its own. */

import type { EngineName } from '../engines/engine.ts';
import { enginesOf, open, type PeerOptions, withEngine, withModel } from '../engines/process.ts';
import type { PreparedModel } from '../prepare.ts';
import { slope } from '../statistics.ts';
import { bytes, percent, seconds, table } from '../text.ts';

export interface MemoryOptions extends PeerOptions {
  /** Runs over which memory must not grow. */
  readonly runs: number;
  /** Sessions opened and closed one after the other. */
  readonly sessions: number;
}

export interface MemoryUse {
  readonly engine: EngineName;
  readonly openSeconds: number;
  readonly firstRunSeconds: number;
  /** Bytes over those of the process before. */
  readonly afterOpen: number;
  readonly afterRun: number;
  /** Bytes that a run adds, by the line through samples, the first quarter left out. */
  readonly growthPerRun: number;
  /** Bytes over those of the process before: when the tenth session, and when the last one was closed. */
  readonly afterTenSessions: number;
  readonly afterAllSessions: number;
}

export interface MemoryReport {
  readonly model: string;
  readonly precision: string;
  readonly fileBytes: number;
  readonly runs: number;
  readonly sessions: number;
  readonly engines: readonly MemoryUse[];
}

const SAMPLES = 20;

export function memory(name: string, options: MemoryOptions): Promise<MemoryReport> {
  return withModel(name, options, async (model) => {
    const engines: MemoryUse[] = [];
    for (const engine of enginesOf(options)) engines.push(await use(engine, model, options));
    const { precision, runs, sessions } = options;
    return { model: name, precision, fileBytes: model.bytes, runs, sessions, engines };
  });
}

async function use(engine: EngineName, model: PreparedModel, options: MemoryOptions): Promise<MemoryUse> {
  const loading = await withEngine(engine, options, async (client) => {
    const before = await client.memory();
    const { seconds: openSeconds } = await open(client, model, options);
    const { wall } = await client.time(1);
    const firstRunSeconds = wall[0]!;
    return { before, openSeconds, firstRunSeconds };
  });
  const running = await withEngine(engine, options, async (client) => {
    const before = await client.memory();
    await open(client, model, options);
    const afterOpen = (await client.memory()) - before;
    await client.time(1);
    const afterRun = (await client.memory()) - before;
    const samples: number[] = [];
    for (let i = 0; i < SAMPLES; i++) {
      await client.time(Math.ceil(options.runs / SAMPLES));
      samples.push(await client.memory());
    }
    const growthPerRun = slope(samples.slice(SAMPLES / 4)) / Math.ceil(options.runs / SAMPLES);
    return { afterOpen, afterRun, growthPerRun };
  });
  const opening = await withEngine(engine, options, async (client) => {
    const before = await client.memory();
    let afterTenSessions = 0;
    for (let i = 1; i <= options.sessions; i++) {
      await open(client, model, options);
      await client.time(1);
      await client.close();
      if (i === Math.min(10, options.sessions)) afterTenSessions = (await client.memory()) - before;
    }
    return { afterTenSessions, afterAllSessions: (await client.memory()) - before };
  });
  const { openSeconds, firstRunSeconds } = loading;
  return { engine, openSeconds, firstRunSeconds, ...running, ...opening };
}

export function memoryText(report: MemoryReport): string {
  const { model, precision, fileBytes, runs, sessions, engines } = report;
  const row = (label: string, value: (use: MemoryUse) => string): string[] => [label, ...engines.map(value)];
  const share = (value: number): string => `${bytes(value)} (${percent(value / fileBytes)} of the file)`;
  return [
    `${model} ${precision}, file ${bytes(fileBytes)}`,
    table([
      ['', ...engines.map(({ engine }) => engine)],
      row('open', (use) => seconds(use.openSeconds)),
      row('first run', (use) => seconds(use.firstRunSeconds)),
      row('memory after opening', (use) => share(use.afterOpen)),
      row('memory after a run', (use) => share(use.afterRun)),
      row(`growth a run, over ${runs}`, (use) => `${use.growthPerRun.toFixed(0)} B`),
      row('after 10 sessions', (use) => bytes(use.afterTenSessions)),
      row(`after ${sessions} sessions`, (use) => bytes(use.afterAllSessions)),
    ]),
  ].join('\n');
}
