/** Puts the branch in place of an If whose condition is known. */

import type { Graph, Node, Tensor } from '@espalier/core';
import { makeNode } from '../rewrite/editor.ts';
import { allNames, freshName, renameAll } from '../rewrite/names.ts';
import type { Pass, PassContext } from './pass.ts';

export const inlineIf: Pass = {
  name: 'inline-if',
  summary: 'replaces an If whose condition is known by its branch',
  run(graph, context) {
    const nodes: Node[] = [];
    const constants = new Map(graph.constants);
    let taken: Set<string> | undefined;
    for (const node of graph.nodes) {
      const branch = knownBranch(node, graph, context);
      if (!branch) {
        nodes.push(node);
        continue;
      }
      taken ??= allNames(graph);
      const inlined = inline(node, branch, taken);
      nodes.push(...inlined.nodes);
      for (const [name, tensor] of inlined.constants) constants.set(name, tensor);
      context.rewrote();
    }
    return taken ? { ...graph, nodes, constants } : graph;
  },
};

function knownBranch(node: Node, graph: Graph, context: PassContext): Graph | undefined {
  if (node.op !== 'If' || node.domain !== '') return undefined;
  const facts = context.inferred(graph).values.get(node.inputs[0]!) ?? context.outer(node.inputs[0]!);
  const condition = facts?.contents?.[0];
  if (typeof condition !== 'number') return undefined;
  return node.attrs[condition === 0 ? 'else_branch' : 'then_branch'] as Graph;
}

/** The branch's nodes under names that nothing else in the graph has, and making the If's outputs. */
function inline(
  node: Node,
  branch: Graph,
  taken: Set<string>,
): { nodes: Node[]; constants: ReadonlyMap<string, Tensor> } {
  const names = new Map<string, string>();
  const made = new Set(branch.nodes.flatMap((inner) => inner.outputs).filter((name) => name !== ''));
  const copied: [string, string][] = [];
  branch.outputs.forEach((from, i) => {
    const to = node.outputs[i]!;
    if (to === '') return;
    if (made.has(from) && !names.has(from)) names.set(from, to);
    else copied.push([from, to]);
  });
  for (const name of [...branch.constants.keys(), ...made])
    if (!names.has(name)) names.set(name, freshName(`${node.name}/${name}`, taken));
  const own = renameAll({ ...branch, outputs: [] }, names);
  const nodes = own.nodes.map((inner) => ({ ...inner, name: freshName(`${node.name}/${inner.name}`, taken) }));
  for (const [from, to] of copied) {
    const name = freshName(`${node.name}/${to}`, taken);
    nodes.push(makeNode({ name, op: 'Identity', inputs: [names.get(from) ?? from], outputs: [to] }));
  }
  return { nodes, constants: own.constants };
}
