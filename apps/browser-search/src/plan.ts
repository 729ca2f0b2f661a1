// A plan as a table: one line for each kind of node, the costliest first.
import type { Plan, PlannedNode } from 'espalier';

export interface Kind {
  readonly count: number;
  readonly op: string;
  readonly backend: string;
  readonly kernel: string;
  /** With their units. */
  readonly time: string;
  readonly share: string;
}

/** Nodes that compute, counted by what they are and where they run. */
export function summarize(plan: Plan): { readonly machine: string; readonly kinds: readonly Kind[] } {
  const groups = new Map<string, { node: PlannedNode; count: number; seconds: number }>();
  for (const node of plan.nodes) {
    if (node.kind === 'view') continue;
    const key = [opOf(node), node.backend, node.kernel].join();
    const group = groups.get(key) ?? { node, count: 0, seconds: 0 };
    groups.set(key, { node, count: group.count + 1, seconds: group.seconds + node.seconds });
  }
  const kinds = [...groups.values()]
    .sort((a, b) => b.seconds - a.seconds)
    .map(({ node, count, seconds }) => ({
      count,
      op: opOf(node),
      backend: node.backend,
      kernel: node.kernel,
      time: `${(1e6 * seconds).toFixed(0)} µs`,
      share: `${((100 * seconds) / plan.seconds).toFixed(1)} %`,
    }));
  const machine = [
    `${plan.nodes.length} nodes on ${plan.backends.join(' and ')}, predicted ${(1e3 * plan.seconds).toFixed(1)} ms.`,
    ...plan.absent.map(({ id, reason }) => `Without ${id}: ${reason}.`),
    ...plan.hints.map(({ id, hint }) => `${id} ${hint}.`),
  ];
  return { machine: machine.join(' '), kinds };
}

const opOf = ({ op, epilogue }: PlannedNode): string => [op, ...epilogue].join('+');
