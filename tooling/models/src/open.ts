/** Models as suites open them. */

import { load, type Plan, type Session } from 'espalier';
import { expect } from 'vitest';

/** Opens a model and, where the machine has the native backend, sees to it that this alone computes it. */
export async function openModel(file: string): Promise<Session> {
  const session = await load(file);
  const plan = session.explain();
  if (plan.backends.includes('native')) expect(elsewhere(plan)).toEqual([]);
  return session;
}

/** Nodes that another backend computes, those of branches and bodies included. */
function elsewhere({ nodes }: Plan): string[] {
  return nodes.flatMap(({ name, kind, backend, kernel, branches }) => [
    ...(kind === 'kernel' && backend !== 'native' ? [`${name}: ${backend}/${kernel}`] : []),
    ...Object.values(branches).flatMap(elsewhere),
  ]);
}
