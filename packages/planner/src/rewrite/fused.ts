/** Fused nodes and the parts that they stand for. */

import type { Node } from '@espalier/core';
import { type Editor, makeNode, type NodeSpec } from './editor.ts';

/**
 * A node that stands for `parts`, which compute its outputs from its inputs and from constants. What lies between the parts is
 * renamed after the node, so that they can be put back whatever the graph has become.
 */
export function makeFused(editor: Editor, spec: NodeSpec, parts: readonly Node[]): Node {
  const names = new Map<string, string>();
  for (const name of parts.flatMap((part) => part.outputs)) {
    if (name !== '' && !spec.outputs.includes(name)) names.set(name, editor.fresh(`${spec.name}:${name}`));
  }
  const rename = (name: string): string => names.get(name) ?? name;
  const decomposition = parts.map((part) => ({
    ...part,
    name: editor.fresh(`${spec.name}:${part.name}`),
    inputs: part.inputs.map(rename),
    outputs: part.outputs.map(rename),
  }));
  return { ...makeNode(spec), decomposition };
}
