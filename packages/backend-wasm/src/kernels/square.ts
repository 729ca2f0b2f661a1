/** Four vectors of four elements turned: rows become columns. */

import type { V128, Vectors } from '../vectors.ts';

export type Square = readonly [V128, V128, V128, V128];

export function turned(v: Vectors, [a, b, c, d]: Square): Square {
  const pair = (x: V128, y: V128, from: readonly number[]): V128 =>
    v.keep(() => v.f.i8x16_shuffle(x.get(), y.get(), from));
  const [ab, cd] = [pair(a, b, LOW), pair(c, d, LOW)];
  const [ab2, cd2] = [pair(a, b, HIGH), pair(c, d, HIGH)];
  return [pair(ab, cd, FIRST), pair(ab, cd, SECOND), pair(ab2, cd2, FIRST), pair(ab2, cd2, SECOND)];
}

const lanes = (...order: readonly number[]): number[] => order.flatMap((lane) => [0, 1, 2, 3].map((i) => 4 * lane + i));
/** Lanes of two vectors, those of the second from 4 on. */
const LOW = /* @__PURE__ */ lanes(0, 4, 1, 5);
const HIGH = /* @__PURE__ */ lanes(2, 6, 3, 7);
const FIRST = /* @__PURE__ */ lanes(0, 1, 4, 5);
const SECOND = /* @__PURE__ */ lanes(2, 3, 6, 7);
