/** Folding elements along axes: what reductions and statistics over axes share. */

import { type Phase, sizeOf, stridesOf } from '@espalier/core';
import { units } from './define.ts';

/** Elements that one unit folds. */
const CHUNK = 1 << 16;

/** Axes to walk, innermost first; those that lie behind one another in memory are one. */
interface Walk {
  readonly size: number;
  readonly extents: readonly number[];
  readonly steps: readonly number[];
}

function walkOf(dims: readonly number[], axes: readonly number[]): Walk {
  const strides = stridesOf(dims);
  const extents: number[] = [];
  const steps: number[] = [];
  for (const axis of [...axes].reverse()) {
    const last = extents.length - 1;
    if (last >= 0 && strides[axis] === steps[last] * extents[last]) extents[last] *= dims[axis];
    else {
      extents.push(dims[axis]);
      steps.push(strides[axis]);
    }
  }
  return { size: sizeOf(axes.map((axis) => dims[axis])), extents, steps };
}

function offsetOf({ extents, steps }: Walk, index: number, from = 0): number {
  let offset = 0;
  for (let i = from; i < extents.length; i++) {
    const rest = index % extents[i];
    offset += rest * steps[i];
    index = (index - rest) / extents[i];
  }
  return offset;
}

/** How a tensor's elements fall into groups: one for each index of the axes that are kept. */
export interface Grouping {
  readonly groups: number;
  /** Elements of each group. */
  readonly count: number;
  readonly kept: Walk;
  readonly folded: Walk;
}

/** Groups the elements of a tensor of `dims` that differ only along `axes` (ascending). */
export function groupBy(dims: readonly number[], axes: readonly number[]): Grouping {
  const kept = walkOf(
    dims,
    dims.map((_, axis) => axis).filter((axis) => !axes.includes(axis)),
  );
  const folded = walkOf(dims, axes);
  return { groups: kept.size, count: folded.size, kept, folded };
}

/** Told of elements of `group`: `count` of them from `at` on, `step` apart. */
export type Visit = (group: number, at: number, count: number, step: number) => void;

/** Visits all elements, those of one group in order. */
export function visitGroups({ groups, count, kept, folded }: Grouping, visit: Visit): Phase {
  const chunks = Math.max(1, Math.ceil(count / CHUNK));
  const length = folded.extents[0] ?? 1;
  const step = folded.steps[0] ?? 1;
  const run = (group: number, from: number, to: number): void => {
    const base = offsetOf(kept, group);
    for (let index = from; index < to; ) {
      const start = index % length;
      const part = Math.min(length - start, to - index);
      visit(group, base + start * step + offsetOf(folded, (index - start) / length, 1), part, step);
      index += part;
    }
  };
  const chunk = (unit: number): void => {
    const group = Math.floor(unit / chunks);
    const first = (unit - group * chunks) * CHUNK;
    run(group, first, Math.min(count, first + CHUNK));
  };
  return units(groups * chunks, chunk, chunks > 1);
}
