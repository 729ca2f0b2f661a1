/** Ops that can do more to each element before they store it. */

import { ESPALIER, epilogueOps, type Node } from '@espalier/core';
import { type Editor, isPlain } from './editor.ts';

/** Products of bytes, which kernels add other bytes to. */
export const integerProducts: readonly string[] = ['QuantizedMatMul', 'QuantizedConv'];

const products: Readonly<Record<string, readonly string[]>> = {
  '': ['MatMul', 'Gemm', 'Conv', 'ConvTranspose'],
  [ESPALIER]: ['CastMatMul', 'DequantizeMatMul', ...integerProducts],
};

/** True for matrix products and convolutions. */
export function isProduct({ op, domain }: Node): boolean {
  return products[domain]?.includes(op) ?? false;
}

/** True for what a product makes, and for what element-wise ops that can join it make of that. */
export function comesFromProduct(editor: Editor, name: string, depth = 8): boolean {
  const node = editor.maker(name);
  if (!node || depth === 0 || !editor.onlyReader(name)) return false;
  if (isProduct(node)) return true;
  return isPlain(node, ...epilogueOps) && node.inputs.some((input) => comesFromProduct(editor, input, depth - 1));
}
