/**
 * 8-bit integers between nodes, with scales that were found by running the model: pairs of QuantizeLinear and
 * DequantizeLinear in the form in which onnxruntime.quantization.quantize_static writes them (QDQ, activations QUInt8,
 * weights QInt8 per channel), for the ops that gain from it.
 */

import { type Graph, type Node, Tensor, usesOf } from '@espalier/core';
import { isMatrix, quantizeWeight, Rewrite } from './weights.ts';

export type Range = readonly [min: number, max: number];

/** What becomes of a node's operands. */
interface Rule {
  /** Inputs that are activations. */
  readonly activations: readonly number[];
  /** The output has the scale of the first input. */
  readonly keepsScale?: boolean;
  /** The result stays float32. */
  readonly floatResult?: boolean;
}

const rules: Readonly<Record<string, Rule>> = {
  Conv: { activations: [0] },
  Gemm: { activations: [0], floatResult: true },
  // As quantize_static with OpTypesToExcludeOutputQuantization: ['MatMul'], the faster and more accurate way for transformers.
  MatMul: { activations: [0, 1], floatResult: true },
  MaxPool: { activations: [0], keepsScale: true },
  GlobalAveragePool: { activations: [0] },
  Flatten: { activations: [0], keepsScale: true },
};

/** Quantised only between convolutions, whose neighbours are integers as well. */
const besideConvolutions: Readonly<Record<string, Rule>> = { Add: { activations: [0, 1] } };

/** Ops that saturation does as well, behind a quantised node. */
const clamps = new Set(['Relu', 'Clip']);

/** What is quantised where. */
interface Placement {
  /** Values that get a scale: the one that their range is known by, or that they share a scale with. */
  readonly scaleOf: ReadonlyMap<string, string>;
  /** Clamps that go, by the value that they read. */
  readonly removed: ReadonlyMap<string, Node>;
}

function place(graph: Graph): Placement {
  const uses = usesOf(graph);
  const hasConvolutions = graph.nodes.some(({ op }) => op === 'Conv');
  const ruleOf = (node: Node): Rule | undefined =>
    rules[node.op] ?? (hasConvolutions ? besideConvolutions[node.op] : undefined);
  const scaleOf = new Map<string, string>();
  const removed = new Map<string, Node>();
  for (const node of graph.nodes) {
    const rule = ruleOf(node);
    if (!rule) continue;
    for (const i of rule.activations) {
      const name = node.inputs[i]!;
      if (!graph.constants.has(name) && !scaleOf.has(name)) scaleOf.set(name, name);
    }
    if (rule.floatResult) continue;
    const [y = ''] = node.outputs;
    const readers = uses.consumers.get(y) ?? [];
    const [clamp] = readers;
    if (rule.keepsScale) scaleOf.set(y, scaleOf.get(node.inputs[0]!)!);
    else if (readers.length === 1 && clamps.has(clamp!.op) && !graph.outputs.includes(y)) {
      removed.set(y, clamp!);
      scaleOf.set(clamp!.outputs[0]!, clamp!.outputs[0]!);
    } else scaleOf.set(y, y);
  }
  return { scaleOf, removed };
}

/** The values whose ranges {@link quantizeStatic} needs. */
export function valuesToCalibrate(graph: Graph): readonly string[] {
  return [...new Set(place(graph).scaleOf.values())];
}

/** @param ranges of the values that {@link valuesToCalibrate} names */
export function quantizeStatic(graph: Graph, ranges: ReadonlyMap<string, Range>): Graph {
  const { scaleOf, removed } = place(graph);
  const rewrite = new Rewrite(graph);
  const gone = new Set([...removed.values()].map(({ name }) => name));
  const scales = new Map<string, number>();

  /** Appends the pair that stands between `source` and the readers of `value`. */
  const pair = (value: string, source: string): void => {
    const owner = scaleOf.get(value)!;
    const [scale, zero] = parameters(ranges.get(owner)!);
    scales.set(value, scale);
    const names = [
      rewrite.constant(`${owner}_scale`, new Tensor('float32', [scale], [])),
      rewrite.constant(`${owner}_zero_point`, new Tensor('uint8', [zero], [])),
    ];
    const integers = `${value}_QuantizeLinear_Output`;
    rewrite.node('QuantizeLinear', `${value}_QuantizeLinear`, [source, ...names], [integers]);
    rewrite.node('DequantizeLinear', `${value}_DequantizeLinear`, [integers, ...names], [dequantized(value)]);
  };
  const read = (name: string): string => (scaleOf.has(name) ? dequantized(name) : name);

  for (const { name } of graph.inputs) if (scaleOf.has(name)) pair(name, name);
  for (const node of graph.nodes) {
    if (gone.has(node.name)) continue;
    const inputs = node.inputs.map(read);
    const [, w = '', bias = ''] = node.inputs;
    const tensor = graph.constants.get(w);
    if (node.op === 'Conv' || ((node.op === 'MatMul' || node.op === 'Gemm') && isMatrix(tensor))) {
      const axis = node.op === 'Conv' || node.attrs['transB'] === 1 ? 0 : 1;
      const weight = quantizeWeight(tensor!, axis);
      inputs[1] = dequantize(rewrite, w, weight.values, weight.scales, axis);
      const offsets = graph.constants.get(bias);
      if (offsets) {
        const products = weight.scales.map((scale) => scale * scales.get(node.inputs[0]!)!);
        const values = Int32Array.from(offsets.data as Float32Array, (x, i) => Math.round(x / products[i]!));
        inputs[2] = dequantize(rewrite, bias, new Tensor('int32', values, offsets.dims), products, 0);
      }
    }
    rewrite.nodes.push({ ...node, inputs });
    for (const output of node.outputs) {
      const value = removed.get(output)?.outputs[0] ?? output;
      if (scaleOf.has(value)) pair(value, output);
    }
  }
  return rewrite.finish();
}

const dequantized = (value: string): string => `${value}_DequantizeLinear_Output`;

/** Scale and zero point of unsigned bytes over a range, which zero is always part of. */
function parameters([low, high]: Range): [scale: number, zero: number] {
  const [min, max] = [Math.min(0, low), Math.max(0, high)];
  const scale = Math.fround((max - min) / 255) || 1;
  return [scale, Math.round(-min / scale)];
}

function dequantize(rewrite: Rewrite, name: string, values: Tensor, scales: Float32Array, axis: number): string {
  const zeros = new Tensor(values.type, new Array<number>(scales.length).fill(0), [scales.length]);
  const inputs = [
    rewrite.constant(`${name}_quantized`, values),
    rewrite.constant(`${name}_scale`, new Tensor('float32', scales, [scales.length])),
    rewrite.constant(`${name}_zero_point`, zeros),
  ];
  rewrite.node('DequantizeLinear', `${name}_DequantizeLinear`, inputs, [dequantized(name)], { axis });
  return dequantized(name);
}
