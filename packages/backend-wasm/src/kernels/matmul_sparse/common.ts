/** What sparse products have in common: which matrices and epilogues they take, what entries cost, their row of the table. */

import {
  type Call,
  type Constant,
  dim,
  isDenser,
  isRejection,
  type Rates,
  type Rejection,
  type Structure,
  type Work,
} from '@espalier/core';
import type { Epilogue } from '../matmul/epilogue.ts';
import { blocksOf, TOKENS } from './pack.ts';

/** Weights of which more than this share is not zero are left to the dense product. */
export const MOST_DENSITY = 0.95;
/** What a word takes to be turned, and what a column's sums take in a block of K for each token, in multiply-adds. */
const TURN = 3;
const SUMS = 4;

/** Patterns are not told from other formats: every nonzero is where it is. */
export const levels = [{ kind: 'dense' }, { kind: 'compressed' }] as const;

/** The epilogue, if the rows of its operands are those of the result. */
export function rowwise(call: Call, epilogue: Epilogue | Rejection): Epilogue | Rejection {
  if (isRejection(epilogue)) return epilogue;
  const lead = call.outputs[0]!.shape.slice(0, -1);
  for (const { input } of epilogue.operands) {
    const own = call.inputs[input]!.shape.slice(0, -1);
    const isRow = own.every((d) => d === 1);
    if (!isRow && !(own.length === lead.length && own.every((d, i) => dim.equal(d, lead[i]!) === true)))
      return { reason: `input ${input} of its epilogue has rows of its own` };
  }
  return epilogue;
}

/** Why a matrix is none for sparse kernels. */
export function notSparse(weights: Constant | undefined): string | undefined {
  if (weights?.tensor.dims.length !== 2) return 'its weights are not a constant matrix';
  return isDenser(weights.structure, MOST_DENSITY) ? 'hardly any of its weights is zero' : undefined;
}

/** What something about a constant is; found once for whoever has it, as its structure is counted once. */
export function remembered<T>(find: (constant: Constant) => T): (constant: Constant) => T {
  const known = new WeakMap<Structure, { readonly found: T }>();
  return (constant) => {
    const entry = known.get(constant.structure) ?? { found: find(constant) };
    known.set(constant.structure, entry);
    return entry.found;
  };
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
