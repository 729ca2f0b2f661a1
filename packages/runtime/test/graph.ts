/** A short way to write graphs in tests. */

import type { Attributes, Graph, Node, Tensor, ValueInfo } from '@espalier/core';

/** `node('Add', ['a', 'b'], ['c'])`; named after its op and first output. */
export function node(op: string, inputs: readonly string[], outputs: readonly string[], attrs: Attributes = {}): Node {
  return { name: `${op}_${outputs[0]}`, op, domain: '', inputs, outputs, attrs };
}

export function graph(
  inputs: readonly ValueInfo[],
  outputs: readonly string[],
  nodes: readonly Node[],
  constants: Record<string, Tensor> = {},
): Graph {
  return { name: 'test', inputs, outputs, nodes, constants: new Map(Object.entries(constants)) };
}

export function input(name: string, shape: ValueInfo['shape'], dtype: ValueInfo['dtype'] = 'float32'): ValueInfo {
  return { name, dtype, shape };
}
