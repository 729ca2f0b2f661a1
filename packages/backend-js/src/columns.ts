/**
 * Convolutions as matrix products: what the windows see is gathered into columns, a bounded number at a time, and the
 * weights multiply them.
 */

import type { Phase } from '@espalier/core';
import { agree } from './agree.ts';
import { units } from './define.ts';
import type { Floats } from './float.ts';
import { type Matrix, product } from './product.ts';
import type { WindowAxes } from './windows.ts';

/** Elements of columns that are held at a time. */
const HELD = 1 << 20;

export interface Convolution {
  readonly batch: number;
  readonly groups: number;
  /** Input channels, filters and taps of all groups together. */
  readonly channels: number;
  readonly filters: number;
  readonly taps: number;
  /** Positions of the window. */
  readonly positions: number;
  /** `[filters, channels / groups, taps]` */
  readonly weights: Floats;
  /** Where sums `[batch, filters, positions]` go. */
  // biome-ignore lint/suspicious/noExplicitAny: floats or integers.
  readonly sums: any;
  /** Puts what tap `tap` of `channel` sees in image `n` from position `from` to `to` into `columns`, from `at` on. */
  gather(n: number, channel: number, tap: number, from: number, to: number, columns: Floats, at: number): void;
  /** The input, where it is its own columns: windows of one tap that stand everywhere once. */
  readonly direct?: Floats | undefined;
}

/** The phases that compute `sums`. */
export function convolve(c: Convolution): Phase[] {
  const { batch, groups, taps, positions, weights } = c;
  agree(weights.length, (c.filters * c.channels * taps) / groups, 'elements of the weights');
  const [m, k] = [c.filters / groups, (c.channels / groups) * taps];
  const a: Matrix = { data: weights, row: k, column: 1 };
  const out: Matrix = { data: c.sums, row: positions, column: 1 };
  if (c.direct) {
    const b: Matrix = { data: c.direct, row: positions, column: 1 };
    const offsets = (i: number) => [(i % groups) * m * k, i * k * positions, i * m * positions] as const;
    return [product({ m, n: positions, k, a, b, c: out }, batch * groups, offsets)];
  }
  const rows = c.channels * taps;
  const width = Math.min(positions, Math.max(16, Math.floor(HELD / Math.max(1, rows))));
  const columns: Floats =
    weights instanceof Float64Array ? new Float64Array(rows * width) : new Float32Array(rows * width);
  const phases: Phase[] = [];
  for (let image = 0; image < batch; image++) {
    for (let first = 0; first < positions; first += width) {
      const n = Math.min(width, positions - first);
      const b: Matrix = { data: columns, row: n, column: 1 };
      const begin = image * c.filters * positions + first;
      phases.push(
        units(rows, (row) => {
          const channel = Math.floor(row / taps);
          c.gather(image, channel, row - channel * taps, first, first + n, columns, row * n);
        }),
        product({ m, n, k, a, b, c: out }, groups, (g) => [g * m * k, g * k * n, begin + g * m * positions]),
      );
    }
  }
  return phases;
}

/** Gathers through tables, from images `[batch, channels, ...]`: zero wherever a window sees no input. */
export function tableGather(x: Floats, channels: number, axes: WindowAxes): Convolution['gather'] {
  const [depth, height, width] = axes;
  return (n, channel, tap, from, to, columns, at) => {
    const kw = tap % width.kernel;
    const kh = Math.floor(tap / width.kernel) % height.kernel;
    const kd = Math.floor(tap / (width.kernel * height.kernel));
    const inW = width.index;
    const image = (n * channels + channel) * depth.input;
    for (let p = from; p < to; ) {
      const row = Math.floor(p / width.output);
      const start = p - row * width.output;
      const count = Math.min(width.output - start, to - p);
      const id = depth.index[kd * depth.output + Math.floor(row / height.output)];
      const ih = height.index[kh * height.output + (row % height.output)];
      if (id < 0 || ih < 0) columns.fill(0, at, at + count);
      else {
        const base = ((image + id) * height.input + ih) * width.input;
        const w = kw * width.output + start;
        for (let i = 0; i < count; i++) columns[at + i] = inW[w + i] < 0 ? 0 : x[base + inW[w + i]];
      }
      p += count;
      at += count;
    }
  };
}
