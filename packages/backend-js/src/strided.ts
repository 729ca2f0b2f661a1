/** Copies between tensors of different strides: all that most ops which only move elements do. */

import { type Phase, stridesOf } from '@espalier/core';
import type { Operand } from './define.ts';

/** Elements that one unit of work copies at most. */
const CHUNK = 16384;
/** Runs shorter than this are copied faster by a loop than by a call. */
const SHORT = 32;

/** How far it is from one element of an axis to the next; or, for an axis in no even order, where each element is. */
export type Steps = number | ArrayLike<number>;

/** Where the elements of a copy lie in an array. Lists of positions may be filled after the copy was planned. */
export interface Side {
  // biome-ignore lint/suspicious/noExplicitAny: typed arrays of every kind, or strings.
  readonly data: any;
  readonly strides: readonly Steps[];
  /** Position of the first element. */
  readonly offset?: number;
}

/** An operand in its own order. */
export function whole({ data, dims }: Operand): Side {
  return { data, strides: stridesOf(dims) };
}

const at = (steps: Steps, index: number): number => (typeof steps === 'number' ? steps * index : steps[index]);

interface Axis {
  extent: number;
  to: Steps;
  from: Steps;
}

/** Axes without those of one element, and with those made one that both sides walk as if they were. */
function merge(dims: readonly number[], to: Side, from: Side): Axis[] {
  const axes: Axis[] = [];
  dims.forEach((extent, i) => {
    const axis = { extent, to: to.strides[i], from: from.strides[i] };
    const isEven = typeof axis.to === 'number' && typeof axis.from === 'number';
    if (extent === 1 && isEven) return;
    const last = axes.at(-1);
    if (last && isEven && last.to === (axis.to as number) * extent && last.from === (axis.from as number) * extent)
      Object.assign(last, { ...axis, extent: last.extent * extent });
    else axes.push(axis);
  });
  return axes;
}

/** Copies a block of `dims` elements; no two may be written to one place. */
export function copy(dims: readonly number[], to: Side, from: Side): Phase {
  const axes = merge(dims, to, from);
  // The order does not matter to the result, but a row of few elements costs more to find than to copy.
  const last = axes.at(-1)?.extent ?? 0;
  const longest = axes.reduce((best, { extent }, i) => (extent > axes[best].extent ? i : best), 0);
  const [inner = { extent: 1, to: 0, from: 0 }] = axes.splice(last < SHORT ? longest : -1, 1);
  const rows = axes.reduce((count, { extent }) => count * extent, 1);
  const parts = Math.ceil(inner.extent / CHUNK);
  return {
    units: rows * parts,
    run(first, end) {
      for (let unit = first; unit < end; unit++) {
        const part = unit % parts;
        let row = (unit - part) / parts;
        let [target, source] = [to.offset ?? 0, from.offset ?? 0];
        for (let i = axes.length - 1; i >= 0; i--) {
          const axis = axes[i];
          const index = row % axis.extent;
          row = (row - index) / axis.extent;
          target += at(axis.to, index);
          source += at(axis.from, index);
        }
        copyRow(inner, to.data, target, from.data, source, part * CHUNK, Math.min(inner.extent, (part + 1) * CHUNK));
      }
    },
  };
}

function copyRow(
  axis: Axis,
  target: Side['data'],
  to: number,
  source: Side['data'],
  from: number,
  first: number,
  end: number,
): void {
  const isRun = axis.to === 1 && end - first >= SHORT && !Array.isArray(target);
  if (isRun && axis.from === 1) target.set(source.subarray(from + first, from + end), to + first);
  else if (isRun && axis.from === 0) target.fill(source[from], to + first, to + end);
  else for (let i = first; i < end; i++) target[to + at(axis.to, i)] = source[from + at(axis.from, i)];
}

/** Copies all elements of one operand to another of the same size. */
export function copyAll(to: Operand, from: Operand): Phase {
  return copy([from.size], { data: to.data, strides: [1] }, { data: from.data, strides: [1] });
}

/** Writes one value, asked for when the work is done, everywhere. */
export function fill({ data, size }: Operand, value: () => unknown): Phase {
  return {
    units: Math.ceil(size / CHUNK),
    run: (first, end) => void data.fill(value(), first * CHUNK, Math.min(size, end * CHUNK)),
  };
}

/** Calls `visit` for elements `from` to `to` of `dims` in row-major order, with where each lies at these strides. */
export function walk(
  dims: readonly number[],
  strides: readonly number[],
  from: number,
  to: number,
  visit: (index: number, position: number) => void,
): void {
  const length = dims.at(-1) ?? 1;
  const step = strides.at(-1) ?? 0;
  for (let index = from; index < to; ) {
    const start = index % length;
    let row = (index - start) / length;
    let position = start * step;
    for (let axis = dims.length - 2; axis >= 0; axis--) {
      const i = row % dims[axis];
      row = (row - i) / dims[axis];
      position += i * strides[axis];
    }
    for (let i = start; i < length && index < to; i++, index++, position += step) visit(index, position);
  }
}
