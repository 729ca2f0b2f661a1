/** What encoded tensors have in common, and how encoding and decoding are driven: in slices. */

import { type DType, type Format, runGenerator, Slicer, type Tensor, throwIfAborted } from '@espalier/core';
import { type Matrices, rowMajor } from './matrices.ts';
import { checkMatrices, emptyWords, gather, nonzeroFlags, scatter, type Words } from './words.ts';

/**
 * A tensor stored in a format. Rows are outputs, matrix after matrix; columns are inputs. Values are in the dtype's own array, 4-bit integers
 * two to a byte. What is zero becomes 0: -0 does not come back.
 */
export interface Encoded {
  readonly format: Format;
  readonly type: DType;
  readonly dims: readonly number[];
  readonly matrices: Matrices;
}

export interface EncodeOptions {
  /** How the tensor is read as rows and columns; its last axis as columns when absent. */
  readonly matrices?: Matrices;
  readonly signal?: AbortSignal;
}

/** The rows that an encoder goes through. */
export interface Rows {
  readonly type: DType;
  readonly dims: readonly number[];
  readonly matrices: Matrices;
  readonly rows: number;
  readonly columns: number;
  readonly words: Words;
  /** 1 where a word is not zero. */
  readonly flags: Uint8Array;
}

/** @throws TypeError for strings; EspalierError `SHAPE_MISMATCH`, `ABORTED` */
export async function encode<E>(
  tensor: Tensor,
  { matrices = rowMajor(tensor.dims), signal }: EncodeOptions,
  steps: (rows: Rows) => Generator<void, E>,
): Promise<E> {
  throwIfAborted(signal);
  const { type, dims } = tensor;
  const all = function* (): Generator<void, E> {
    const words = yield* gather(tensor, matrices);
    const flags = yield* nonzeroFlags(type, words);
    return yield* steps({ type, dims, matrices, ...extents(matrices), words, flags });
  };
  return runGenerator(all(), new Slicer(signal));
}

/** @param steps fills in what is not zero, row by row */
export async function decode(
  { type, dims, matrices }: Encoded,
  steps: (words: Words, columns: number) => Generator<void, void>,
): Promise<Tensor> {
  const all = function* (): Generator<void, Tensor> {
    checkMatrices(dims, matrices);
    const { rows, columns } = extents(matrices);
    const words = emptyWords(type, rows * columns);
    yield* steps(words, columns);
    return yield* scatter(type, dims, matrices, words);
  };
  return runGenerator(all(), new Slicer());
}

const extents = ({ starts, outputs, inputs }: Matrices) => ({ rows: starts.length * outputs, columns: inputs });
