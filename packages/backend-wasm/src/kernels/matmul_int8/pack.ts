/** Weights for dot products: panels of columns, in each pairs along K of one column after the other, less their zero points. */

import { elements, type Tensor } from '@espalier/core';

/** Weights without their zero points, whether they fit into 8 bits. */
export interface Levels {
  readonly of: 'i8' | 'i16';
  at(row: number, column: number): number;
}

/** @param n columns of `b` */
export function levelsOf(b: Tensor, zero: Tensor | undefined, n: number): Levels {
  const values = elements(b) as ArrayLike<number>;
  const zeros = zero && (elements(zero) as ArrayLike<number>);
  const zeroOf = (column: number): number => (zeros ? zeros[zeros.length === 1 ? 0 : column]! : 0);
  let [least, most] = [0, 0];
  for (let i = 0, column = 0; i < b.size; i++, column = column + 1 < n ? column + 1 : 0) {
    const level = values[i]! - zeroOf(column);
    if (level < least) least = level;
    if (level > most) most = level;
  }
  return {
    of: least >= -128 && most <= 127 ? 'i8' : 'i16',
    at: (row, column) => values[row * n + column]! - zeroOf(column),
  };
}

/** Packs [k, n] into panels of `width` columns; yields after each. */
export function* packLevels(
  { of, at }: Levels,
  [k, n]: readonly [number, number],
  width: number,
  { buffer, byteOffset, byteLength }: Uint8Array,
): Generator<void, void> {
  const to =
    of === 'i8' ? new Int8Array(buffer, byteOffset, byteLength) : new Int16Array(buffer, byteOffset, byteLength / 2);
  let write = 0;
  for (let first = 0; first < n; first += width) {
    for (let row = 0; row < k; row += 2)
      for (let column = first; column < first + width; column++)
        for (const each of [row, row + 1]) to[write++] = each < k && column < n ? at(each, column) : 0;
    yield;
  }
}
