/** Rows that indices name: where each row is, wherever operands will be. */

import { type Call, dtypes, EspalierError, normalizeAxis, sizeOf, stridesOf } from '@espalier/core';
import { agree, type BoundCall, type BoundOperand } from './rearrange.ts';

/** What the code that walks such rows is told, a word each; what follows of the axes is the backend's. */
export const indexedWords = [
  'rows',
  'unit',
  /** Tuples of a batch, their parts, and where the first is; bytes from a batch's to the next's. */
  'perBatch',
  'parts',
  'indices',
  'indexBatch',
  /** Bytes of a row. */
  'row',
  /** What is indexed, and the bytes of a batch of it. */
  'table',
  'tableBatch',
  /** The rows in order. */
  'list',
  'status',
] as const;
export type IndexedWord = (typeof indexedWords)[number];

/** All but what depends on threads. Strides are in bytes, an axis for each part of a tuple. */
export type IndexedRows = Readonly<Omit<Record<IndexedWord, number>, 'status' | 'unit'>> & {
  readonly axes: readonly { readonly axis: number; readonly extent: number; readonly stride: number }[];
};

const bytesIn = ({ inputs: [data] }: Call): number => dtypes[data!.dtype].bits / 8;

/** @throws EspalierError `SHAPE_MISMATCH` */
export function gatherRows(call: Call, { inputs: [x, at], outputs: [y] }: BoundCall): IndexedRows {
  const axis = normalizeAxis(call.attrs['axis'] as number, x!.dims.length);
  const [outer, inner] = [sizeOf(x!.dims.slice(0, axis)), sizeOf(x!.dims.slice(axis + 1))];
  const [extent, perBatch] = [x!.dims[axis]!, sizeOf(at!.dims)];
  agree(sizeOf(y!.dims), outer * perBatch * inner, 'the elements of its output');
  const row = inner * bytesIn(call);
  return {
    rows: outer * perBatch,
    perBatch,
    parts: 1,
    indices: at!.address,
    indexBatch: 0,
    row,
    table: x!.address,
    tableBatch: extent * row,
    list: y!.address,
    axes: [{ axis, extent, stride: row }],
  };
}

/** Rows of `x` that tuples of int64 name, in batches. */
function tuples(x: BoundOperand, at: BoundOperand, batchDims: number, size: number): Omit<IndexedRows, 'list'> {
  const parts = at.dims.at(-1)!;
  const lead = at.dims.slice(0, -1);
  lead.slice(0, batchDims).forEach((extent, axis) => void agree(extent, x.dims[axis]!, `the batch axis ${axis}`));
  const strides = stridesOf(x.dims);
  const perBatch = sizeOf(lead.slice(batchDims));
  return {
    rows: sizeOf(lead),
    perBatch,
    parts,
    indices: at.address,
    indexBatch: perBatch * parts * 8,
    row: sizeOf(x.dims.slice(batchDims + parts)) * size,
    table: x.address,
    tableBatch: sizeOf(x.dims.slice(batchDims)) * size,
    axes: Array.from({ length: parts }, (_, part) => {
      const axis = batchDims + part;
      return { axis, extent: x.dims[axis]!, stride: strides[axis]! * size };
    }),
  };
}

/** @throws EspalierError `SHAPE_MISMATCH` */
export function gatherNDRows(call: Call, { inputs: [x, at], outputs: [y] }: BoundCall): IndexedRows {
  const size = bytesIn(call);
  const rows = tuples(x!, at!, call.attrs['batch_dims'] as number, size);
  agree(sizeOf(y!.dims) * size, rows.rows * rows.row, 'the bytes of its output');
  return { ...rows, list: y!.address };
}

/**
 * Rows of the result, which has been copied from the input, that updates are written to or folded into.
 * @throws EspalierError `SHAPE_MISMATCH`
 */
export function scatterNDRows(call: Call, { inputs: [, at, updates], outputs: [y] }: BoundCall): IndexedRows {
  const size = bytesIn(call);
  const rows = tuples(y!, at!, 0, size);
  agree(sizeOf(updates!.dims) * size, rows.rows * rows.row, 'the bytes of its updates');
  return { ...rows, list: updates!.address };
}

export const outOfRange = (axis: number, extent: number, found: bigint): EspalierError =>
  new EspalierError('BAD_INPUT', `the index ${found} is out of range for axis ${axis} of extent ${extent}`);
