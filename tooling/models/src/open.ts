/** Models as suites open them. */

import { load, type Plan, type Session } from 'espalier';
import { expect } from 'vitest';

/** Opens a model and, where the machine has the native backend, sees to it that this alone computes it. */
export async function openModel(file: string): Promise<Session> {
  const session = await load(file);
  const plan = session.explain();
  if (plan.backends.includes('native')) {
    const left = elsewhere(plan, 'native').map(({ name, backend, kernel }) => `${name}: ${backend}/${kernel}`);
    expect(left).toEqual([]);
  }
  return session;
}

/** Nodes that another backend computes than the wanted, those of branches and bodies included. */
export function elsewhere({ nodes }: Plan, wanted: string): Plan['nodes'][number][] {
  return nodes.flatMap((node) => [
    ...(node.kind === 'kernel' && node.backend !== wanted ? [node] : []),
    ...Object.values(node.branches).flatMap((branch) => elsewhere(branch, wanted)),
  ]);
}
