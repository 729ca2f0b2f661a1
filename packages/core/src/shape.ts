/** Shapes: lists of dimensions, ONNX (numpy) broadcasting, strides. */

import { type Binding, type Dim, dim } from './dim.ts';
import { EspalierError } from './errors.ts';

export type Shape = readonly Dim[];

/** Shapes broadcast together as numpy does it: aligned at the right. Throws `SHAPE_MISMATCH`. */
export function broadcastShapes(...shapes: readonly Shape[]): Dim[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    let extent: Dim = 1;
    for (const shape of shapes) {
      const at = axis - rank + shape.length;
      if (at >= 0) extent = dim.broadcast(extent, shape[at]!);
    }
    return extent;
  });
}

/**
 * A shape with every symbol replaced by its value. Throws `BAD_INPUT` for a symbol without one, `SHAPE_MISMATCH` where a size
 * comes out negative: a picture smaller than the window that is to slide over it.
 */
export function bindShape(shape: Shape, at: Binding): number[] {
  return shape.map((d) => {
    const size = dim.evaluate(d, at);
    if (size < 0)
      throw new EspalierError('SHAPE_MISMATCH', `the size ${d} comes out as ${size}: an input is too small`);
    return size;
  });
}

/** The number of elements; throws `LIMIT` beyond 2^53. */
export function sizeOf(dims: readonly number[]): number {
  let size = 1;
  for (const d of dims) size *= d;
  if (!Number.isSafeInteger(size))
    throw new EspalierError('LIMIT', `a tensor of [${dims}] has more than 2^53 elements`);
  return size;
}

/** Row-major strides, in elements. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length);
  let step = 1;
  for (let i = dims.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= dims[i]!;
  }
  return strides;
}

/** Strides to walk `dims` in the shape `to` that it broadcasts to: 0 along broadcast axes. */
export function broadcastStrides(dims: readonly number[], to: readonly number[]): number[] {
  const strides = stridesOf(dims);
  return to.map((_, axis) => {
    const at = axis - to.length + dims.length;
    return at < 0 || dims[at] === 1 ? 0 : strides[at]!;
  });
}

/** A negative axis counted from the end; throws `BAD_GRAPH` when it is out of [-rank, rank). */
export function normalizeAxis(axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw new EspalierError('BAD_GRAPH', `axis ${axis} is out of range for rank ${rank}`);
  }
  return axis < 0 ? axis + rank : axis;
}

/** `[batch,3,224]` for messages. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(',')}]`;
}
