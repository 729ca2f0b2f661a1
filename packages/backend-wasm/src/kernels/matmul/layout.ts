/** How products lie in memory, as arguments of the code. */

import type { Geometry, Partition } from '@espalier/lowering';
import { WORD } from '../arguments.ts';
import { type Product, threadBytes, words } from './emit.ts';
import { vectorBytes, WIDTH } from './tile.ts';

/**
 * @param addresses of A, B, the result, and the operands of the epilogue
 * @param more for what makes panels
 */
export function productArgs(
  product: Product,
  { m, n, k, batch, rowSteps, offsets }: Geometry,
  cut: Partition,
  scratch: number,
  addresses: readonly number[],
  more: readonly number[] = [],
): number[] {
  const matrices = Array.from({ length: m * n > 0 ? batch : 0 }, (_, i) =>
    offsets(i).map((offset, at) => addresses[at]! + 4 * offset),
  ).flat();
  const values = {
    ...cut,
    ...{ scratch, k, batch, threadBytes: threadBytes(product), aRow: 4 * k, cRow: 4 * n },
    bRow: 4 * (product.inRows ? n : WIDTH),
    bPanel: product.inRows ? 4 * WIDTH : vectorBytes(product) * product.vectors * k,
    panelArguments: WORD * (words.length + rowSteps.length + matrices.length),
  };
  return [...words.map((name) => values[name]), ...rowSteps.map((step) => 4 * step), ...matrices, ...more];
}
