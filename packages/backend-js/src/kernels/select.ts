/** Ops whose results have sizes that only the elements tell: NonZero, Compress, Unique, NonMaxSuppression. */

import {
  type Call,
  driving,
  EspalierError,
  type HostKernel,
  normalizeAxis,
  sizeOf,
  stridesOf,
  Tensor,
} from '@espalier/core';
import { define } from '../define.ts';
import { arrayLike, counting, reader, sorted } from '../elements.ts';
import { copy } from '../strided.ts';

type Inputs = readonly (Tensor | undefined)[];

function* nonZero(_: Call, [x]: Inputs): Generator<void, readonly Tensor[]> {
  const read = reader(x!);
  const found: number[] = [];
  yield* counting(x!.size, (i) => {
    const value = read(i);
    // NaN is not zero.
    if (value !== 0 && value !== 0n && value !== '') found.push(i);
  });
  const strides = stridesOf(x!.dims);
  const data = new BigInt64Array(strides.length * found.length);
  yield* counting(found.length, (i) => {
    for (let axis = 0; axis < strides.length; axis++)
      data[axis * found.length + i] = BigInt(Math.floor(found[i] / strides[axis]) % x!.dims[axis]);
  });
  return [new Tensor('int64', data, [strides.length, found.length])];
}

/** A tensor seen as slices along an axis, or as its single elements where there is no axis. */
function slices({ dims, size }: Tensor, axis: number | undefined) {
  if (axis === undefined) return { outer: 1, extent: size, inner: 1, dimsOf: (count: number) => [count] };
  return {
    outer: sizeOf(dims.slice(0, axis)),
    extent: dims[axis],
    inner: sizeOf(dims.slice(axis + 1)),
    dimsOf: (count: number) => dims.with(axis, count),
  };
}

function axisOf({ attrs }: Call, x: Tensor): number | undefined {
  return attrs.axis === undefined ? undefined : normalizeAxis(attrs.axis as number, x.dims.length);
}

/** The slices of a tensor along an axis that `indices` name. */
function* take(x: Tensor, axis: number | undefined, indices: readonly number[]): Generator<void, Tensor> {
  const { outer, extent, inner, dimsOf } = slices(x, axis);
  const count = indices.length;
  const data = arrayLike(x.data, outer * count * inner);
  const starts = indices.map((index) => index * inner);
  const to = { data, strides: [count * inner, inner, 1] };
  yield* driving([copy([outer, count, inner], to, { data: x.data, strides: [extent * inner, starts, 1] })]);
  return new Tensor(x.type, data, dimsOf(count));
}

function* compress(call: Call, [x, condition]: Inputs): Generator<void, readonly Tensor[]> {
  const axis = axisOf(call, x!);
  const { extent } = slices(x!, axis);
  const kept: number[] = [];
  const flags = condition!.data as Uint8Array;
  yield* counting(flags.length, (i) => {
    if (flags[i]) kept.push(i);
  });
  const last = kept.at(-1) ?? -1;
  if (last >= extent)
    throw new EspalierError('BAD_INPUT', `the index ${last} is out of range for axis ${axis ?? 0} of extent ${extent}`);
  return [yield* take(x!, axis, kept)];
}

function* unique(call: Call, [x]: Inputs): Generator<void, readonly Tensor[]> {
  const axis = axisOf(call, x!);
  const { outer, extent, inner } = slices(x!, axis);
  const read = reader(x!);
  const compare = (a: number, b: number): number => {
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const order = compareElements(read((o * extent + a) * inner + i), read((o * extent + b) * inner + i));
        if (order !== 0) return order;
      }
    }
    return 0;
  };
  const order = yield* sorted(extent, compare);
  // The first of each group of equal slices, and the group of each slice.
  let firsts: number[] = [];
  const groups = new Float64Array(extent);
  yield* counting(extent, (i) => {
    if (i === 0 || compare(order[i - 1], order[i]) !== 0) firsts.push(order[i]);
    groups[order[i]] = firsts.length - 1;
  });
  if (!call.attrs.sorted) {
    const byFirst = yield* sorted(firsts.length, (a, b) => firsts[a] - firsts[b]);
    const rank = new Float64Array(firsts.length);
    byFirst.forEach((group, i) => {
      rank[group] = i;
    });
    firsts = Array.from(byFirst, (group) => firsts[group]);
    yield* counting(extent, (i) => {
      groups[i] = rank[groups[i]];
    });
  }
  const counts = new Float64Array(firsts.length);
  yield* counting(extent, (i) => void counts[groups[i]]++);
  return [yield* take(x!, axis, firsts), yield* list(firsts), yield* list(groups), yield* list(counts)];
}

/** Whole numbers as a tensor. */
function* list(values: ArrayLike<number>): Generator<void, Tensor> {
  const data = new BigInt64Array(values.length);
  yield* counting(values.length, (i) => {
    data[i] = BigInt(values[i]);
  });
  return new Tensor('int64', data, [values.length]);
}

/** Ascending; NaN last, and equal to itself. */
function compareElements(a: number | bigint | string, b: number | bigint | string): number {
  if (a < b) return -1;
  if (a > b) return 1;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

/** Boxes as corners, whatever diagonal they are given by. */
function cornersOf(boxes: Float32Array, centered: boolean): Float64Array {
  const corners = new Float64Array(boxes.length);
  for (let i = 0; i < boxes.length; i += 4) {
    const [a, b, c, d] = boxes.subarray(i, i + 4);
    if (centered) corners.set([a - c / 2, b - d / 2, a + c / 2, b + d / 2], i);
    else corners.set([Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)], i);
  }
  return corners;
}

/** How much boxes at `a` and `b` overlap: intersection over union. */
function overlap(corners: Float64Array, a: number, b: number): number {
  const side = (from: number, to: number): number => Math.max(0, to - from);
  const area = (i: number): number => side(corners[i], corners[i + 2]) * side(corners[i + 1], corners[i + 3]);
  const shared =
    side(Math.max(corners[a], corners[b]), Math.min(corners[a + 2], corners[b + 2])) *
    side(Math.max(corners[a + 1], corners[b + 1]), Math.min(corners[a + 3], corners[b + 3]));
  return shared <= 0 ? 0 : shared / (area(a) + area(b) - shared);
}

function* nonMaxSuppression(call: Call, inputs: Inputs): Generator<void, readonly Tensor[]> {
  const [boxes, scores] = inputs as readonly Tensor[];
  const [most = 0, threshold = 0, lowest] = inputs
    .slice(2)
    .map((tensor) => tensor && Number((tensor.data as ArrayLike<number | bigint>)[0]));
  const corners = cornersOf(boxes.data as Float32Array, call.attrs.center_point_box === 1);
  const score = scores.data as Float32Array;
  const [batches, classes, count] = scores.dims;
  if (boxes.dims[0] !== batches || boxes.dims[1] !== count)
    throw new EspalierError('SHAPE_MISMATCH', `boxes of [${boxes.dims}] do not fit scores of [${scores.dims}]`);
  const selected: number[] = [];
  for (let line = 0; line < batches * classes; line++) {
    const batch = Math.floor(line / classes);
    const at = (box: number): number => score[line * count + box];
    const box = (index: number): number => (batch * count + index) * 4;
    const order = yield* sorted(count, (a, b) => at(b) - at(a));
    const kept: number[] = [];
    for (const candidate of order) {
      if (kept.length >= most) break;
      if (lowest !== undefined && !(at(candidate) > lowest)) continue;
      yield;
      if (kept.some((other) => overlap(corners, box(other), box(candidate)) > threshold)) continue;
      kept.push(candidate);
    }
    for (const index of kept) selected.push(batch, line % classes, index);
  }
  return [new Tensor('int64', BigInt64Array.from(selected, BigInt), [selected.length / 3, 3])];
}

export const selections: readonly HostKernel[] = [
  define({ op: 'NonZero', evaluate: nonZero }),
  define({ op: 'Compress', evaluate: compress }),
  define({ op: 'Unique', evaluate: unique }),
  define({ op: 'NonMaxSuppression', evaluate: nonMaxSuppression }),
];
