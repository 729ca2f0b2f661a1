/** Reductions: which axes are folded, and how what stays and what is folded is walked. */

import { type Call, type Constants, EspalierError, formatShape, reducedAxes, sizeOf, stridesOf } from '@espalier/core';
import { type Axis, mergeAxes } from './walk.ts';

/** The axes that a call folds, or why they are not known. */
export function foldedAxes({ op, inputs: [x, given], attrs }: Call, constants: Constants): readonly number[] | string {
  if (op.startsWith('Global')) return x!.shape.flatMap((_, axis) => (axis < 2 ? [] : [axis]));
  if (given && !constants[1]) return 'its axes are not constant';
  const list = constants[1] ? Array.from(constants[1].tensor.data as BigInt64Array, Number) : [];
  return reducedAxes(list, x!.shape.length, attrs['noop_with_empty_axes'] === 1);
}

/** True where what is folded stands together: where no axis longer than 1 that stays comes last. */
export function foldsNeighbours({ inputs: [x] }: Call, axes: readonly number[]): boolean {
  const last = x!.shape.findLastIndex((d) => d !== 1);
  return last < 0 || axes.includes(last);
}

export interface ReductionWalk {
  /** Elements of the result, and how many each is made of. */
  readonly size: number;
  readonly count: number;
  /** Innermost first, with strides in bytes of the result and of the input. The first is one of neighbours: of what is folded, or of what stays. */
  readonly folded: readonly Axis[];
  readonly kept: readonly Axis[];
}

/**
 * @param isInner what {@link foldsNeighbours} says
 * @param bytes of an element
 * @throws EspalierError `SHAPE_MISMATCH`
 */
export function reductionWalk(
  x: readonly number[],
  y: readonly number[],
  axes: readonly number[],
  isInner: boolean,
  bytes: number,
): ReductionWalk {
  const kept = x.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
  const [size, count] = [sizeOf(kept), sizeOf(axes.map((axis) => x[axis]!))];
  if (sizeOf(y) !== size)
    throw new EspalierError('SHAPE_MISMATCH', `${formatShape(kept)} has not the size of ${formatShape(y)}`);
  const strides = [stridesOf(kept), stridesOf(x)];
  const along = (isFolded: boolean): Axis[] => {
    const chosen = x.flatMap((_, axis) => (axes.includes(axis) === isFolded ? [axis] : []));
    const merged = mergeAxes(
      chosen.map((axis) => x[axis]!),
      // Along folded axes the result stays where it is; a stride of its own would keep them from being one.
      strides.map((each, i) => chosen.map((axis) => (isFolded && i === 0 ? 0 : bytes * each[axis]!))),
    );
    const isApart = isFolded === isInner && merged[0]!.strides[1] !== bytes;
    return isApart ? [{ extent: 1, strides: [bytes, bytes] }, ...merged] : merged;
  };
  return { size, count, folded: along(true), kept: along(false) };
}
