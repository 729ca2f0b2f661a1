/** Names in graphs: which are taken, and how values are renamed without changing what reads what. */

import { type Attribute, type Graph, type Node, subgraphs } from '@espalier/core';

type Names = ReadonlyMap<string, string>;

/** Every name of a value, node or decomposed part, in subgraphs too. */
export function allNames(graph: Graph, into = new Set<string>()): Set<string> {
  for (const name of graph.constants.keys()) into.add(name);
  for (const { name } of graph.inputs) into.add(name);
  for (const name of graph.outputs) into.add(name);
  for (const node of graph.nodes) namesOf(node, into);
  return into;
}

/** The same for one node. */
export function namesOf(node: Node, into = new Set<string>()): Set<string> {
  into.add(node.name);
  for (const name of node.inputs) into.add(name);
  for (const name of node.outputs) into.add(name);
  for (const part of node.decomposition ?? []) namesOf(part, into);
  for (const [, graph] of subgraphs(node)) allNames(graph, into);
  return into;
}

/** `hint`, or `hint` with a number behind it, so that `taken` does not have it; adds it there. */
export function freshName(hint: string, taken: Set<string>): string {
  let name = hint;
  for (let i = 1; name === '' || taken.has(name); i++) name = `${hint}_${i}`;
  taken.add(name);
  return name;
}

/** The node with values renamed wherever it names them: inputs, outputs, decomposition and what its subgraphs capture. */
export function renameInNode(node: Node, names: Names): Node {
  const rename = (name: string): string => names.get(name) ?? name;
  const attrs: Record<string, Attribute> = { ...node.attrs };
  let changed = [...node.inputs, ...node.outputs].some((name) => names.has(name));
  for (const [attribute, graph] of subgraphs(node)) {
    const renamed = renameCaptured(graph, names);
    if (renamed !== graph) changed = true;
    attrs[attribute] = renamed;
  }
  const decomposition = node.decomposition?.map((part) => renameInNode(part, names));
  if (decomposition?.some((part, i) => part !== node.decomposition![i])) changed = true;
  if (!changed) return node;
  return {
    ...node,
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
    attrs,
    ...(decomposition ? { decomposition } : {}),
  };
}

/** A subgraph with captured values renamed; its own values give way where one has a new name already. */
function renameCaptured(graph: Graph, names: Names): Graph {
  const own = new Set([
    ...graph.constants.keys(),
    ...graph.inputs.map((input) => input.name),
    ...graph.nodes.flatMap((node) => node.outputs),
  ]);
  const inner = new Map([...names].filter(([name]) => !own.has(name)));
  let taken: Set<string> | undefined;
  for (const target of [...inner.values()]) {
    if (!own.has(target)) continue;
    taken ??= new Set([...allNames(graph), ...names.keys(), ...names.values()]);
    inner.set(target, freshName(target, taken));
  }
  return renameAll(graph, inner);
}

/** A graph with values renamed, its own and captured ones. */
export function renameAll(graph: Graph, names: Names): Graph {
  const rename = (name: string): string => names.get(name) ?? name;
  const nodes = graph.nodes.map((node) => renameInNode(node, names));
  const changed =
    nodes.some((node, i) => node !== graph.nodes[i]) ||
    [...graph.outputs, ...graph.constants.keys(), ...graph.inputs.map((i) => i.name)].some((name) => names.has(name));
  if (!changed) return graph;
  return {
    ...graph,
    nodes,
    inputs: graph.inputs.map((input) => ({ ...input, name: rename(input.name) })),
    outputs: graph.outputs.map(rename),
    constants: new Map([...graph.constants].map(([name, tensor]) => [rename(name), tensor])),
  };
}
