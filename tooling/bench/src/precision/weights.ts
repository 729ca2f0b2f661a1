/** Weights as 8-bit integers, and nodes made while a graph is rewritten. */

import { type Attributes, type Graph, type Node, Tensor } from '@espalier/core';

export interface QuantizedWeight {
  readonly values: Tensor;
  /** One for each index of the axis. */
  readonly scales: Float32Array;
}

/** Symmetric: the largest magnitude of each index of `axis` (of all, where that is undefined) becomes 127. */
export function quantizeWeight({ data, dims }: Tensor, axis: number | undefined): QuantizedWeight {
  const weights = data as Float32Array;
  const inner = axis === undefined ? 1 : dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const channels = axis === undefined ? 1 : dims[axis]!;
  const scales = new Float32Array(channels);
  const channelOf = (i: number): number => Math.floor(i / inner) % channels;
  for (let i = 0; i < weights.length; i++) {
    const channel = channelOf(i);
    scales[channel] = Math.max(scales[channel]!, Math.abs(weights[i]!));
  }
  for (let c = 0; c < channels; c++) scales[c] = scales[c]! / 127 || 1;
  const values = Int8Array.from(weights, (weight, i) => Math.round(weight / scales[channelOf(i)]!));
  return { values: new Tensor('int8', values, dims), scales };
}

/** True for a matrix of float32 weights. */
export function isMatrix(tensor: Tensor | undefined): tensor is Tensor {
  return tensor?.type === 'float32' && tensor.dims.length === 2;
}

/** A graph that is being rewritten: nodes are appended, constants added. */
export class Rewrite {
  readonly nodes: Node[] = [];
  readonly constants: Map<string, Tensor>;
  private readonly graph: Graph;

  constructor(graph: Graph) {
    this.graph = graph;
    this.constants = new Map(graph.constants);
  }

  constant(name: string, tensor: Tensor): string {
    this.constants.set(name, tensor);
    return name;
  }

  /** Adds a node of ONNX's domain and names its outputs. */
  node(op: string, name: string, inputs: readonly string[], outputs: readonly string[], attrs: Attributes = {}): void {
    this.nodes.push({ name, op, domain: '', inputs, outputs, attrs });
  }

  /** The graph, without the constants that nothing reads any more. */
  finish(): Graph {
    const used = new Set(this.nodes.flatMap(({ inputs }) => inputs));
    const constants = new Map([...this.constants].filter(([name]) => used.has(name)));
    return { ...this.graph, nodes: this.nodes, constants };
  }
}

/**
 * `Gemm` as product and sum, as onnxruntime's quantizer does first; other nodes as they are. Only for constant weights and
 * factors of 1.
 */
export function gemmAsMatMul(graph: Graph): Graph {
  const rewrite = new Rewrite(graph);
  for (const node of graph.nodes) {
    const [x = '', w = '', bias] = node.inputs;
    const weight = graph.constants.get(w);
    const { alpha = 1, beta = 1, transA = 0, transB = 0 } = node.attrs;
    if (node.op !== 'Gemm' || !isMatrix(weight) || alpha !== 1 || beta !== 1 || transA !== 0) {
      rewrite.nodes.push(node);
      continue;
    }
    const turned = transB === 1 ? rewrite.constant(`${w}_Transposed`, transpose(weight)) : w;
    const product = bias ? `${node.outputs[0]}_MatMul` : node.outputs[0]!;
    rewrite.node('MatMul', `${node.name}_MatMul`, [x, turned], [product]);
    if (bias) rewrite.node('Add', `${node.name}_Add`, [product, bias], node.outputs);
  }
  return rewrite.finish();
}

function transpose({ data, dims }: Tensor): Tensor {
  const [rows, columns] = dims as [number, number];
  const source = data as Float32Array;
  const turned = new Float32Array(source.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) turned[j * rows + i] = source[i * columns + j]!;
  return new Tensor('float32', turned, [columns, rows]);
}
