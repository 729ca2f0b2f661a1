/** Products of matrices that lie strided in flat arrays, in tiles of 2 rows and 4 columns. */

import type { Phase } from '@espalier/core';

/** Element (i, j) of a matrix is at `offset + i * row + j * column`. */
export interface Matrix {
  // biome-ignore lint/suspicious/noExplicitAny: number and bigint arrays do not mix in one product.
  readonly data: any;
  readonly row: number;
  readonly column: number;
}

/** `C = A B`, A being `m` x `k` and B `k` x `n`, for each of a batch of offsets. */
export interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: Matrix;
  readonly b: Matrix;
  readonly c: Matrix;
}

/** Where the matrices of one product of a batch begin. */
export type Offsets = readonly [a: number, b: number, c: number];

const ROWS = 2;
const COLUMNS = 4;

/** The product with B^T A^T = (A B)^T in its place where that fills tiles better. */
function oriented(p: Product): Product {
  if (p.n >= COLUMNS || p.m <= p.n) return p;
  const turn = ({ data, row, column }: Matrix): Matrix => ({ data, row: column, column: row });
  return { m: p.n, n: p.m, k: p.k, a: turn(p.b), b: turn(p.a), c: turn(p.c) };
}

/** A phase of one unit per tile. Accumulates in float64; int32 and 64-bit integers wrap around exactly. */
export function product(given: Product, batch: number, offsets: (batch: number) => Offsets): Phase {
  const p = oriented(given);
  const isTurned = p !== given;
  const across = Math.ceil(p.n / COLUMNS);
  const tiles = Math.ceil(p.m / ROWS) * across;
  const tile = tileFor(p);
  return {
    units: tiles * batch,
    run(from, to) {
      let index = Math.floor(from / tiles);
      let at = from - index * tiles;
      for (let left = to - from; left > 0; index++, at = 0) {
        const [a, b, c] = offsets(index);
        const end = Math.min(tiles, at + left);
        left -= end - at;
        for (; at < end; at++) {
          const i = Math.floor(at / across);
          tile(p, isTurned ? b : a, isTurned ? a : b, c, i * ROWS, (at - i * across) * COLUMNS);
        }
      }
    },
  };
}

/** The whole product at once, for what is small within a unit of its own. */
export function multiply(given: Product, offsets: Offsets): void {
  const phase = product(given, 1, () => offsets);
  phase.run(0, phase.units);
}

type Tile = (p: Product, a: number, b: number, c: number, i: number, j: number) => void;

function tileFor({ a, b }: Product): Tile {
  if (a.data instanceof Float32Array && b.data instanceof Float32Array) return float32Tile;
  if (a.data instanceof BigInt64Array || a.data instanceof BigUint64Array) return dotTile(bigDot);
  const isWhole = a.data instanceof Int32Array || a.data instanceof Uint32Array;
  return dotTile(isWhole ? int32Dot : floatDot);
}

/**
 * Rows i, i+1 and columns j..j+3. At the edges of C the last row and column stand in for those that are missing: what they
 * give is stored twice.
 */
function float32Tile({ m, n, k, a: A, b: B, c: C }: Product, a: number, b: number, c: number, i: number, j: number) {
  const x: Float32Array = A.data;
  const y: Float32Array = B.data;
  const row = i + 1 < m ? A.row : 0;
  const [j1, j2, j3] = [Math.min(j + 1, n - 1), Math.min(j + 2, n - 1), Math.min(j + 3, n - 1)];
  let p0 = a + i * A.row;
  let p1 = p0 + row;
  let q0 = b + j * B.column;
  let q1 = b + j1 * B.column;
  let q2 = b + j2 * B.column;
  let q3 = b + j3 * B.column;
  let c00 = 0;
  let c01 = 0;
  let c02 = 0;
  let c03 = 0;
  let c10 = 0;
  let c11 = 0;
  let c12 = 0;
  let c13 = 0;
  for (let step = 0; step < k; step++) {
    const v0 = x[p0];
    const v1 = x[p1];
    let w = y[q0];
    c00 += v0 * w;
    c10 += v1 * w;
    w = y[q1];
    c01 += v0 * w;
    c11 += v1 * w;
    w = y[q2];
    c02 += v0 * w;
    c12 += v1 * w;
    w = y[q3];
    c03 += v0 * w;
    c13 += v1 * w;
    p0 += A.column;
    p1 += A.column;
    q0 += B.row;
    q1 += B.row;
    q2 += B.row;
    q3 += B.row;
  }
  const out = C.data;
  let at = c + i * C.row;
  out[at + j * C.column] = c00;
  out[at + j1 * C.column] = c01;
  out[at + j2 * C.column] = c02;
  out[at + j3 * C.column] = c03;
  at += i + 1 < m ? C.row : 0;
  out[at + j * C.column] = c10;
  out[at + j1 * C.column] = c11;
  out[at + j2 * C.column] = c12;
  out[at + j3 * C.column] = c13;
}

// biome-ignore lint/suspicious/noExplicitAny: the arrays of one element type or another.
type Dot = (x: any, p: number, pStep: number, y: any, q: number, qStep: number, k: number) => number | bigint;

const floatDot: Dot = (x, p, pStep, y, q, qStep, k) => {
  let sum = 0;
  for (let step = 0; step < k; step++, p += pStep, q += qStep) sum += x[p] * y[q];
  return sum;
};

const int32Dot: Dot = (x, p, pStep, y, q, qStep, k) => {
  let sum = 0;
  for (let step = 0; step < k; step++, p += pStep, q += qStep) sum = (sum + Math.imul(x[p], y[q])) | 0;
  return sum;
};

const bigDot: Dot = (x, p, pStep, y, q, qStep, k) => {
  let sum = 0n;
  for (let step = 0; step < k; step++, p += pStep, q += qStep) sum += (x[p] as bigint) * (y[q] as bigint);
  return sum;
};

const dotTile =
  (dot: Dot): Tile =>
  ({ m, n, k, a: A, b: B, c: C }, a, b, c, i, j) => {
    for (let r = i; r < Math.min(m, i + ROWS); r++) {
      for (let s = j; s < Math.min(n, j + COLUMNS); s++) {
        const value = dot(A.data, a + r * A.row, A.column, B.data, b + s * B.column, B.row, k);
        C.data[c + r * C.row + s * C.column] = value;
      }
    }
  };
