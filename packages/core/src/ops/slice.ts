/** What a Slice takes of one axis. */

import { type Dim, dim } from '../dim.ts';

/** Bounds from here on mean "as far as it goes": what exporters write where they do not know the size. */
const FAR = 2 ** 31 - 1;

/** The first element that Slice takes of an axis, and how many; bounds beyond the axis are clamped as ONNX says. */
export function sliceRange(extent: number, start: number, end: number, step: number): { start: number; count: number } {
  const at = (bound: number, low: number, high: number): number =>
    Math.min(Math.max(bound < 0 ? bound + extent : bound, low), high);
  const [from, to] =
    step > 0 ? [at(start, 0, extent), at(end, 0, extent)] : [at(start, 0, extent - 1), at(end, -1, extent - 1)];
  return { start: from, count: Math.max(0, Math.ceil((to - from) / step)) };
}

/** How many elements Slice takes of an axis; undefined where it depends on the sign of a bound that is not certain. */
export function sliceExtent(extent: Dim, start: Dim, end: Dim, step: number): Dim | undefined {
  if (typeof extent === 'number' && typeof start === 'number' && typeof end === 'number')
    return sliceRange(extent, start, end, step).count;
  const [startIsNegative, endIsNegative] = [isNegative(start), isNegative(end)];
  if (startIsNegative === undefined || endIsNegative === undefined) return undefined;
  const [startIsFar, endIsFar] = [isFar(start), isFar(end)];
  if (step > 0) {
    if (startIsFar ? !startIsNegative : endIsFar && endIsNegative) return 0;
    let to = endIsNegative ? dim.add(extent, end) : extent;
    if (!endIsNegative && !endIsFar) to = dim.min(end, extent);
    let length: Dim;
    if (startIsNegative && startIsFar) length = to;
    else if (!startIsNegative) length = dim.sub(to, start);
    // to - max(extent + start, 0), written so that the last k of an axis are min(k, extent).
    else length = dim.min(dim.sub(dim.sub(to, extent), start), to);
    // A size is never negative, so all of it needs no max.
    return length === extent ? dim.ceilDiv(extent, step) : dim.max(dim.ceilDiv(length, step), 0);
  }
  if (endIsFar && !endIsNegative) return 0;
  const last = dim.sub(extent, 1);
  let from = last;
  if (startIsNegative && start !== -1) from = dim.min(dim.max(dim.add(extent, start), 0), last);
  else if (!startIsNegative && !startIsFar) from = dim.min(start, last);
  let to: Dim = -1;
  if (!endIsNegative) to = dim.min(end, last);
  else if (!endIsFar) to = dim.max(dim.add(extent, end), -1);
  return dim.max(dim.ceilDiv(dim.sub(from, to), -step), 0);
}

function isFar(bound: Dim): boolean {
  return typeof bound === 'number' && Math.abs(bound) >= FAR;
}

function isNegative(bound: Dim): boolean | undefined {
  if (dim.lowerBound(bound) >= 0) return false;
  return dim.lowerBound(dim.sub(0, bound)) > 0 ? true : undefined;
}
