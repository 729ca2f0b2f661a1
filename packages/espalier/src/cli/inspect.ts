/** `espalier inspect`: what is in a model's file, before anything is planned. */

import {
  dtypes,
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

export async function inspect(model: string, { json }: ModelOptions): Promise<void> {
  const opened = await openSource(model);
  const graph = await importGraph(opened);
  const { values } = inferGraph(graph, onnxOps);
  const inputs = graph.inputs;
  const outputs = graph.outputs.map((name): ValueInfo => ({ ...values.get(name)!, name }));
  const ops = Object.fromEntries([...countOps(graph)].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)));
  const weights = weightsOf(graph);
  if (json) {
    const value = ({ name, ...type }: ValueInfo) => ({
      name,
      kind: kindOf(type),
      dtype: type.dtype,
      shape: shapeIn(type),
    });
    const [took, gives] = [inputs.map(value), outputs.map(value)];
    const bytes = opened.bytes.byteLength;
    print(
      JSON.stringify({ file: model, bytes, graph: graph.name, inputs: took, outputs: gives, ops, weights }, null, 2),
    );
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
  print('weights:');
  for (const { dtype, tensors, elements, megabytes, zeros } of weights) {
    print(
      `  ${dtype}: ${tensors} tensors, ${elements} elements, ${megabytes.toFixed(2)} MB, ${(100 * zeros).toFixed(1)}% zeros`,
    );
  }
}

function countOps(graph: Graph, counts = new Map<string, number>()): Map<string, number> {
  for (const node of graph.nodes) {
    const name = node.domain ? `${node.domain}.${node.op}` : node.op;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    for (const [, inner] of subgraphs(node)) countOps(inner, counts);
  }
  return counts;
}

interface WeightSummary {
  readonly dtype: string;
  readonly tensors: number;
  readonly elements: number;
  readonly megabytes: number;
  /** Share of elements (of bytes for 4-bit types) that are zero. */
  readonly zeros: number;
}

function weightsOf(graph: Graph): WeightSummary[] {
  const byType = new Map<string, { tensors: number; elements: number; bytes: number; zeros: number }>();
  for (const tensor of graph.constants.values()) {
    const sum = byType.get(tensor.type) ?? { tensors: 0, elements: 0, bytes: 0, zeros: 0 };
    const data = tensor.data as ArrayLike<number | bigint | string>;
    let zeros = 0;
    for (let i = 0; i < data.length; i++) if (!data[i]) zeros++;
    byType.set(tensor.type, {
      tensors: sum.tensors + 1,
      elements: sum.elements + tensor.size,
      bytes: sum.bytes + (tensor.size * dtypes[tensor.type].bits) / 8,
      zeros: sum.zeros + (data.length > 0 ? (zeros / data.length) * tensor.size : 0),
    });
  }
  return [...byType].map(([dtype, { tensors, elements, bytes, zeros }]) => ({
    dtype,
    tensors,
    elements,
    megabytes: bytes / 1e6,
    zeros: elements > 0 ? zeros / elements : 0,
  }));
}
