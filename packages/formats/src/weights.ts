/** The weights of a graph: the constants that products and convolutions multiply by, and how they lie. */

import { type Graph, type Node, type Tensor, usesOf } from '@espalier/core';
import { type Axes, axesOf, type Matrices, weightMatrices } from './matrices.ts';

export interface Weight {
  /** Of the constant. */
  readonly name: string;
  readonly tensor: Tensor;
  readonly matrices: Matrices;
  /** The products and convolutions that multiply by it. */
  readonly nodes: readonly Node[];
  /** What makes real numbers of it first. */
  readonly dequantize?: Node;
  /** Whether something else reads it as well: a lookup of embeddings, a body of control flow, whoever runs the graph. */
  readonly isShared: boolean;
}

/** Which input of an op its weights are, and how they lie. */
const roles: ReadonlyMap<string, readonly [input: number, kind: 'product' | 'convolution']> = new Map([
  ['MatMul', [1, 'product']],
  ['Gemm', [1, 'product']],
  ['MatMulInteger', [1, 'product']],
  ['QLinearMatMul', [3, 'product']],
  ['Conv', [1, 'convolution']],
  ['ConvInteger', [1, 'convolution']],
  ['QLinearConv', [3, 'convolution']],
]);

/**
 * The weights of MatMul, Gemm, Conv and their integer kin in the graph, in the order of its constants; also those that reach them through Transpose,
 * Identity and DequantizeLinear. Bodies of control flow have graphs of their own.
 */
export function weightsOf(graph: Graph): Weight[] {
  const { consumers } = usesOf(graph);
  const outputs = new Set(graph.outputs);

  interface Found {
    matrices?: Matrices;
    readonly nodes: Node[];
    dequantize?: Node;
    isShared: boolean;
  }
  const follow = (value: string, axes: Axes, found: Found): void => {
    if (outputs.has(value)) found.isShared = true;
    for (const node of consumers.get(value) ?? []) {
      const { op, domain, inputs, attrs } = node;
      const at = inputs.indexOf(value);
      const isAlone = domain === '' && at >= 0 && inputs.lastIndexOf(value) === at;
      const [input, kind] = roles.get(op) ?? [-1];
      if (isAlone && at === input && kind) {
        const matrices = weightMatrices(kind, axes, op === 'Gemm' && attrs['transB'] === 1);
        found.nodes.push(node);
        if (matrices) found.matrices ??= matrices;
        else found.isShared = true;
      } else if (isAlone && at === 0 && op === 'Transpose')
        follow(node.outputs[0]!, transposed(axes, attrs['perm']), found);
      else if (isAlone && at === 0 && op === 'Identity') follow(node.outputs[0]!, axes, found);
      else if (isAlone && at === 0 && op === 'DequantizeLinear' && !found.dequantize) {
        found.dequantize = node;
        follow(node.outputs[0]!, axes, found);
      } else found.isShared = true;
    }
  };

  const weights: Weight[] = [];
  for (const [name, tensor] of graph.constants) {
    const found: Found = { nodes: [], isShared: false };
    if (tensor.dims.length >= 2 && tensor.type !== 'string') follow(name, axesOf(tensor.dims), found);
    const { matrices, ...rest } = found;
    if (matrices) weights.push({ name, tensor, matrices, ...rest });
  }
  return weights;
}

function transposed({ dims, strides }: Axes, perm: unknown): Axes {
  const order = (perm as readonly number[] | undefined) ?? dims.map((_, i) => dims.length - 1 - i);
  return { dims: order.map((axis) => dims[axis]!), strides: order.map((axis) => strides[axis]!) };
}
