/** How a tensor is read as matrices: kernels, blocks and patterns speak of outputs and inputs, files of axes. */

import { sizeOf, stridesOf } from '@espalier/core';

/**
 * A tensor as matrices of `outputs` rows by `inputs` columns, each element of it in one of them. Strides and starts are in elements of
 * the dense, row-major tensor; there is a start for each matrix.
 */
export interface Matrices {
  readonly outputs: number;
  readonly inputs: number;
  readonly outputStride: number;
  readonly inputStride: number;
  readonly starts: readonly number[];
}

/** The last axis as inputs, all others together as outputs: one matrix, as it lies in memory. */
export function rowMajor(dims: readonly number[]): Matrices {
  const inputs = dims.at(-1) ?? 1;
  return matrixOf(sizeOf(dims.slice(0, -1)), inputs, inputs, 1);
}

export const matrixOf = (outputs: number, inputs: number, outputStride: number, inputStride: number): Matrices => ({
  ...{ outputs, inputs, outputStride, inputStride },
  starts: [0],
});

/** What a node may make of its weights before it multiplies by them: axes of the tensor, in the order in which the node sees them. */
export interface Axes {
  readonly dims: readonly number[];
  readonly strides: readonly number[];
}

export const axesOf = (dims: readonly number[]): Axes => ({ dims, strides: stridesOf(dims) });

/**
 * Weights as matrices, as a product reads them (`[inputs, outputs]` in the last two axes; with `isTransposed` the other way round) or a
 * convolution (`[outputs, inputs, ...window]`). Neighbours along `inputs` are summed over: channels, for a convolution, which has a
 * matrix for each place of its window. Undefined for what is no matrix: vectors, convolutions of one channel a group.
 */
export function weightMatrices(
  kind: 'product' | 'convolution',
  { dims, strides }: Axes,
  isTransposed = false,
): Matrices | undefined {
  if (dims.length < 2) return undefined;
  if (kind === 'convolution') {
    const [outputs, inputs] = dims as [number, number];
    const [outputStride, inputStride] = strides as [number, number];
    if (inputs === 1) return undefined;
    return { outputs, inputs, outputStride, inputStride, starts: offsetsOf(dims.slice(2), strides.slice(2)) };
  }
  const starts = offsetsOf(dims.slice(0, -2), strides.slice(0, -2));
  const [rows, columns] = dims.slice(-2) as [number, number];
  const [rowStride, columnStride] = strides.slice(-2) as [number, number];
  return isTransposed
    ? { outputs: rows, inputs: columns, outputStride: rowStride, inputStride: columnStride, starts }
    : { outputs: columns, inputs: rows, outputStride: columnStride, inputStride: rowStride, starts };
}

function offsetsOf(dims: readonly number[], strides: readonly number[]): number[] {
  let offsets = [0];
  for (const [axis, extent] of dims.entries())
    offsets = offsets.flatMap((offset) => Array.from({ length: extent }, (_, i) => offset + i * strides[axis]!));
  return offsets;
}
