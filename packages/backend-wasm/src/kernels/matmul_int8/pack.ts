/** Weights of few bits in panels of columns, less their zero points: row by row of K, or in pairs along K of one column after the other. */

import { dtypes, elements, type Tensor } from '@espalier/core';

export type Bytes = Int8Array | Uint8Array;

/** Weights whose zero points are known, whether they fit into 8 bits without them. */
export interface Levels {
  readonly of: 'i8' | 'i16';
  readonly values: Bytes;
  /** Of each column. */
  readonly zeros: Int32Array;
}

const bytesOf = (tensor: Tensor): Bytes =>
  dtypes[tensor.type].bits === 8 ? (tensor.data as Bytes) : Int8Array.from(elements(tensor) as number[]);

/** @param n columns of `b` */
export function levelsOf(b: Tensor, zero: Tensor | undefined, n: number): Levels {
  const [values, given] = [bytesOf(b), zero && bytesOf(zero)];
  const zeros = Int32Array.from({ length: n }, (_, column) => (given ? given[given.length === 1 ? 0 : column]! : 0));
  let [least, most] = [0, 0];
  for (let i = 0; i < b.size; )
    for (let column = 0; column < n; column++) {
      const level = values[i++]! - zeros[column]!;
      if (level < least) least = level;
      if (level > most) most = level;
    }
  return { of: least >= -128 && most <= 127 ? 'i8' : 'i16', values, zeros };
}

/** Packs [k, n] into panels of `width` columns; yields after each. @param pair rows of K whose elements stand together */
export function* packLevels(
  { of, values, zeros }: Levels,
  [k, n]: readonly [number, number],
  width: number,
  pair: 1 | 2,
  { buffer, byteOffset, byteLength }: Uint8Array,
): Generator<void, void> {
  const to =
    of === 'i8' ? new Int8Array(buffer, byteOffset, byteLength) : new Int16Array(buffer, byteOffset, byteLength / 2);
  to.fill(0);
  for (let first = 0; first < n; first += width) {
    const panel = first * pair * Math.ceil(k / pair);
    const columns = Math.min(width, n - first);
    for (let row = 0; row < k; row++) {
      const write = panel + (row - (row % pair)) * width + (row % pair);
      const read = row * n + first;
      for (let i = 0; i < columns; i++) to[write + pair * i] = values[read + i]! - zeros[first + i]!;
    }
    yield;
  }
}
