/** How operands are walked in the shape that they broadcast to: rows with fixed steps, and the axes around them. */

import { broadcastStrides, EspalierError, formatShape } from '@espalier/core';

interface Axis {
  readonly extent: number;
  /** How far each operand advances along it, in elements. */
  readonly strides: readonly number[];
}

export interface Walk {
  /** Elements of a row; each operand advances by 0 or 1. */
  readonly row: Axis;
  /** Around the rows, innermost first. */
  readonly outer: readonly Axis[];
}

/**
 * Axes that every operand walks as if they were one become one, so that operands of equal shape, and scalars, make one row.
 * @throws EspalierError `SHAPE_MISMATCH` when an operand does not broadcast to `to`
 */
export function walk(to: readonly number[], ...operands: readonly (readonly number[])[]): Walk {
  for (const dims of operands) checkFits(dims, to);
  const strides = operands.map((dims) => broadcastStrides(dims, to));
  const axes: Axis[] = [];
  for (let i = to.length - 1; i >= 0; i--) {
    if (to[i] === 1) continue;
    const axis = { extent: to[i]!, strides: strides.map((each) => each[i]!) };
    const inner = axes.at(-1);
    if (inner && axis.strides.every((stride, k) => stride === inner.strides[k]! * inner.extent))
      axes[axes.length - 1] = { extent: inner.extent * axis.extent, strides: inner.strides };
    else axes.push(axis);
  }
  const [row = { extent: 1, strides: operands.map(() => 1) }, ...outer] = axes;
  return { row, outer };
}

// A shape that was inferred from symbols promises more than a run has to keep: reading past an operand must be impossible.
function checkFits(dims: readonly number[], to: readonly number[]): void {
  const lead = to.length - dims.length;
  if (lead < 0 || dims.some((extent, axis) => extent !== 1 && extent !== to[lead + axis]))
    throw new EspalierError('SHAPE_MISMATCH', `${formatShape(dims)} does not broadcast to ${formatShape(to)}`);
}
