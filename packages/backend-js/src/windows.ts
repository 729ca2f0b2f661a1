/** Windows over up to three spatial axes, as tables of the input positions that they see. */

import type { SlidingWindow } from '@espalier/core';

/** The most spatial axes that windows are written for here. */
export const MAX_SPATIAL = 3;

/** Why a call whose first input is `[N, C, ...spatial]` cannot be served. */
export function rejectSpatial(rank: number): string | undefined {
  return rank > MAX_SPATIAL + 2 ? `has ${rank - 2} spatial axes; at most ${MAX_SPATIAL} are implemented` : undefined;
}

/** Depth, height, width: axes that are missing come first, with extent 1. */
export type Triple = readonly [number, number, number];

export function triple(values: readonly number[], missing = 1): Triple {
  return [...new Array<number>(MAX_SPATIAL - values.length).fill(missing), ...values] as unknown as Triple;
}

/** What stands in a table where a window sees padding, and where it sees nothing at all. */
export const PADDING = -1;
export const OUTSIDE = -2;

/** Along one axis: `index[k * output + o]` is the input position that tap `k` sees when the window stands at `o`. */
export interface WindowAxis {
  readonly input: number;
  readonly output: number;
  readonly kernel: number;
  readonly index: Int32Array;
}

type Place = (o: number, k: number) => number;

function axis(input: number, output: number, kernel: number, place: Place): WindowAxis {
  const index = new Int32Array(kernel * output);
  for (let k = 0; k < kernel; k++) for (let o = 0; o < output; o++) index[k * output + o] = place(o, k);
  return { input, output, kernel, index };
}

export type WindowAxes = readonly [WindowAxis, WindowAxis, WindowAxis];

/** The tables of a window over an input of this spatial shape. */
export function windowAxes(window: SlidingWindow<number>, spatial: readonly number[]): WindowAxes {
  const axes = spatial.map((size, i) => {
    const [stride, dilation, begin, end] = [window.strides[i], window.dilations[i], window.begin[i], window.end[i]];
    return axis(size, window.output[i], window.kernel[i], (o, k) => {
      const at = o * stride + k * dilation - begin;
      if (at >= 0 && at < size) return at;
      return at < size + end ? PADDING : OUTSIDE;
    });
  });
  return padded(axes);
}

/** The same for a transposed convolution: which input position meets tap `k` at output position `o`. */
export function transposedAxes(window: SlidingWindow<number>, spatial: readonly number[]): WindowAxes {
  const axes = spatial.map((size, i) => {
    const [stride, dilation, begin] = [window.strides[i], window.dilations[i], window.begin[i]];
    return axis(size, window.output[i], window.kernel[i], (o, k) => {
      const at = (o + begin - k * dilation) / stride;
      return Number.isInteger(at) && at >= 0 && at < size ? at : OUTSIDE;
    });
  });
  return padded(axes);
}

function padded(axes: readonly WindowAxis[]): WindowAxes {
  const missing = Array.from({ length: MAX_SPATIAL - axes.length }, () => axis(1, 1, 1, () => 0));
  return [...missing, ...axes] as unknown as WindowAxes;
}
