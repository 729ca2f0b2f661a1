/** Products of activations that are quantised as they come. */

import { ESPALIER, type Node } from '@espalier/core';
import { type Editor, isPlain } from '../../rewrite/editor.ts';
import { makeFused } from '../../rewrite/fused.ts';
import { otherInput } from '../../rewrite/match.ts';
import { flattened } from '../../rewrite/weights.ts';

/** DynamicQuantizeLinear, MatMulInteger, Cast, and Mul by both scales: one product of floats with quantised weights. */
export function fuseDynamic(editor: Editor, node: Node): void {
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
