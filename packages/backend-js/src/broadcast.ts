/** Walks operands in the shape that they broadcast to (numpy's rules), in rows that an inner loop can take with fixed steps. */

import { broadcastStrides, EspalierError, formatShape } from '@espalier/core';

/** A row of the result: `count` elements from `at` on; operand `k` is read from `offsets[k]`, which holds only during the call. */
export type Row = (at: number, count: number, offsets: readonly number[]) => void;

export interface Broadcast {
  /** How far each operand advances from one element of a row to the next; 0 for one that is repeated. */
  readonly steps: readonly number[];
  /** Calls `row` for one part after another of the result's elements `from` to `to`. */
  rows(from: number, to: number, row: Row): void;
}

/**
 * Rows are as long as they can be: where all shapes are equal, or an operand is a scalar, there is one.
 * @throws EspalierError `SHAPE_MISMATCH` when an operand does not broadcast to `to`
 */
export function broadcast(to: readonly number[], ...operands: readonly (readonly number[])[]): Broadcast {
  for (const dims of operands) checkFits(dims, to);
  const strides = operands.map((dims) => broadcastStrides(dims, to));
  // Innermost first. Axes that every operand walks as if they were one become one.
  const extents: number[] = [];
  const walks: number[][] = operands.map(() => []);
  for (let axis = to.length - 1; axis >= 0; axis--) {
    if (to[axis] === 1) continue;
    const last = extents.length - 1;
    if (last >= 0 && walks.every((walk, k) => strides[k]![axis] === walk[last]! * extents[last]!)) {
      extents[last]! *= to[axis]!;
    } else {
      extents.push(to[axis]!);
      for (const [k, walk] of walks.entries()) walk.push(strides[k]![axis]!);
    }
  }
  const length = extents[0] ?? 1;
  const steps = walks.map((walk) => walk[0] ?? 0);
  const offsets = operands.map(() => 0);
  return {
    steps,
    rows(from, to, row) {
      for (let at = from; at < to; ) {
        const start = at % length;
        let rest = (at - start) / length;
        for (let k = 0; k < offsets.length; k++) offsets[k] = steps[k]! * start;
        for (let axis = 1; axis < extents.length; axis++) {
          const index = rest % extents[axis]!;
          rest = (rest - index) / extents[axis]!;
          for (let k = 0; k < offsets.length; k++) offsets[k]! += walks[k]![axis]! * index;
        }
        const count = Math.min(length - start, to - at);
        row(at, count, offsets);
        at += count;
      }
    },
  };
}

// A shape that was inferred from symbols promises more than a run has to keep: reading past an operand must be impossible.
function checkFits(dims: readonly number[], to: readonly number[]): void {
  const lead = to.length - dims.length;
  if (lead < 0 || dims.some((extent, axis) => extent !== 1 && extent !== to[lead + axis]))
    throw new EspalierError('SHAPE_MISMATCH', `${formatShape(dims)} does not broadcast to ${formatShape(to)}`);
}
