/** How operands are walked in the shape that they broadcast to: rows with fixed steps, and the axes around them. */

import { broadcastStrides, EspalierError, formatShape } from '@espalier/core';

/** How far each operand advances along an axis, in its own unit. */
export interface Axis {
  readonly extent: number;
  readonly strides: readonly number[];
}

/**
 * Axes innermost first; those that every operand walks as if they were one become one. Never empty: the first is the row.
 * @param strides by operand, then by axis
 */
export function mergeAxes(extents: readonly number[], strides: readonly (readonly number[])[]): Axis[] {
  const axes: Axis[] = [];
  for (let i = extents.length - 1; i >= 0; i--) {
    if (extents[i] === 1) continue;
    const axis = { extent: extents[i]!, strides: strides.map((each) => each[i]!) };
    const inner = axes.at(-1);
    if (inner && axis.strides.every((stride, k) => stride === inner.strides[k]! * inner.extent))
      axes[axes.length - 1] = { extent: inner.extent * axis.extent, strides: inner.strides };
    else axes.push(axis);
  }
  return axes.length > 0 ? axes : [{ extent: 1, strides: strides.map(() => 0) }];
}

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

/**
 * The argument block of a walk: steps of all rows, steps of a unit, steps of a row, axes around rows, for each operand where it starts
 * and the bytes of a step, then for each axis its extent and each operand's stride in bytes.
 */
export function walkArgs([row, ...outer]: readonly Axis[], unit: number, starts: readonly number[]): number[] {
  const total = outer.reduce((product, { extent }) => product * extent, row!.extent);
  const axes = outer.flatMap(({ extent, strides }) => [extent, ...strides]);
  return [total, unit, row!.extent, outer.length, ...starts, ...row!.strides, ...axes];
}
