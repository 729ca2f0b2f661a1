/** Takes steps of an epilogue out of a fused node again. */

import { type Node, ownInputCount, stepNodes } from '@espalier/core';

/** The node with only the first `keep` steps of its epilogue, and the rest as nodes behind it. */
export function splitEpilogue(node: Node, keep: number): Node[] {
  const steps = node.epilogue ?? [];
  const result = node.outputs[0]!;
  const running = (done: number): string => (done === steps.length ? result : `${result}/${node.name}.${done}`);
  const own = ownInputCount(node);
  const kept = steps.slice(0, keep);
  const used = Math.max(own, ...kept.flatMap((step) => step.inputs.map((i) => i + 1)));
  const { epilogue: _, ...bare } = node;
  const base: Node = {
    ...bare,
    inputs: node.inputs.slice(0, used),
    outputs: [running(keep), ...node.outputs.slice(1)],
    ...(kept.length > 0 ? { epilogue: kept } : {}),
    ...(node.decomposition ? { decomposition: renameOutput(node.decomposition, result, running(keep)) } : {}),
  };
  const rest = steps.slice(keep).flatMap((step, i) =>
    stepNodes(
      step,
      step.name ?? `${node.name}/${step.op}_${keep + i}`,
      [running(keep + i), running(keep + i + 1)],
      step.inputs.map((at) => node.inputs[at]!),
    ),
  );
  return [base, ...rest];
}

function renameOutput(nodes: readonly Node[], from: string, to: string): Node[] {
  const rename = (name: string): string => (name === from ? to : name);
  return nodes.map((node) => ({ ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) }));
}
