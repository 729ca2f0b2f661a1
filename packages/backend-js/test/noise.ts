/** Reproducible pseudo-random numbers. */

import type { Tensor } from '@espalier/core';
import { tensor } from './run.ts';

let state = 1;

/** In [0, 1). Source: mulberry32. */
export function random(): number {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

/** An integer from `least` to `greatest`. */
export const integer = (least: number, greatest: number): number =>
  least + Math.floor(random() * (greatest - least + 1));

const list = (dims: readonly number[], make: () => number): number[] =>
  Array.from({ length: dims.reduce((a, b) => a * b, 1) }, make);

/** float32 numbers in [-1, 1). */
export const noise = (...dims: number[]): Tensor =>
  tensor(
    'float32',
    list(dims, () => random() * 2 - 1),
    dims,
  );

/** Integers of a dtype. */
export const integers = (
  dtype: 'int8' | 'uint8' | 'int32' | 'int64',
  dims: number[],
  least: number,
  greatest: number,
) =>
  tensor(
    dtype,
    list(dims, () => integer(least, greatest)),
    dims,
  );
