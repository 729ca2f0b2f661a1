/** Products of activations that are quantised as they come, or before. */

import { ESPALIER, type Node, Tensor } from '@espalier/core';
import { type Editor, isPlain } from '../../rewrite/editor.ts';
import { makeFused } from '../../rewrite/fused.ts';
import { otherInput } from '../../rewrite/match.ts';
import { flattened } from '../../rewrite/weights.ts';

/**
 * MatMulInteger of what DynamicQuantizeLinear makes, Cast, and Mul by both scales: one product that gives floats. The activation
 * stays quantised beside it, so that several products share it. Of what is quantised otherwise by one constant that has both scales in it.
 */
export function fuseDynamic(editor: Editor, node: Node): void {
  const [a, b, aZero, bZero] = node.inputs as [string, string, string?, string?];
  const left = editor.madeBy(a, 'DynamicQuantizeLinear');
  const right = editor.constant(b) ? undefined : editor.madeBy(b, 'DynamicQuantizeLinear');
  if (!(left ? aZero === left.outputs[2] : isStatic(editor, a, aZero)) || (right && !left)) return;
  if (right && bZero !== right.outputs[2]) return;
  if (!right && (editor.constant(b)?.dims.length !== 2 || (bZero && !editor.constant(bZero)))) return;
  const cast = editor.onlyReader(node.outputs[0]!);
  if (!cast || !isPlain(cast, 'Cast') || editor.dtype(cast.outputs[0]!) !== 'float32') return;
  const [aScale, isOfB] = [
    left?.outputs[1],
    (name: string) => (right ? name === right.outputs[1] : editor.constant(name) !== undefined),
  ];
  const nodes = new Set([node, cast]);
  let running = cast.outputs[0]!;
  let bScale: string | undefined;
  for (let isScaled = !left; !isScaled || bScale === undefined; ) {
    const product = editor.onlyReader(running);
    const factor = product && isPlain(product, 'Mul') ? otherInput(product, running) : undefined;
    if (!product || factor === undefined) return;
    nodes.add(product);
    running = product.outputs[0]!;
    if (factor === aScale && !isScaled) isScaled = true;
    else if (isOfB(factor) && bScale === undefined) bScale = factor;
    else {
      // The scales may be multiplied by each other first, once for each product.
      const scales = editor.madeBy(factor, 'Mul');
      const other = scales && aScale && otherInput(scales, aScale);
      if (!scales || !other || !isOfB(other) || isScaled || bScale !== undefined) return;
      nodes.add(scales);
      [isScaled, bScale] = [true, other];
    }
  }
  const scale = right ? bScale : perColumn(editor, bScale, editor.constant(b)!.dims[1]!);
  if (!scale || !editor.isClosed(nodes, running)) return;
  const last = editor.maker(running)!;
  const spec = {
    name: last.name,
    op: 'QuantizedMatMul',
    domain: ESPALIER,
    inputs: [a, aScale ?? editor.addConstant(`${last.name}/one`, ONE), aZero!, b, scale, ...(bZero ? [bZero] : [])],
    outputs: [running],
  };
  const inOrder = [...editor.nodes()].filter((part) => nodes.has(part));
  editor.replace(inOrder, [makeFused(editor, spec, inOrder)]);
}

const ONE = new Tensor('float32', Float32Array.of(1), []);

/** Whether an activation is bytes with one zero point, known by now. */
const isStatic = (editor: Editor, a: string, zero: string | undefined): boolean =>
  editor.dtype(a) === 'uint8' && editor.constant(zero)?.size === 1;

/** A constant that varies along the last axis at most, as a vector or a scalar. */
function perColumn(editor: Editor, name: string, size: number): string | undefined {
  const tensor = editor.constant(name)!;
  if (tensor.size !== 1 && (tensor.size !== size || tensor.dims.at(-1) !== size)) return undefined;
  const flat = flattened(tensor);
  return flat.dims.length === tensor.dims.length ? name : editor.addConstant(`${name}/vector`, flat);
}
