/** What the sparse products have in common: which epilogues they take, what a stream costs. */

import { type Call, type Constants, type Dim, isRejection, type Rejection } from '@espalier/core';
import { rowsOfTheirOwn } from '@espalier/lowering';
import { type Epilogue, epilogueOf } from '../matmul/epilogue.ts';
import { type Cut, groupsOf } from './cut.ts';

/** The epilogue, if the rows of its operands are those of the result. @param matrix shape of the weights as a matrix */
export function rowwise(
  call: Call,
  weights: number,
  matrix: readonly Dim[] = call.inputs[weights]!.shape,
  constants: Constants = [],
): Epilogue | Rejection {
  const epilogue = epilogueOf(call, matrix, constants);
  if (isRejection(epilogue)) return epilogue;
  const reason = rowsOfTheirOwn(call, epilogue.operands);
  return reason === undefined ? epilogue : { reason };
}

/** What it takes to run a stream for a tile of tokens: each in multiply-adds of a vector. */
const NONZERO_COST = 1.05;
const LINE_COST = 2.6;
const GROUP_COST = 60;

/** What it takes to read a nonzero's code for the first time: from the second-level cache, or from farther away. */
const NEAR_CODE_COST = 1.6;
const FAR_CODE_COST = 3.2;
/** Bytes of code that stay in the first level, and in the second. */
const INSTRUCTION_CACHE = 24_000;
const NEAR_BYTES = 1 << 20;

const codeCost = (resident: number): number => {
  if (resident <= INSTRUCTION_CACHE) return 0;
  return resident <= NEAR_BYTES ? NEAR_CODE_COST : FAR_CODE_COST;
};

/**
 * Multiply-adds of a vector for `tiles` by `nonzeros` weights in a stream, which load so many `lines` of A and take `resident` bytes. For few
 * tiles it takes as long as its code takes to be read.
 */
export const streamCost = (nonzeros: number, lines: number, cut: Cut, tiles: number, resident: number): number =>
  Math.max(
    tiles * Math.max(NONZERO_COST * nonzeros + GROUP_COST * groupsOf(cut) * (cut.rows.length - 1), LINE_COST * lines),
    codeCost(resident) * nonzeros,
  );
