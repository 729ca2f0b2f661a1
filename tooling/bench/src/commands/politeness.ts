/** Whether the event loop stays free while a model runs, and how soon a run ends when it is aborted. */

import type { EngineName, Responsiveness } from '../engines/engine.ts';
import { forEachEngine, type PeerOptions } from '../engines/process.ts';
import { median } from '../statistics.ts';
import { table } from '../text.ts';

export interface PolitenessOptions extends PeerOptions {
  readonly seconds: number;
}

export type PolitenessReport = readonly ({ readonly engine: EngineName } & Responsiveness)[];

export function politeness(name: string, options: PolitenessOptions): Promise<PolitenessReport> {
  return forEachEngine(name, options, async (client, engine) => {
    await client.time(1);
    return { engine, ...(await client.responsiveness(options.seconds)) };
  });
}

export function politenessText(report: PolitenessReport): string {
  const ms = (value: number | undefined): string => (value === undefined ? 'cannot' : `${value.toFixed(2)} ms`);
  const row = (label: string, value: (one: Responsiveness) => number | undefined): string[] => [
    label,
    ...report.map((one) => ms(value(one))),
  ];
  return table([
    ['', ...report.map(({ engine }) => engine)],
    row('a run', ({ runMs }) => runMs),
    row('event loop late, median', ({ delayMs }) => delayMs.p50),
    row('  99 %', ({ delayMs }) => delayMs.p99),
    row('  most', ({ delayMs }) => delayMs.max),
    row('idle: 99 %', ({ idleMs }) => idleMs.p99),
    row('  most', ({ idleMs }) => idleMs.max),
    row('abort to rejection, median', ({ abortMs }) => abortMs && median(abortMs)),
    row('  most', ({ abortMs }) => abortMs && Math.max(...abortMs)),
  ]);
}
