/** Graphs that were quantised ahead of time: DequantizeLinear before each op, QuantizeLinear behind it. */

import { ESPALIER, integerRange, type Node, type Tensor } from '@espalier/core';
import { Chain } from '../../rewrite/chain.ts';
import type { Editor } from '../../rewrite/editor.ts';
import { makeFused } from '../../rewrite/fused.ts';
import { tensorOf } from '../../rewrite/values.ts';

/** Scale and zero point of a whole tensor, by name. */
interface Parameters {
  readonly scale: string;
  readonly zeroPoint: string;
}

/** DequantizeLinear of both operands of a matrix product. What follows joins it as its epilogue, QuantizeLinear included. */
export function fuseProduct(editor: Editor, node: Node): void {
  const [a, b] = node.inputs.map((name) => editor.madeBy(name, 'DequantizeLinear'));
  if (!a || !b) return;
  const left = perTensor(editor, a, a.inputs[0]!);
  const right = perTensor(editor, b, b.inputs[0]!) ?? perChannel(editor, b, 1);
  if (!left || !right) return;
  const spec = {
    name: node.name,
    op: 'QuantizedMatMul',
    domain: ESPALIER,
    inputs: [a.inputs[0]!, left.scale, left.zeroPoint, b.inputs[0]!, right.scale, right.zeroPoint],
    outputs: node.outputs,
  };
  editor.replace([node], [makeFused(editor, spec, a === b ? [a, node] : [a, b, node])]);
}

/** A product of levels that gives levels, as the chain that it stands for: what is known of that serves it too. */
export function writeLinear(editor: Editor, node: Node): void {
  const [a, aScale, aZero, b, bScale, bZero, yScale, yZero] = node.inputs as string[];
  if (editor.dtype(yScale!) !== 'float32') return;
  const sizes = [aScale, aZero, bScale, bZero, yScale, yZero].map((name) => editor.constant(name)?.size);
  const areSingle = [0, 1, 4, 5].every((i) => sizes[i] === 1);
  const [scales, zeros] = [sizes[2], sizes[3]];
  if (!areSingle || scales !== zeros || !(scales === 1 || editor.shape(b!).length === 2)) return;
  const chain = new Chain(editor, node.name);
  const vector = (name: string): string => {
    const tensor = editor.constant(name)!;
    return chain.constant(tensor.reshape(tensor.size === 1 ? [] : [tensor.size]));
  };
  const operand = (x: string, scale: string, zero: string): string =>
    chain.add('DequantizeLinear', [x, vector(scale), vector(zero)], { axis: 1 });
  const product = chain.add('MatMul', [operand(a!, aScale!, aZero!), operand(b!, bScale!, bZero!)]);
  chain.add('QuantizeLinear', [product, vector(yScale!), vector(yZero!)], { axis: 1 });
  chain.replace(node);
}

/** Constant scale and zero point of a (De)QuantizeLinear that has one of each; a missing zero point is written down. */
export function perTensor(editor: Editor, node: Node, quantized: string): Parameters | undefined {
  const [, scale, zeroPoint] = node.inputs;
  const [factor, offset] = [editor.constant(scale), editor.constant(zeroPoint)];
  if (factor?.size !== 1 || (zeroPoint && offset?.size !== 1) || !(editor.scalar(scale)! > 0)) return undefined;
  const add = (tensor: Tensor): string => editor.addConstant(`${node.name}/parameter`, tensor);
  return {
    scale: factor.dims.length === 0 ? scale! : add(factor.reshape([])),
    zeroPoint:
      offset?.dims.length === 0 ? zeroPoint! : add(offset?.reshape([]) ?? tensorOf(editor.dtype(quantized), [], [0])),
  };
}

/** The same for one of each along an axis. */
export function perChannel(editor: Editor, node: Node, axis: number): Parameters | undefined {
  const [quantized, scale, zeroPoint] = node.inputs;
  const [factor, offset] = [editor.constant(scale), editor.constant(zeroPoint)];
  const rank = editor.shape(quantized!).length;
  const own = (node.attrs['axis'] as number | undefined) ?? 1;
  if (!factor || (own + rank) % rank !== axis || node.attrs['block_size'] || (zeroPoint && !offset)) return undefined;
  if (axis === 1 && rank !== 2) return undefined;
  const zeros = (): string =>
    editor.addConstant(
      `${node.name}/parameter`,
      tensorOf(editor.dtype(quantized!), factor.dims, new Float64Array(factor.size)),
    );
  return { scale: scale!, zeroPoint: zeroPoint || zeros() };
}

/** Ops that only move elements, or pick the largest: they can as well do so with integers. */
const movers = [
  ...['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose', 'Expand', 'Tile', 'Slice', 'Gather', 'DepthToSpace'],
  'MaxPool',
];

/** QuantizeLinear of what DequantizeLinear made with the same scale and zero point, moved or not, is what was there before. */
export function skipDequantized(editor: Editor, node: Node): void {
  const [x] = node.inputs as [string];
  const mover = editor.onlyReader(x) === node ? editor.madeBy(x, ...movers) : undefined;
  const dequantize = editor.madeBy(mover ? mover.inputs[0] : x, 'DequantizeLinear');
  const before = dequantize?.inputs[0];
  if (!before || editor.dtype(before) !== editor.dtype(node.outputs[0]!)) return;
  const [a, b] = [perTensor(editor, dequantize, before), perTensor(editor, node, node.outputs[0]!)];
  const [scale, other] = [a, b].map((parameters) => parameters && editor.scalar(parameters.scale));
  const [offset, otherOffset] = [a, b].map((parameters) => parameters && editor.scalar(parameters.zeroPoint));
  // Far from 1, what is multiplied by the scale and divided by it may not come back.
  if (scale === undefined || scale !== other || offset !== otherOffset || scale > 1e30 || scale < 1e-30) return;
  if (!mover) editor.bypass(node, before);
  else if (mover.outputs.slice(1).every((name) => name === ''))
    editor.replace([mover, node], [{ ...mover, inputs: [before, ...mover.inputs.slice(1)], outputs: node.outputs }]);
}

/** What is quantised as a whole can be quantised before its elements are moved, which then moves fewer bytes. */
export function quantizeFirst(editor: Editor, node: Node): void {
  const [x, ...parameters] = node.inputs as [string, ...string[]];
  const mover = editor.madeBy(x, 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose');
  if (!mover || editor.onlyReader(x) !== node || !perTensor(editor, node, node.outputs[0]!)) return;
  const quantized = editor.fresh(`${node.outputs[0]}/first`);
  editor.replace(
    [mover, node],
    [
      { ...node, inputs: [mover.inputs[0]!, ...parameters], outputs: [quantized] },
      { ...mover, inputs: [quantized, ...mover.inputs.slice(1)], outputs: node.outputs },
    ],
  );
}

/** Rounding to the lowest integer is what Relu does where that stands for 0. */
export function skipRelu(editor: Editor, node: Node): void {
  const relu = editor.madeBy(node.inputs[0], 'Relu');
  const result = perTensor(editor, node, node.outputs[0]!);
  if (!relu || !result) return;
  const dtype = editor.dtype(node.outputs[0]!);
  if (editor.scalar(result.zeroPoint) !== integerRange(dtype)[0]) return;
  editor.replace([node], [{ ...node, inputs: [relu.inputs[0]!, ...node.inputs.slice(1)] }]);
}
