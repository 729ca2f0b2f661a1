/** Interpolation between grid points along one axis: which points count, and how much. */

import type { Floats } from './float.ts';
import { roundHalfEven } from './numeric.ts';

/** The cubic convolution kernel at distance `x` >= 0. */
export function cubic(x: number, a: number): number {
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

export type Interpolation = 'nearest' | 'linear' | 'cubic';
export type Padding = 'zeros' | 'border' | 'reflection';

/** Reads images of `dims` (depth, height, width) between their points; the sum over up to four taps along each axis. */
export class Sampler {
  private readonly dims: readonly [number, number, number];
  private readonly mode: Interpolation;
  private readonly padding: Padding;
  /** How far beyond the first and last point the borders lie, at which `reflection` reflects. */
  private readonly margin: number;
  private readonly count = [1, 1, 1];
  /** Four for each axis; -1 for a point that counts as zero. */
  private readonly index = new Int32Array(12);
  private readonly weight = new Float64Array(12);

  constructor(dims: readonly [number, number, number], mode: Interpolation, padding: Padding, margin: number) {
    this.dims = dims;
    this.mode = mode;
    this.padding = padding;
    this.margin = margin;
    this.weight.fill(1);
  }

  /** Moves to position `x` along `axis`; axes that are never moved along stay at 0. */
  move(axis: number, x: number): void {
    const at = 4 * axis;
    if (this.mode === 'nearest') {
      this.index[at] = this.inside(axis, this.fold(axis, roundHalfEven(x)));
      return;
    }
    // Cubic convolution folds each of its points instead, as PyTorch does.
    const place = this.mode === 'cubic' ? x : this.fold(axis, x);
    const floor = Math.floor(place);
    const rest = place - floor;
    if (this.mode === 'linear') {
      this.count[axis] = 2;
      this.weight[at] = 1 - rest;
      this.weight[at + 1] = rest;
    } else {
      this.count[axis] = 4;
      for (let i = 0; i < 4; i++) this.weight[at + i] = cubic(Math.abs(rest + 1 - i), CUBIC);
    }
    const first = this.mode === 'linear' ? floor : floor - 1;
    for (let i = 0; i < this.count[axis]; i++) this.index[at + i] = this.inside(axis, first + i);
  }

  /** The value there, of the image that begins at `base`. */
  read(data: Floats, base: number): number {
    const [, height, width] = this.dims;
    const { count, index, weight } = this;
    let sum = 0;
    for (let i = 0; i < count[0]; i++) {
      if (index[i] < 0) continue;
      for (let j = 4; j < 4 + count[1]; j++) {
        if (index[j] < 0) continue;
        const row = base + (index[i] * height + index[j]) * width;
        let part = 0;
        for (let k = 8; k < 8 + count[2]; k++) if (index[k] >= 0) part += weight[k] * data[row + index[k]];
        sum += weight[i] * weight[j] * part;
      }
    }
    return sum;
  }

  /** A position outside moved inside, by the rule for padding. */
  private fold(axis: number, x: number): number {
    const last = this.dims[axis] - 1;
    const [least, greatest] = [-this.margin, last + this.margin];
    if (this.padding === 'zeros' || (x >= least && x <= greatest)) return x;
    return this.padding === 'border' ? Math.min(last, Math.max(0, x)) : reflect(x, least, greatest);
  }

  private inside(axis: number, index: number): number {
    const last = this.dims[axis] - 1;
    if (index >= 0 && index <= last) return index;
    return this.padding === 'zeros' ? -1 : Math.min(last, Math.max(0, this.fold(axis, index)));
  }
}

/** The coefficient of cubic convolution that GridSample has. */
const CUBIC = -0.75;

function reflect(x: number, least: number, greatest: number): number {
  const range = greatest - least;
  if (range === 0) return least;
  const far = x < least ? least - x : x - greatest;
  const turns = Math.floor(far / range);
  const rest = far - turns * range;
  return (turns % 2 === 0) === x < least ? least + rest : greatest - rest;
}
