/** Nodes that give the same outputs for the same inputs, every time. */

import { type Node, subgraphs } from '@espalier/core';

const random = new Set([
  ...['Bernoulli', 'Multinomial', 'RandomNormal', 'RandomNormalLike', 'RandomUniform', 'RandomUniformLike'],
]);

/** False for random ops, and where subgraphs may hold one. */
export function isDeterministic(node: Node): boolean {
  if (random.has(node.op) || subgraphs(node).length > 0) return false;
  return node.op !== 'Dropout' || !node.inputs[2];
}
