/** What sparse products have in common: which epilogues they take, what entries cost. */

import { type Call, isRejection, type Rates, type Rejection, type Work } from '@espalier/core';
import { rowsOfTheirOwn } from '@espalier/lowering';
import type { Epilogue } from '../matmul/epilogue.ts';
import { blocksOf, TOKENS } from './pack.ts';

/** What a word takes to be turned, and what a column's sums take in a block of K for each token, in multiply-adds. */
const TURN = 3;
const SUMS = 4;

/** The epilogue, if the rows of its operands are those of the result. */
export function rowwise(call: Call, epilogue: Epilogue | Rejection): Epilogue | Rejection {
  if (isRejection(epilogue)) return epilogue;
  const reason = rowsOfTheirOwn(call, epilogue.operands);
  return reason === undefined ? epilogue : { reason };
}

/** Entries that are added to panels of tokens, and what there is to do beside, in multiply-adds. */
export function addedAndOther(rows: number, words: number, columns: number, count: number) {
  // What the vectors of the last panel hold: 4, 8, 16 or 32 tokens; fewer than 12 wait for each other as long.
  const rest = rows % TOKENS;
  const padded = rows - rest + (rest > 0 ? Math.max(12, 2 ** Math.ceil(Math.log2(rest))) : 0);
  return { added: padded * count, other: padded * (TURN * (words + columns) + SUMS * columns * blocksOf(words)) };
}

/** @param cost of an entry for each token, in multiply-adds */
export const sparseLaw =
  (cost: number) =>
  ({ added, other, bytes }: Work, rates: Rates): number =>
    2 * rates['call']! +
    Math.max((added! * cost + other!) / rates['fma']!, bytes / rates['bytes']!) / rates['threads']!;
