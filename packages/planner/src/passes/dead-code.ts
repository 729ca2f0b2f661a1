/** Removes what nobody needs: nodes, optional outputs, constants. */

import { type Node, paramAt, schemaOf, subgraphs, usedValues } from '@espalier/core';
import type { Pass } from './pass.ts';

export const deadCode: Pass = {
  name: 'dead-code',
  summary: 'removes nodes, optional outputs and constants that nothing needs',
  run(graph, context) {
    const needed = new Set(graph.outputs);
    const nodes: Node[] = [];
    let changed = false;
    for (const node of graph.nodes.toReversed()) {
      if (!node.outputs.some((name) => needed.has(name))) {
        changed = true;
        context.rewrote();
        continue;
      }
      const trimmed = trim(node, needed, schemaOf(context.ops, node)!.outputs);
      if (trimmed !== node) {
        changed = true;
        context.rewrote();
      }
      for (const name of usedValues(trimmed)) needed.add(name);
      for (const part of trimmed.decomposition ?? []) for (const name of usedInParts(part)) needed.add(name);
      nodes.push(trimmed);
    }
    const constants = new Map([...graph.constants].filter(([name]) => needed.has(name)));
    if (!changed && constants.size === graph.constants.size) return graph;
    return { ...graph, nodes: nodes.reverse(), constants };
  },
};

/** Parts read constants that the whole does not, and would miss them when it is taken apart. */
function usedInParts(part: Node): string[] {
  return [...usedValues(part), ...(part.decomposition ?? []).flatMap(usedInParts)];
}

/** Control flow keeps its outputs: their number says what its subgraphs make. */
function trim(node: Node, needed: ReadonlySet<string>, params: Parameters<typeof paramAt>[0]): Node {
  if (subgraphs(node).length > 0) return node;
  const outputs = node.outputs.map((name, i) => (!needed.has(name) && paramAt(params, i)?.optional ? '' : name));
  while (outputs.at(-1) === '') outputs.pop();
  const isSame = outputs.length === node.outputs.length && outputs.every((name, i) => name === node.outputs[i]);
  return isSame ? node : { ...node, outputs };
}
