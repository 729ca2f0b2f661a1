/** Weights and tables that are stored in few bits stay so until an element is wanted. */

import { type Attributes, type DType, dtypes, ESPALIER, type Node } from '@espalier/core';
import { Chain } from '../../rewrite/chain.ts';
import { type Editor, isPlain, makeNode } from '../../rewrite/editor.ts';
import { tryEvaluate } from '../../rewrite/evaluate.ts';
import { isPerm, permOf } from '../../rewrite/match.ts';
import { flattened, isNarrow, type QuantizedMatrix, quantizedMatrix } from '../../rewrite/weights.ts';

/** A product with weights that are stored in 16 bits keeps them so. */
export function fuseHalves(editor: Editor, node: Node): void {
  const cast = editor.madeBy(node.inputs[1]!, 'Cast');
  const stored = cast?.inputs[0];
  const isHalf = editor.constant(stored)?.dims.length === 2 && halves.includes(editor.dtype(stored!));
  if (!isHalf || editor.dtype(node.inputs[0]!) !== 'float32') return;
  const parts = new Chain(editor, `${node.name}:`);
  const wide = parts.add('Cast', [stored!], cast!.attrs);
  parts.add('MatMul', [node.inputs[0]!, wide], {}, node.outputs[0]!);
  const { name, outputs } = node;
  const spec = { name, op: 'CastMatMul', domain: ESPALIER, inputs: [node.inputs[0]!, stored!], outputs };
  editor.replace([node], [{ ...makeNode(spec), decomposition: parts.nodes }]);
}

const halves: readonly DType[] = ['float16', 'bfloat16'];

/** A product with weights that are stored as integers keeps them so. */
export function fuseWeights(editor: Editor, node: Node): void {
  const matrix = isPlain(node, 'MatMul') ? quantizedMatrix(editor, node.inputs[1]!) : undefined;
  if (!matrix) return;
  const { inputs, attrs } = dequantization(editor, matrix);
  const parts = new Chain(editor, `${node.name}:`);
  const wide = parts.add('DequantizeLinear', inputs, attrs);
  parts.add('MatMul', [node.inputs[0]!, wide], {}, node.outputs[0]!);
  const { name, outputs } = node;
  const sparse = editor.madeBy(node.inputs[0]!, ...thresholds) ? { sparse_input: 1 } : {};
  const spec = {
    ...{ name, op: 'DequantizeMatMul', domain: ESPALIER, outputs },
    ...{ inputs: [node.inputs[0]!, ...inputs], attrs: { ...attrs, ...sparse } },
  };
  editor.replace([node], [{ ...makeNode(spec), decomposition: parts.nodes }]);
}

/** What is there to leave little but zeros behind. */
const thresholds = ['ThresholdedRelu'];

/** Inputs and attributes of the DequantizeLinear that makes a matrix. */
function dequantization(
  editor: Editor,
  { q, scale, zeroPoint, axis, blockSize }: QuantizedMatrix,
): { inputs: string[]; attrs: Attributes } {
  const parameter = (name: string): string => {
    const tensor = editor.constant(name)!;
    return blockSize || tensor.dims.length <= 1 ? name : editor.addConstant(`${name}/vector`, flattened(tensor));
  };
  return {
    inputs: [q, parameter(scale), ...(zeroPoint ? [parameter(zeroPoint)] : [])],
    attrs: { axis: axis ?? 1, ...(blockSize ? { block_size: blockSize } : {}) },
  };
}

/** Rows and columns are exchanged once, where the weights are stored. */
export async function turnWeights(editor: Editor, node: Node): Promise<void> {
  const matrix = quantizedMatrix(editor, node.inputs[0]!);
  if (!matrix || !isPerm(permOf(editor, node), 1, 0)) return;
  const { q, scale, zeroPoint, axis, blockSize } = matrix;
  const names = [q, scale, ...(zeroPoint ? [zeroPoint] : [])];
  const turned: string[] = [];
  for (const name of names) {
    const tensor = editor.constant(name)!;
    const transpose = makeNode({ ...node, inputs: [name], attrs: { perm: [1, 0] } });
    const [result] =
      tensor.dims.length < 2 ? [tensor] : ((await tryEvaluate(editor.context, transpose, [tensor])) ?? []);
    if (!result) return;
    turned.push(result === tensor ? name : editor.addConstant(`${name}/transposed`, result));
  }
  const { inputs, attrs } = dequantization(editor, {
    q: turned[0]!,
    scale: turned[1]!,
    zeroPoint: turned[2],
    axis: axis === undefined ? undefined : 1 - axis,
    blockSize,
  });
  const { name, outputs } = node;
  editor.replace([node], [makeNode({ name, op: 'DequantizeLinear', inputs, outputs, attrs })]);
}

/** Rows of a table that is stored small are picked first and widened then. */
export function gatherFirst(editor: Editor, node: Node): void {
  const [table, indices] = node.inputs as [string, string];
  if (((node.attrs['axis'] as number | undefined) ?? 0) !== 0) return;
  const chain = new Chain(editor, node.name);
  const pick = (from: string): string => chain.add('Gather', [from, indices], { axis: 0 });
  const [output] = node.outputs as [string];
  const cast = editor.madeBy(table, 'Cast');
  if (cast && isNarrow(editor.dtype(cast.inputs[0]!)) && editor.constant(cast.inputs[0])) {
    chain.add('Cast', [pick(cast.inputs[0]!)], cast.attrs, output);
    editor.replace([node], chain.nodes);
    return;
  }
  const found = quantizedMatrix(editor, table);
  if (!found || found.blockSize) return;
  const { q, scale, zeroPoint, axis } = found;
  // One parameter for each row is picked with the row; others are the same for all rows.
  const parameter = (name: string): string => {
    if (axis !== 0) return name;
    const tensor = editor.constant(name)!;
    return pick(tensor.dims.length === 2 ? name : chain.constant(tensor.reshape([tensor.size, 1])));
  };
  const to = { to: dtypes[editor.dtype(output)].onnx };
  const wide = (name: string): string => chain.add('Cast', [name], to);
  let rows = wide(pick(q));
  if (zeroPoint) rows = chain.add('Sub', [rows, wide(parameter(zeroPoint))]);
  chain.add('Mul', [rows, parameter(scale)], {}, output);
  editor.replace([node], chain.nodes);
}
