/** Counts of results, by op and in all, as text. */

import type { Result } from './run.ts';

export interface Count {
  passed: number;
  rejected: number;
  wrong: number;
}

export interface Summary {
  readonly total: Count;
  /** By group of tests. */
  readonly groups: Readonly<Record<string, Count>>;
  /** By op, of the cases whose model is that op alone; models of several count under `(several)`. */
  readonly ops: Readonly<Record<string, Count>>;
}

export function summarize(results: readonly Result[]): Summary {
  const total = none();
  const groups: Record<string, Count> = {};
  const ops: Record<string, Count> = {};
  for (const { status, group, ops: used } of results) {
    total[status]++;
    groups[group] ??= none();
    groups[group][status]++;
    const op = used.length === 1 ? used[0]! : '(several)';
    ops[op] ??= none();
    ops[op][status]++;
  }
  const sorted = Object.fromEntries(Object.entries(ops).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { total, groups, ops: sorted };
}

const none = (): Count => ({ passed: 0, rejected: 0, wrong: 0 });

/** A table of all ops, then why each case that is wrong is. */
export function formatSummary(summary: Summary, results: readonly Result[]): string {
  const rows = [...Object.entries(summary.ops), ...Object.entries(summary.groups), ['total', summary.total] as const];
  const width = Math.max(...rows.map(([name]) => name.length));
  const line = (name: string, ...cells: (string | number)[]): string =>
    [name.padEnd(width), ...cells.map((cell) => String(cell).padStart(9))].join('');
  return [
    line('op', 'passed', 'rejected', 'wrong'),
    ...rows.map(([name, { passed, rejected, wrong }]) => line(name, passed, rejected, wrong)),
    ...results
      .filter(({ status }) => status === 'wrong')
      .map(({ group, name, reasons }) => `wrong: ${group}/${name}\n  ${reasons.join('\n  ')}`),
  ].join('\n');
}
