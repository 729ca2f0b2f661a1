/** Lines along one axis of a tensor, and where what comes of each of them goes. */

import { EspalierError, formatShape, sizeOf, stridesOf } from '@espalier/core';
import { type Axis, mergeAxes } from './walk.ts';

export interface LineWalk {
  /** How many there are, and the elements of each. */
  readonly count: number;
  readonly length: number;
  /** Bytes from an element to the next of the same line, in the result and in the input. */
  readonly steps: readonly [to: number, from: number];
  /** The other axes, innermost first, with strides in bytes of the result and of the input. */
  readonly axes: readonly Axis[];
}

/**
 * @param extent what the result has along the axis: as many elements as the input, or one
 * @param bytes of an element of the result and of the input
 * @param areNeighbours for rows of lines whose elements stand together; they may be of one line alone
 * @throws EspalierError `SHAPE_MISMATCH`
 */
export function lineWalk(
  x: readonly number[],
  y: readonly number[],
  axis: number,
  extent: number,
  bytes: readonly [to: number, from: number],
  areNeighbours: boolean,
): LineWalk {
  const length = x[axis]!;
  const whole = x.with(axis, extent);
  if (sizeOf(whole) !== sizeOf(y))
    throw new EspalierError('SHAPE_MISMATCH', `${formatShape(whole)} has not the size of ${formatShape(y)}`);
  const strides = [whole, x].map((dims, i) => stridesOf(dims).map((stride) => bytes[i]! * stride));
  const kept = x.flatMap((_, i) => (i === axis ? [] : [i]));
  const axes = mergeAxes(
    kept.map((i) => x[i]!),
    strides.map((each) => kept.map((i) => each[i]!)),
  );
  const isApart = areNeighbours && axes[0]!.strides.some((stride, i) => stride !== bytes[i]);
  return {
    count: sizeOf(kept.map((i) => x[i]!)),
    length,
    steps: [strides[0]![axis]!, strides[1]![axis]!],
    axes: isApart ? [{ extent: 1, strides: bytes }, ...axes] : axes,
  };
}
