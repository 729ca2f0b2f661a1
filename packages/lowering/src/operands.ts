/** What kernels ask of a call's operands. */

import {
  type Binding,
  bindShape,
  byteLength,
  type Call,
  EspalierError,
  formatShape,
  sizeOf,
  type TensorDesc,
} from '@espalier/core';
import type { BoundCall, BoundOperand } from './rearrange.ts';

/** The address of an operand, 0 for one that is left out. */
export const addressOf = (operand: BoundOperand | undefined): number => operand?.address ?? 0;

/**
 * The number of elements that operands have in common. Sizes of symbols are known only now.
 * @throws EspalierError `SHAPE_MISMATCH`
 */
export function sameSize(what: string, ...operands: readonly (Pick<BoundOperand, 'dims'> | undefined)[]): number {
  const given = operands.filter((operand) => operand !== undefined);
  const size = sizeOf(given[0]!.dims);
  for (const { dims } of given)
    if (sizeOf(dims) !== size)
      throw new EspalierError(
        'SHAPE_MISMATCH',
        `${what} have different sizes: ${formatShape(given[0]!.dims)} and ${formatShape(dims)}`,
      );
  return size;
}

/** Elements of a row, of a call whose rows are the last axis. */
export const columnsOf = ({ inputs: [x] }: Pick<BoundCall, 'inputs'>): number => x!.dims.at(-1)!;

/** Bytes of a tensor, none where it is left out. */
export const bytesOf = (desc: TensorDesc | undefined, at: Binding): number =>
  desc ? byteLength(desc.dtype, sizeOf(bindShape(desc.shape, at))) : 0;

const sumOf = (tensors: readonly (TensorDesc | undefined)[], at: Binding): number =>
  tensors.reduce((sum, desc) => sum + bytesOf(desc, at), 0);

/** Bytes of a call's operands. */
export const tensorBytes = ({ inputs, outputs }: Pick<Call, 'inputs' | 'outputs'>, at: Binding): number =>
  sumOf([...inputs, ...outputs], at);

/** Bytes of the results, twice: what is not moved is not read. */
export const movedBytes = ({ outputs }: Call, at: Binding): number => 2 * sumOf(outputs, at);
