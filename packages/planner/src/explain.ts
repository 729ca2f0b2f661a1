/** A plan as a person reads it. */

import type { Plan, PlannedNode } from './plan.ts';

/** The plan as plain JSON; as text, a table with equal nodes on one line. */
export type Explanation = Plan & { toString(): string };

export function explain(plan: Plan): Explanation {
  // Not enumerable, so that the explanation is the plan's JSON and nothing else.
  return Object.defineProperty({ ...plan }, 'toString', { value: () => explainText(plan), enumerable: false });
}

/** The plan in lines: one per kind of node, the costliest first, then what was changed before and refused. */
export function explainText(plan: Plan): string {
  const sizes = Object.entries(plan.sizes).filter(([symbol]) => !symbol.startsWith('_'));
  const moved = plan.crossings > 0 ? `, ${time(plan.crossings)} of it moving values` : '';
  const lines = [
    `${plan.graph || 'graph'}: ${plan.nodes.length} nodes, predicted ${time(plan.seconds)}${moved}`,
    `machine: ${plan.machine}; backends: ${plan.backends.join(', ')}${sizes.length > 0 ? `; at ${sizes.map(([s, v]) => `${s}=${v}`).join(' ')}` : ''}`,
    ...plan.absent.map(({ id, reason }) => `without ${id}: ${reason}`),
    ...plan.hints.map(({ id, hint }) => `${id}: ${hint}`),
    '',
    ...table(plan),
  ];
  const rewrites = plan.passes.filter((pass) => pass.rewrites > 0);
  if (rewrites.length > 0)
    lines.push(
      '',
      'passes:',
      ...rewrites.map((pass) => `  ${pass.name}: ${pass.rewrites} (${pass.nodesBefore} -> ${pass.nodesAfter} nodes)`),
    );
  if (plan.unfused.length > 0)
    lines.push(
      '',
      'taken apart again:',
      ...counted(plan.unfused.map(({ reason }) => reason)).map(([reason, n]) => `  ${n} x ${reason}`),
    );
  return lines.join('\n');
}

/** Nodes that do the same on equal shapes. */
interface Group {
  readonly node: PlannedNode;
  readonly depth: number;
  count: number;
}

function groups(plan: Plan, depth = 0): Group[] {
  const found = new Map<string, Group>();
  const nested: Group[] = [];
  for (const node of plan.nodes) {
    if (node.kind === 'view') continue;
    const key = JSON.stringify([node.op, node.domain, node.inputs, node.epilogue, node.backend, node.kernel]);
    const group = found.get(key);
    if (group) group.count++;
    else found.set(key, { node, depth, count: 1 });
    for (const branch of Object.values(node.branches)) nested.push(...groups(branch, depth + 1));
  }
  return [...[...found.values()].sort((a, b) => b.count * b.node.seconds - a.count * a.node.seconds), ...nested];
}

function table(plan: Plan): string[] {
  const rows = [['count', 'op', 'inputs', 'backend/kernel', 'format', 'predicted', 'share', 'runner-up']];
  for (const { node, count, depth } of groups(plan)) {
    const seconds = count * node.seconds;
    const [second] = node.losers;
    const refused =
      node.refusals.length > 0
        ? `${node.refusals.length} refused: ${shorten(`${node.refusals[0]!.kernel} ${node.refusals[0]!.reason}`, 48)}`
        : '';
    rows.push([
      `${'  '.repeat(depth)}${count}`,
      [node.domain ? `${node.domain}.${node.op}` : node.op, ...node.epilogue].join('+'),
      shorten(node.inputs.filter(Boolean).map(shortDesc).join(' '), 60),
      node.kind === 'control' ? 'runtime' : `${node.backend}/${node.kernel}`,
      node.format,
      time(seconds),
      `${((100 * seconds) / (plan.seconds || 1)).toFixed(1)}%`,
      second ? `${second.backend}/${second.kernel} ${time(count * second.seconds)}` : refused,
    ]);
  }
  return align(rows);
}

const shortTypes: Readonly<Record<string, string>> = {
  float32: 'f32',
  float16: 'f16',
  bfloat16: 'bf16',
  float64: 'f64',
};

/** Sizes that only a run can tell have long names that say nothing to a reader. */
const openSize = /_[A-Za-z0-9_.]+\.\d+\.\d+/g;

function shortDesc(desc: string): string {
  return desc
    .replaceAll(openSize, '?')
    .replace(/^\w+/, (type) => shortTypes[type] ?? type.replace('uint', 'u').replace('int', 's'));
}

function shorten(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 3)}...`;
}

function counted(texts: readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts];
}

function time(seconds: number): string {
  if (seconds >= 1) return `${seconds.toFixed(2)} s`;
  if (seconds >= 1e-3) return `${(seconds * 1e3).toFixed(2)} ms`;
  return `${(seconds * 1e6).toFixed(1)} us`;
}

function align(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}
