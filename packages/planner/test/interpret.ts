/** Runs graphs node by node on tensors: slow, and with no part of the planner in it. */

import { createJsBackend } from '@espalier/backend-js';
import {
  type Attribute,
  type Binding,
  createEvaluator,
  type Dim,
  dim,
  type Graph,
  inferGraph,
  type Node,
  onnxOps,
  type Scope,
  schemaOf,
  type Tensor,
} from '@espalier/core';
import { splitEpilogue } from '../src/unfuse.ts';

export const evaluate = createEvaluator(createJsBackend(), onnxOps);

/** The outputs of a graph, in order. If is followed; Loop and Scan are not. */
export function interpret(graph: Graph, feeds: Readonly<Record<string, Tensor>>): Promise<Tensor[]> {
  const at: Record<string, number> = {};
  for (const { name, shape } of graph.inputs) bind(shape, feeds[name]!.dims, at);
  return run(graph, new Map(Object.entries(feeds)), at, () => undefined);
}

/** Gives symbols that have no value yet the one that a tensor shows. */
function bind(shape: readonly Dim[], dims: readonly number[], at: Record<string, number>): void {
  shape.forEach((d, i) => {
    if (typeof d === 'string' && dim.isSymbol(d)) at[d] ??= dims[i]!;
  });
}

async function run(
  graph: Graph,
  scope: ReadonlyMap<string, Tensor>,
  at: Record<string, number>,
  outer: Scope,
): Promise<Tensor[]> {
  const values = new Map([...scope, ...graph.constants]);
  const facts = inferGraph(graph, onnxOps, outer).values;
  const inner: Scope = (name) => facts.get(name) ?? outer(name);
  for (const node of graph.nodes.flatMap((each) => splitEpilogue(each, 0))) {
    const inputs = node.inputs.map((name) => (name === '' ? undefined : values.get(name)));
    node.inputs.forEach((name, i) => {
      if (name !== '' && !inputs[i]) throw new Error(`${node.name} (${node.op}) reads "${name}", which is not there`);
    });
    const results =
      node.op === 'If'
        ? await run(node.attrs[inputs[0]!.data[0] ? 'then_branch' : 'else_branch'] as Graph, values, at, inner)
        : await evaluate(bound(node, at), inputs);
    node.outputs.forEach((name, i) => {
      if (name === '') return;
      values.set(name, results[i]!);
      bind(facts.get(name)?.shape ?? [], results[i]!.dims, at);
    });
  }
  return graph.outputs.map((name) => values.get(name)!);
}

/** The node with the sizes of this run in its attributes. */
function bound(node: Node, at: Binding): Node {
  const { attributes } = schemaOf(onnxOps, node)!;
  const attrs = Object.entries(node.attrs).map(([name, value]): [string, Attribute] => {
    const isDims = attributes[name]?.type === 'dims';
    return [name, isDims ? (value as readonly Dim[]).map((d) => dim.evaluate(d, at)) : value];
  });
  return { ...node, attrs: Object.fromEntries(attrs) };
}
