/** What the sparse products have in common: which weights and epilogues they take, what a stream costs. */

import {
  type Call,
  type Constant,
  type Constants,
  type Dim,
  dim,
  isDenser,
  isRejection,
  type Rejection,
  type Structure,
} from '@espalier/core';
import { type Epilogue, epilogueOf } from '../matmul/epilogue.ts';
import { type Cut, groupsOf } from './cut.ts';

/** Sparsity patterns are not told from other formats: every nonzero is where it is. */
export const levels = [{ kind: 'dense' }, { kind: 'compressed' }] as const;

/** The epilogue, if the rows of its operands are those of the result. @param matrix shape of the weights as a matrix */
export function rowwise(
  call: Call,
  weights: number,
  matrix: readonly Dim[] = call.inputs[weights]!.shape,
  constants: Constants = [],
): Epilogue | Rejection {
  const epilogue = epilogueOf(call, matrix, constants);
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

/** What something about a constant is; found once for whoever has it, as its structure is counted once. */
export function remembered<T>(find: (constant: Constant) => T): (constant: Constant) => T {
  const known = new WeakMap<Structure, { readonly found: T }>();
  return (constant) => {
    const entry = known.get(constant.structure) ?? { found: find(constant) };
    known.set(constant.structure, entry);
    return entry.found;
  };
}

/** Weights of which more than this share is not zero are not worth to be looked at closer. */
const MOST_DENSITY = 0.95;

/** Why a matrix is none for sparse kernels. */
export const notSparse = (weights: Constant | undefined): string | undefined =>
  weights?.tensor.dims.length === 2 ? tooDense(weights) : 'its weights are not a constant matrix';

/** Why weights are none for sparse kernels. */
export const tooDense = ({ structure }: Constant): string | undefined =>
  isDenser(structure, MOST_DENSITY) ? 'hardly any of its weights is zero' : undefined;

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
