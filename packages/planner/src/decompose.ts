/** Takes a fused node apart again. */

import type { Graph, Node } from '@espalier/core';
import { splitEpilogue } from './unfuse.ts';

/** The ONNX nodes that a node stands for, epilogue and parts of parts included; the node itself where it stands for no other. */
export function partsOf(node: Node): readonly Node[] {
  const [base, ...rest] = splitEpilogue(node, 0);
  const { decomposition, ...bare } = base!;
  return [...(decomposition?.flatMap(partsOf) ?? [bare]), ...rest];
}

/**
 * The graph with one of its nodes replaced by the ONNX nodes that it stands for.
 * @throws TypeError when the node is not one of the graph's
 */
export function decompose(graph: Graph, node: Node): Graph {
  const at = graph.nodes.indexOf(node);
  if (at < 0) throw new TypeError(`${node.name} is no node of "${graph.name}": pass one of graph.nodes`);
  return { ...graph, nodes: graph.nodes.toSpliced(at, 1, ...partsOf(node)) };
}
