/** `espalier explain`: the plan, without running it. */

import { loadModel, type ModelOptions, print } from './model.ts';

export async function explainModel(model: string, flags: ModelOptions): Promise<void> {
  await using session = await loadModel(model, flags);
  const plan = session.explain();
  print(flags.json ? JSON.stringify(plan, null, 2) : plan.toString());
}
