/** A short way to write graphs in tests, and what must hold of every graph. */

import {
  type Attributes,
  capturedValues,
  type Dim,
  type DType,
  ESPALIER,
  type Graph,
  type Node,
  subgraphs,
  Tensor,
  usedValues,
  type ValueInfo,
} from '@espalier/core';

/** `node('Add', 'a b', 'c')`: named after its op and first output; `_` leaves one out; `espalier.Op` is Espalier's own. */
export function node(op: string, inputs: string, outputs: string, attrs: Attributes = {}): Node {
  const list = (text: string): string[] =>
    text
      .split(' ')
      .filter(Boolean)
      .map((name) => (name === '_' ? '' : name));
  const [domain, name] = op.startsWith('espalier.') ? [ESPALIER, op.slice(9)] : ['', op];
  return { name: `${name}(${outputs})`, op: name, domain, inputs: list(inputs), outputs: list(outputs), attrs };
}

export function input(name: string, shape: readonly Dim[], dtype: DType = 'float32'): ValueInfo {
  return { name, dtype, shape };
}

/** Constants given as numbers are scalars of float32. */
export function graph(
  inputs: readonly ValueInfo[],
  outputs: string,
  nodes: readonly Node[],
  constants: Readonly<Record<string, Tensor | number>> = {},
): Graph {
  const tensors = Object.entries(constants).map(([name, value]): [string, Tensor] => [
    name,
    typeof value === 'number' ? new Tensor('float32', [value], []) : value,
  ]);
  return { name: 'test', inputs, outputs: outputs.split(' '), nodes, constants: new Map(tensors) };
}

export const ints = (...values: number[]): Tensor => new Tensor('int64', values, [values.length]);

/** `MatMul+Add`, `espalier.Attention`: ops and their epilogues, in order. */
export function opsOf({ nodes }: Graph): string[] {
  return nodes.map(({ domain, op, epilogue = [] }) =>
    [domain === '' ? op : `${domain}.${op}`, ...epilogue.map((step) => step.op)].join('+'),
  );
}

/**
 * Throws unless names are unique, nodes are in topological order, all that is read is there (by decompositions too), and
 * inputs and outputs are those of `original`.
 */
export function checkGraph(graph: Graph, original: Graph, outer: ReadonlySet<string> = new Set()): void {
  const fail = (message: string): never => {
    throw new Error(`${graph.name}: ${message}`);
  };
  if (String(graph.outputs) !== String(original.outputs)) fail(`its outputs became ${graph.outputs}`);
  if (JSON.stringify(graph.inputs) !== JSON.stringify(original.inputs)) fail('its inputs changed');
  const known = new Set([...outer, ...graph.constants.keys(), ...graph.inputs.map(({ name }) => name)]);
  const made = new Set([...graph.constants.keys(), ...graph.inputs.map(({ name }) => name)]);
  const names = new Set<string>();
  for (const each of graph.nodes) {
    if (names.has(each.name)) fail(`two nodes are called ${each.name}`);
    names.add(each.name);
    for (const name of usedValues(each)) if (!known.has(name)) fail(`${each.name} reads ${name} before it is made`);
    if (each.decomposition) checkParts(each, known, fail);
    for (const [, inner] of subgraphs(each)) {
      for (const name of capturedValues(inner)) if (!known.has(name)) fail(`${inner.name} captures ${name}`);
      checkGraph(inner, inner, known);
    }
    for (const name of each.outputs) {
      if (name !== '' && made.has(name)) fail(`${name} is made twice`);
      made.add(name);
      known.add(name);
    }
  }
  for (const name of graph.outputs) if (!known.has(name)) fail(`nothing makes its output ${name}`);
}

function checkParts(whole: Node, known: ReadonlySet<string>, fail: (message: string) => never): void {
  const inside = new Set(known);
  for (const part of whole.decomposition!) {
    for (const name of usedValues(part)) if (!inside.has(name)) fail(`${part.name} of ${whole.name} reads ${name}`);
    for (const name of part.outputs) inside.add(name);
  }
  for (const name of whole.outputs)
    if (name !== '' && !inside.has(name)) fail(`the parts of ${whole.name} do not make ${name}`);
}
