/**
 * Products of 8-bit integers whose activations are quantised while the model runs, in the form in which
 * onnxruntime.quantization.quantize_dynamic writes them (per channel, weights QInt8). Convolutions stay as they are: for
 * those onnxruntime advises static quantisation.
 */

import { dtypes, type Graph, Tensor } from '@espalier/core';
import { gemmAsMatMul, isMatrix, quantizeWeight, Rewrite } from './weights.ts';

export function quantizeDynamic(model: Graph): Graph {
  const graph = gemmAsMatMul(model);
  const rewrite = new Rewrite(graph);
  const quantized = new Map<string, readonly string[]>();
  /** Names of the integers, the scale and the zero point of an activation. */
  const activation = (x: string): readonly string[] => {
    let names = quantized.get(x);
    if (!names) {
      names = ['quantized', 'scale', 'zero_point'].map((part) => `${x}_${part}`);
      rewrite.node('DynamicQuantizeLinear', `${x}_QuantizeLinear`, [x], names);
      quantized.set(x, names);
    }
    return names;
  };
  const weight = (name: string, tensor: Tensor, axis: number | undefined): readonly string[] => {
    const { values, scales } = quantizeWeight(tensor, axis);
    const dims = axis === undefined ? [] : [scales.length];
    return [
      rewrite.constant(`${name}_quantized`, values),
      rewrite.constant(`${name}_scale`, new Tensor('float32', scales, dims)),
      rewrite.constant(`${name}_zero_point`, new Tensor('int8', new Int8Array(scales.length), dims)),
    ];
  };
  for (const node of graph.nodes) {
    const { op, name, inputs } = node;
    const [y = ''] = node.outputs;
    const table = graph.constants.get(inputs[0] ?? '');
    const matrix = graph.constants.get(inputs[1] ?? '');
    if (op === 'MatMul' && isMatrix(matrix)) {
      const [xq, xs, xz] = activation(inputs[0]!);
      const [wq, ws, wz] = weight(inputs[1]!, matrix, 1);
      rewrite.node('MatMulInteger', `${name}_quant`, [xq!, wq!, xz!, wz!], [`${y}_output_quantized`]);
      rewrite.node('Cast', `${name}_cast`, [`${y}_output_quantized`], [`${y}_cast`], { to: dtypes.float32.onnx });
      rewrite.node('Mul', `${name}_scales_mul`, [xs!, ws!], [`${y}_scales`]);
      rewrite.node('Mul', `${name}_output_scale_mul`, [`${y}_cast`, `${y}_scales`], [y]);
    } else if (op === 'Gather' && isMatrix(table)) {
      const [tq, ts, tz] = weight(inputs[0]!, table, undefined);
      rewrite.node('Gather', `${name}_quant`, [tq!, inputs[1]!], [`${y}_quantized`], node.attrs);
      rewrite.node('DequantizeLinear', `${y}_DequantizeLinear`, [`${y}_quantized`, ts!, tz!], [y]);
    } else rewrite.nodes.push(node);
  }
  return rewrite.finish();
}
