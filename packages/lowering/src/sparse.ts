/** What sparse products ask of their calls on any machine. */

import { type Call, type Constant, type Constants, dim, isDenser, type Structure } from '@espalier/core';

/** Sparsity patterns are not told from other formats: every nonzero is where it is. */
export const levels = [{ kind: 'dense' }, { kind: 'compressed' }] as const;

/** Weights of which more than this share is not zero are left to dense products. */
const MOST_DENSITY = 0.95;

/** Why weights are none for sparse kernels. */
export const tooDense = ({ structure }: Constant): string | undefined =>
  isDenser(structure, MOST_DENSITY) ? 'hardly any of its weights is zero' : undefined;

/** Why a matrix is none for sparse kernels. */
export const notSparse = (weights: Constant | undefined): string | undefined =>
  weights?.tensor.dims.length === 2 ? tooDense(weights) : 'its weights are not a constant matrix';

/** Why weights with zero points are none for sparse kernels. @param input the zero points */
export const shiftedZeros = ({ inputs }: Call, constants: Constants, input: number): string | undefined =>
  inputs[input] && constants[input]?.structure.nonzeros !== 0
    ? 'its weights have zero points: a pruned one is not zero'
    : undefined;

/** Why the rows of what an epilogue reads are not those of the result. */
export function rowsOfTheirOwn(call: Call, operands: readonly { readonly input: number }[]): string | undefined {
  const lead = call.outputs[0]!.shape.slice(0, -1);
  for (const { input } of operands) {
    const own = call.inputs[input]!.shape.slice(0, -1);
    const isRow = own.every((d) => d === 1);
    if (!isRow && !(own.length === lead.length && own.every((d, i) => dim.equal(d, lead[i]!) === true)))
      return `input ${input} of its epilogue has rows of its own`;
  }
  return undefined;
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
