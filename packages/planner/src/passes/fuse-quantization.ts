/** Chains of quantisation and dequantisation around products, as the one op on integers that they stand for. */

import { dtypes, ESPALIER, type Node, type Tensor } from '@espalier/core';
import { Chain } from '../rewrite/chain.ts';
import { Editor, isPlain, makeNode } from '../rewrite/editor.ts';
import { makeFused } from '../rewrite/fused.ts';
import { isPerm, otherInput, permOf } from '../rewrite/match.ts';
import { elementsOf, tensorOf } from '../rewrite/values.ts';
import { flattened, isNarrow, type QuantizedMatrix, quantizedMatrix } from '../rewrite/weights.ts';
import type { Pass } from './pass.ts';

export const fuseQuantization: Pass = {
  name: 'fuse-quantization',
  summary: 'computes with quantised weights and activations as they are stored',
  async run(graph, context) {
    const editor = new Editor(graph, context);
    for (const node of editor.nodes()) {
      if (isPlain(node, 'MatMul', 'Conv')) fuseStatic(editor, node);
      if (isPlain(node, 'MatMulInteger')) fuseDynamic(editor, node);
      if (editor.has(node) && isPlain(node, 'MatMul')) await fuseWeights(editor, node);
      if (isPlain(node, 'Gather')) gatherFirst(editor, node);
    }
    return editor.finish();
  },
};

/** Scale and zero point of a whole tensor, by name. */
interface Parameters {
  readonly scale: string;
  readonly zeroPoint: string;
}

/** DequantizeLinear of both operands, QuantizeLinear of the result: QLinearMatMul or QLinearConv. */
function fuseStatic(editor: Editor, node: Node): void {
  const [x, w, bias] = node.inputs.map((name) => editor.madeBy(name, 'DequantizeLinear'));
  if (!x || !w || (node.inputs[2] && !bias) || !editor.constant(w.inputs[0])) return;
  const isConv = node.op === 'Conv';
  const between: Node[] = [node];
  let reader = editor.onlyReader(node.outputs[0]!);
  const relu = isPlain(reader, 'Relu') ? reader : undefined;
  if (relu) {
    between.push(relu);
    reader = editor.onlyReader(relu.outputs[0]!);
  }
  if (!reader || !isPlain(reader, 'QuantizeLinear')) return;
  const [input, weight, result] = [
    perTensor(editor, x, x.inputs[0]!),
    perTensor(editor, w, w.inputs[0]!) ?? perChannel(editor, w, isConv ? 0 : 1),
    perTensor(editor, reader, reader.outputs[0]!),
  ];
  if (!input || !weight || !result) return;
  // Rounding to the lowest integer is what Relu does where that stands for 0.
  const lowest = editor.dtype(reader.outputs[0]!) === 'int8' ? -128 : 0;
  if (relu && editor.scalar(result.zeroPoint) !== lowest) return;
  if (bias && !isAccumulatorBias(editor, bias, input.scale, weight.scale)) return;
  const parts = [x, w, ...(bias ? [bias] : []), ...between, reader];
  const inputs = [x.inputs[0]!, input.scale, input.zeroPoint, w.inputs[0]!, weight.scale, weight.zeroPoint];
  inputs.push(result.scale, result.zeroPoint, ...(bias ? [bias.inputs[0]!] : []));
  const spec = {
    name: reader.name,
    op: isConv ? 'QLinearConv' : 'QLinearMatMul',
    inputs,
    outputs: reader.outputs,
    attrs: node.attrs,
  };
  editor.replace([...between, reader], [makeFused(editor, spec, parts)]);
}

/** Constant scale and zero point of a (De)QuantizeLinear that has one of each; a missing zero point is written down. */
function perTensor(editor: Editor, node: Node, quantized: string): Parameters | undefined {
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
function perChannel(editor: Editor, node: Node, axis: number): Parameters | undefined {
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

/** True for an int32 bias in units of the accumulator: its scale is the product of the operands' scales. */
function isAccumulatorBias(editor: Editor, bias: Node, xScale: string, wScale: string): boolean {
  const [values, scale, zeroPoint] = bias.inputs;
  const own = editor.constant(scale);
  if (!own || editor.dtype(values!) !== 'int32' || (zeroPoint && editor.scalar(zeroPoint) !== 0)) return false;
  const [x, w] = [editor.scalar(xScale)!, elementsOf(editor.constant(wScale)!)];
  const units = elementsOf(own);
  if (units.length !== w.length && w.length !== 1 && units.length !== 1) return false;
  const most = Math.max(units.length, w.length);
  for (let i = 0; i < most; i++) {
    const [unit, expected] = [units[i % units.length]!, x * w[i % w.length]!];
    if (Math.abs(unit - expected) > 1e-6 * expected) return false;
  }
  return true;
}

/** DynamicQuantizeLinear, MatMulInteger, Cast, and Mul by both scales: one product of floats with quantised weights. */
function fuseDynamic(editor: Editor, node: Node): void {
  const [a, b, aZero, bZero] = node.inputs;
  const quantize = editor.madeBy(a, 'DynamicQuantizeLinear');
  const weight = editor.constant(b);
  if (!quantize || aZero !== quantize.outputs[2] || weight?.dims.length !== 2 || (bZero && !editor.constant(bZero)))
    return;
  const cast = editor.onlyReader(node.outputs[0]!);
  if (!cast || !isPlain(cast, 'Cast')) return;
  const [aScale] = quantize.outputs.slice(1);
  const nodes = new Set([node, cast]);
  let running = cast.outputs[0]!;
  let bScale: string | undefined;
  for (let isScaled = false; !isScaled || bScale === undefined; ) {
    const product = editor.onlyReader(running);
    const factor = product && isPlain(product, 'Mul') ? otherInput(product, running) : undefined;
    if (!product || factor === undefined) return;
    nodes.add(product);
    running = product.outputs[0]!;
    if (factor === aScale && !isScaled) isScaled = true;
    else if (editor.constant(factor) && bScale === undefined) bScale = factor;
    else {
      // The scales may be multiplied by each other first, once for each product.
      const scales = editor.madeBy(factor, 'Mul');
      const constant = scales && otherInput(scales, aScale!);
      if (!scales || !constant || !editor.constant(constant) || isScaled || bScale !== undefined) return;
      nodes.add(scales);
      [isScaled, bScale] = [true, constant];
    }
  }
  const columns = weight.dims[1]!;
  const scale = vectorOf(editor, bScale, columns);
  if (!scale || !editor.isClosed(nodes, running)) return;
  const add = editor.onlyReader(running);
  const addend = add && isPlain(add, 'Add') ? otherInput(add, running) : undefined;
  const bias = addend === undefined ? undefined : vectorOf(editor, addend, columns, true);
  const last = bias ? add! : editor.maker(running)!;
  if (bias) nodes.add(add!);
  const spec = {
    name: last.name,
    op: 'DynamicQuantizeMatMul',
    domain: ESPALIER,
    inputs: [quantize.inputs[0]!, b!, scale, ...(bias ? [bZero ?? '', bias] : bZero ? [bZero] : [])],
    outputs: [last.outputs[0]!],
  };
  const inOrder = [...editor.nodes()].filter((part) => nodes.has(part));
  editor.replace(inOrder, [makeFused(editor, spec, [quantize, ...inOrder])]);
}

/** A constant that varies along the last axis at most, as a vector or (unless `full`) a scalar. */
function vectorOf(editor: Editor, name: string, size: number, full = false): string | undefined {
  const tensor = editor.constant(name);
  if (
    !tensor ||
    (tensor.size !== size && (full || tensor.size !== 1)) ||
    (tensor.size > 1 && tensor.dims.at(-1) !== size)
  )
    return undefined;
  const flat = full ? tensor.reshape([size]) : flattened(tensor);
  return flat.dims.length === tensor.dims.length ? name : editor.addConstant(`${name}/vector`, flat);
}

/** A product with weights that are stored as integers keeps them so. */
async function fuseWeights(editor: Editor, node: Node): Promise<void> {
  const transpose = editor.madeBy(node.inputs[1], 'Transpose');
  const isTransposed = isPerm(permOf(editor, transpose), 1, 0);
  const found = quantizedMatrix(editor, isTransposed ? transpose!.inputs[0]! : node.inputs[1]!);
  const matrix = found && isTransposed ? await transposed(editor, found) : found;
  if (!matrix) return;
  const { q, scale, zeroPoint, axis, blockSize } = matrix;
  const attrs = { axis: axis ?? 1, ...(blockSize ? { block_size: blockSize } : {}) };
  const parameter = (name: string): string => {
    const tensor = editor.constant(name)!;
    return blockSize || tensor.dims.length <= 1 ? name : editor.addConstant(`${name}/vector`, flattened(tensor));
  };
  const weights = [q, parameter(scale), ...(zeroPoint ? [parameter(zeroPoint)] : [])];
  const parts = new Chain(editor, `${node.name}:`);
  const wide = parts.add('DequantizeLinear', weights, attrs);
  parts.add('MatMul', [node.inputs[0]!, wide], {}, node.outputs[0]!);
  const { name, outputs } = node;
  const spec = {
    name,
    op: 'DequantizeMatMul',
    domain: ESPALIER,
    inputs: [node.inputs[0]!, ...weights],
    outputs,
    attrs,
  };
  editor.replace([node], [{ ...makeNode(spec), decomposition: parts.nodes }]);
}

/** The same weights with rows and columns exchanged; undefined where nothing evaluates. */
async function transposed(editor: Editor, matrix: QuantizedMatrix): Promise<QuantizedMatrix | undefined> {
  const { evaluate, signal } = editor.context;
  if (!evaluate) return undefined;
  const turn = async (name: string): Promise<string> => {
    const tensor = editor.constant(name)!;
    if (tensor.dims.length < 2) return name;
    const node = makeNode({ name, op: 'Transpose', inputs: [name], outputs: ['turned'], attrs: { perm: [1, 0] } });
    const [turned] = await evaluate(node, [tensor], signal);
    return editor.addConstant(`${name}/transposed`, turned!);
  };
  const { q, scale, zeroPoint, axis, blockSize } = matrix;
  return {
    q: await turn(q),
    scale: await turn(scale),
    zeroPoint: zeroPoint && (await turn(zeroPoint)),
    axis: axis === undefined ? undefined : 1 - axis,
    blockSize,
  };
}

/** Rows of a table that is stored small are picked first and widened then. */
function gatherFirst(editor: Editor, node: Node): void {
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
