/** Matrices stored as 8-bit integers behind Cast and Mul, all arithmetic as it was: a smaller file of the same model. */

import { dtypes, type Graph, Tensor } from '@espalier/core';
import { isMatrix, quantizeWeight, Rewrite } from './weights.ts';

export function storeAsIntegers(graph: Graph): Graph {
  const rewrite = new Rewrite(graph);
  const axes = new Map<string, number>();
  for (const { op, inputs, attrs } of graph.nodes) {
    if (op === 'Gather') axes.set(inputs[0]!, 0);
    if (op === 'MatMul') axes.set(inputs[1]!, 1);
    if (op === 'Gemm') axes.set(inputs[1]!, attrs['transB'] === 1 ? 0 : 1);
  }
  for (const [name, axis] of axes) {
    const tensor = graph.constants.get(name);
    if (!isMatrix(tensor)) continue;
    const { values, scales } = quantizeWeight(tensor, axis);
    const dims = axis === 0 ? [scales.length, 1] : [1, scales.length];
    const integers = rewrite.constant(`${name}_q`, values);
    const scale = rewrite.constant(`${name}_scale`, new Tensor('float32', scales, dims));
    rewrite.constants.delete(name);
    rewrite.node('Cast', `${name}_Cast`, [integers], [`${name}_f`], { to: dtypes.float32.onnx });
    rewrite.node('Mul', `${name}_Mul`, [`${name}_f`, scale], [name]);
  }
  rewrite.nodes.push(...graph.nodes);
  return rewrite.finish();
}
