/** How operands are walked in the shape that they broadcast to: rows with fixed steps, and the axes around them. */

import { broadcastStrides, EspalierError, formatShape } from '@espalier/core';
import { type Axis, mergeAxes } from '../walk.ts';

/**
 * Axes innermost first, with strides in elements; the first is a row, along which each operand advances by 0 or 1. Operands of
 * equal shape, and scalars, make one row.
 * @throws EspalierError `SHAPE_MISMATCH` when an operand does not broadcast to `to`
 */
export function walk(to: readonly number[], ...operands: readonly (readonly number[])[]): Axis[] {
  for (const dims of operands) checkFits(dims, to);
  return mergeAxes(
    to,
    operands.map((dims) => broadcastStrides(dims, to)),
  );
}

// A shape that was inferred from symbols promises more than a run has to keep: reading past an operand must be impossible.
export function checkFits(dims: readonly number[], to: readonly number[]): void {
  const lead = to.length - dims.length;
  if (lead < 0 || dims.some((extent, axis) => extent !== 1 && extent !== to[lead + axis]))
    throw new EspalierError('SHAPE_MISMATCH', `${formatShape(dims)} does not broadcast to ${formatShape(to)}`);
}
