/** What a call must give: the reference's results, and how far from them a kernel may be. Epilogues are done step by step. */

import { type Evaluate, type Node, ownInputCount, stepNodes, type Tensor } from '@espalier/core';
import type { OpCases } from './cases/define.ts';
import { distance, moved, type Slack, ulps, widen } from './tolerance.ts';

export interface Expected {
  readonly tensor: Tensor;
  readonly slack: Slack;
}

/** The row of an op. */
export type FindCases = (op: string, domain: string) => OpCases | undefined;

/** @throws UnsupportedError where the reference cannot do the call */
export async function expectation(
  node: Node,
  inputs: readonly (Tensor | undefined)[],
  evaluate: Evaluate,
  find: FindCases,
): Promise<(Expected | undefined)[]> {
  const { epilogue = [], ...whole } = node;
  const first = ownInputCount(node);
  const own = inputs.slice(0, first);
  const base: Node = { ...whole, inputs: node.inputs.slice(0, first) };
  const outputs = await evaluate(base, own);
  const slacks = await find(node.op, node.domain)!.tolerance({ node: base, inputs: own, outputs, evaluate });
  const results = outputs.map((tensor, i) => tensor && { tensor, slack: slacks[i] });
  let running = results[0];
  for (const step of epilogue) {
    const names = step.inputs.map((_, i) => `i${i}`);
    const values = new Map(names.map((name, i) => [name, inputs[step.inputs[i]!]]));
    for (const part of stepNodes(step, `${node.name}/${step.op}`, ['running', 'result'], names)) {
      const position = part.inputs.indexOf('running');
      const others = part.inputs.filter((name) => name !== 'running').map((name) => values.get(name)!);
      if (position >= 0) running = await applyStep(part, position, others, running!, evaluate, find);
      else values.set(part.outputs[0]!, (await evaluate(part, others))[0]);
    }
  }
  return running ? [running, ...results.slice(1)] : results;
}

async function applyStep(
  node: Node,
  position: number,
  others: readonly Tensor[],
  running: Expected,
  evaluate: Evaluate,
  find: FindCases,
): Promise<Expected> {
  const apply = async (value: Tensor): Promise<Tensor> =>
    (await evaluate(node, others.toSpliced(position, 0, value)))[0]!;
  const tensor = await apply(running.tensor);
  const inputs = others.toSpliced(position, 0, running.tensor);
  const [own] = await find(node.op, '')!.tolerance({ node, inputs, outputs: [tensor], evaluate });
  // A fused step sees the value before it is rounded.
  const [rounding] = await ulps(1)({ node, inputs, outputs: [running.tensor], evaluate });
  const slack = widen(running.slack, rounding);
  if (!slack) return { tensor, slack: own };
  const ends = await Promise.all(([1, -1] as const).map((sign) => apply(moved(running.tensor, slack, sign))));
  return { tensor, slack: widen(own, distance(tensor, ends)) };
}
