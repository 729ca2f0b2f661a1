/** `espalier inspect`: what is in a model's file, before anything is planned. */

import {
  formatType,
  type Graph,
  inferGraph,
  kindOf,
  onnxOps,
  shapeIn,
  subgraphs,
  type ValueInfo,
} from '@espalier/core';
import { importGraph } from '../load.ts';
import { openSource } from '../source.ts';
import { type ModelOptions, print } from './model.ts';
import { structuresOf, type Total, tableOf, totalsOf } from './weights.ts';

export async function inspect(model: string, { json }: ModelOptions): Promise<void> {
  const opened = await openSource(model);
  const graph = await importGraph(opened);
  const { values } = inferGraph(graph, onnxOps);
  const inputs = graph.inputs;
  const outputs = graph.outputs.map((name): ValueInfo => ({ ...values.get(name)!, name }));
  const ops = Object.fromEntries([...countOps(graph)].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)));
  const tensors = await structuresOf(graph);
  const weights = totalsOf(tensors);
  if (json) {
    const value = ({ name, ...type }: ValueInfo) => ({
      name,
      kind: kindOf(type),
      dtype: type.dtype,
      shape: shapeIn(type),
    });
    const [took, gives] = [inputs.map(value), outputs.map(value)];
    const bytes = opened.bytes.byteLength;
    const about = { file: model, bytes, graph: graph.name, inputs: took, outputs: gives, ops, weights, tensors };
    print(JSON.stringify(about, null, 2));
    return;
  }
  const value = (info: ValueInfo): string => `  ${info.name}  ${formatType(info)}`;
  print(`${model}: ${(opened.bytes.byteLength / 1e6).toFixed(2)} MB, graph "${graph.name}"`);
  print(['inputs:', ...inputs.map(value), 'outputs:', ...outputs.map(value)].join('\n'));
  print(
    `ops (${graph.nodes.length} nodes):\n${Object.entries(ops)
      .map(([op, n]) => `  ${String(n).padStart(5)}  ${op}`)
      .join('\n')}`,
  );
  print(['weights:', ...weights.map(totalLine), ...tableOf(tensors)].join('\n'));
}

const totalLine = ({ dtype, tensors, elements, megabytes, zeros }: Total): string =>
  `  ${dtype}: ${tensors} tensors, ${elements} elements, ${megabytes.toFixed(2)} MB, ${(100 * zeros).toFixed(1)}% zeros`;

function countOps(graph: Graph, counts = new Map<string, number>()): Map<string, number> {
  for (const node of graph.nodes) {
    const name = node.domain ? `${node.domain}.${node.op}` : node.op;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    for (const [, inner] of subgraphs(node)) countOps(inner, counts);
  }
  return counts;
}
