/**
 * What the entries of a table are, of 8 bytes: where in a block of turned activations, and weights. K is cut into words: a row of
 * float32, or two rows of bytes.
 */

import type { Bytes } from '../matmul_int8/pack.ts';
import { DEPTH, PITCH } from './pack.ts';

/** A float32 and its line; two bytes of one word, whose line holds both; two bytes of any rows of a block, each with a line of its own. */
export type Of = 'floats' | 'pairs' | 'halves';

/** Told an entry: where, and the bits of its weights. */
export type Push = (where: number, weights: number) => void;

export interface Entries {
  readonly of: Of;
  readonly words: number;
  readonly columns: number;
  readonly count: number;
  /** Visits those of a column in a block that begins at a word. */
  visit(column: number, from: number, push: Push): void;
}

type Size = readonly [k: number, n: number];

export function floatEntries(weights: Float32Array, [words, columns]: Size, count: number): Entries {
  const bits = new Int32Array(weights.buffer, weights.byteOffset, weights.length);
  return {
    ...{ of: 'floats', words, columns, count },
    visit(column, from, push) {
      const end = Math.min(words, from + DEPTH);
      for (let row = from, at = from * columns + column; row < end; row++, at += columns)
        if (weights[at] !== 0) push((row - from) * PITCH, bits[at]!);
    },
  };
}

export function pairEntries(levels: Bytes, [k, columns]: Size): Entries {
  const words = Math.ceil(k / 2);
  const at = (row: number, column: number): number => (row < k ? levels[row * columns + column]! : 0);
  let count = 0;
  for (let row = 0; row < k; row += 2)
    for (let column = 0; column < columns; column++) if (at(row, column) !== 0 || at(row + 1, column) !== 0) count++;
  return {
    ...{ of: 'pairs', words, columns, count },
    visit(column, from, push) {
      const end = Math.min(words, from + DEPTH);
      for (let word = from; word < end; word++) {
        const weights = both(at(2 * word, column), at(2 * word + 1, column));
        if (weights !== 0) push((word - from) * PITCH, weights);
      }
    },
  };
}

/** Two and two as they come, the last of an odd number beside a zero. */
export function halfEntries(levels: Bytes, [k, columns]: Size): Entries {
  const words = Math.ceil(k / 2);
  let count = 0;
  for (let block = 0; block < k; block += 2 * DEPTH) {
    const nonzeros = new Uint32Array(columns);
    for (let row = block, i = block * columns; row < Math.min(k, block + 2 * DEPTH); row++)
      for (let column = 0; column < columns; column++) if (levels[i++] !== 0) nonzeros[column]!++;
    for (const each of nonzeros) count += Math.ceil(each / 2);
  }
  return {
    ...{ of: 'halves', words, columns, count },
    visit(column, from, push) {
      const end = Math.min(k, 2 * (from + DEPTH));
      let [before, level] = [-1, 0];
      for (let row = 2 * from, at = row * columns + column; row < end; row++, at += columns) {
        if (levels[at] === 0) continue;
        const line = (row - 2 * from) * (PITCH / 2);
        if (before >= 0) push(both(before, line), both(level, levels[at]!));
        [before, level] = before >= 0 ? [-1, 0] : [line, levels[at]!];
      }
      if (before >= 0) push(both(before, before), both(level, 0));
    },
  };
}

/** Two numbers of 16 bits. */
const both = (low: number, high: number): number => (low & 0xffff) | (high << 16);
