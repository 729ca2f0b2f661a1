/** Several sessions at once in one process: all of their runs against the best way to share the threads out. */

import type { EngineName, Throughput } from '../engines/engine.ts';
import { forEachEngine, type PeerOptions } from '../engines/process.ts';
import { median } from '../statistics.ts';
import { percent, table } from '../text.ts';

export interface SessionsOptions extends PeerOptions {
  /** How many run at once. */
  readonly sessions: number;
  /** For each measurement. */
  readonly seconds: number;
  readonly rounds: number;
}

export interface SessionsReport {
  readonly engine: EngineName;
  readonly threads: number;
  /** Medians of the rounds. */
  readonly together: Throughput;
  /** Ways to share the threads out: one session that has all of them, or as many sessions as threads. */
  readonly splits: readonly Throughput[];
  /** Runs of all sessions at once over those of the best split. */
  readonly ofBest: number;
}

export function sessions(name: string, options: SessionsOptions): Promise<readonly SessionsReport[]> {
  const { threads, seconds } = options;
  const ways = [
    { sessions: options.sessions, threads },
    { sessions: 1, threads },
    { sessions: threads, threads: 1 },
  ];
  return forEachEngine(name, options, async (client, engine) => {
    // Measured in sessions of its own.
    await client.close();
    const rounds: Throughput[][] = ways.map(() => []);
    for (let round = 0; round < options.rounds; round++)
      for (const [i, way] of ways.entries())
        rounds[i]!.push(await client.throughput(way.sessions, way.threads, seconds));
    const [together, ...splits] = rounds.map((each) => ({
      ...each[0]!,
      runsPerSecond: median(each.map(({ runsPerSecond }) => runsPerSecond)),
    }));
    const best = Math.max(...splits.map(({ runsPerSecond }) => runsPerSecond));
    return { engine, threads, together: together!, splits, ofBest: together!.runsPerSecond / best };
  });
}

export function sessionsText(reports: readonly SessionsReport[]): string {
  const rate = ({ runsPerSecond }: Throughput): string => `${runsPerSecond.toFixed(1)} runs/s`;
  const label = ({ sessions: count, threads }: Throughput): string => `${count} session(s) of ${threads} thread(s)`;
  const [first] = reports;
  return table([
    ['', ...reports.map(({ engine }) => engine)],
    [label(first!.together), ...reports.map(({ together }) => rate(together))],
    ...first!.splits.map((split, i) => [label(split), ...reports.map(({ splits }) => rate(splits[i]!))]),
    ['of the best split', ...reports.map(({ ofBest }) => percent(ofBest))],
  ]);
}
