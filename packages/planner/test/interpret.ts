/** Runs graphs node by node on tensors: slow, and with no part of the planner in it. */

import { createJsBackend } from '@espalier/backend-js';
import {
  type Attribute,
  type Binding,
  createEvaluator,
  type Dim,
  dim,
  type Graph,
  type Node,
  onnxOps,
  schemaOf,
  type Tensor,
} from '@espalier/core';
import { splitEpilogue } from '../src/unfuse.ts';

export const evaluate = createEvaluator(createJsBackend(), onnxOps);

/** The outputs of a graph, in order. If is followed; Loop and Scan are not. */
export async function interpret(graph: Graph, feeds: Readonly<Record<string, Tensor>>): Promise<Tensor[]> {
  const at: Record<string, number> = {};
  for (const { name, shape } of graph.inputs)
    shape.forEach((d, i) => {
      if (typeof d === 'string' && dim.isSymbol(d)) at[d] = feeds[name]!.dims[i]!;
    });
  return run(graph, new Map(Object.entries(feeds)), at);
}

async function run(graph: Graph, scope: ReadonlyMap<string, Tensor>, at: Binding): Promise<Tensor[]> {
  const values = new Map([...scope, ...graph.constants]);
  for (const node of graph.nodes.flatMap((each) => splitEpilogue(each, 0))) {
    const inputs = node.inputs.map((name) => (name === '' ? undefined : values.get(name)));
    node.inputs.forEach((name, i) => {
      if (name !== '' && !inputs[i]) throw new Error(`${node.name} (${node.op}) reads "${name}", which is not there`);
    });
    const results =
      node.op === 'If'
        ? await run(node.attrs[inputs[0]!.data[0] ? 'then_branch' : 'else_branch'] as Graph, values, at)
        : await evaluate(bound(node, at), inputs);
    node.outputs.forEach((name, i) => {
      if (name !== '') values.set(name, results[i]!);
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
