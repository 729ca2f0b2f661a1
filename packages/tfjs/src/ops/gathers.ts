/** Ops that read or write at indices, and those over segments and sparse tensors, which are made of them. */

import { normalizeAxis, Tensor } from '@espalier/core';
import type { Operand } from '../builder.ts';
import { i64, type Translation, type Translator } from '../translation.ts';
import { element, join } from './slices.ts';

const gather: Translator = (c) => {
  const [x, indices] = [c.input(0), c.input(1)];
  const rank = c.rank(x);
  const axis = c.inputs.length > 2 ? c.axis(2, rank) : 0;
  const batch = c.attrs.int('batch_dims', 0);
  const batchDims = batch < 0 ? batch + c.rank(indices) : batch;
  if (batchDims === 0) return c.emit('Gather', [x, indices], { axis });
  if (axis !== batchDims) c.unsupported(`it gathers along axis ${axis} with ${batchDims} batch axes`);
  const tuples = c.unsqueeze(c.int64(indices), c.rank(indices));
  return c.emit('GatherND', [x, tuples], { batch_dims: batchDims });
};

const gatherNd: Translator = (c) => c.emit('GatherND', [c.input(0), c.int64(c.input(1))]);

function scatter(c: Translation, target: Operand, indices: Operand, updates: Operand, reduction: string): string {
  return c.emit('ScatterND', [target, c.int64(indices), updates], { reduction });
}

/** Zeros of a shape (64-bit integers) with updates added. */
function accumulate(c: Translation, shape: Operand, indices: Operand, updates: Operand): string {
  return scatter(c, c.fill(shape, c.scalar(0, updates)), indices, updates, 'add');
}

const scatterNd: Translator = (c) => accumulate(c, c.int64(c.input(2)), c.input(0), c.input(1));

const scatterUpdate: Translator = (c) => scatter(c, c.input(0), c.input(1), c.input(2), 'none');

/** Indices may be one index, a list of indices of a vector, or a list of tuples; the values one for all or a list. */
const sparseToDense: Translator = (c) => {
  const [given, shape, values, absent] = [c.input(0), c.int64(c.input(1)), c.input(2), c.input(3)];
  const rank = c.rank(given);
  const indices = rank === 2 ? given : c.reshape(given, [-1, 1]);
  const count = c.emit('Shape', [indices], { start: 0, end: 1 });
  return scatter(c, c.fill(shape, absent), indices, c.rank(values) === 0 ? c.fill(count, values) : values, 'none');
};

/** The coordinates of what is true, one row each. */
const where: Translator = (c) => c.int32(c.transpose(c.emit('NonZero', [c.input(0)]), [1, 0]));

/** Sums the rows of data whose id is the same; `count` (a list of one) is how many sums there are. Negative ids count nowhere. */
function segmentSum(c: Translation, data: Operand, ids: Operand, count: Operand): string {
  const rowShape = c.emit('Shape', [data], { start: 1 });
  const nowhere = c.emit('Where', [c.emit('Less', [ids, i64(0)]), count, ids]);
  const rows = c.emit('Add', [count, i64(1)]);
  const sums = accumulate(c, join(c, [rows, rowShape]), c.unsqueeze(nowhere, 1), data);
  return c.emit('Slice', [sums, i64(0), count, i64(0)]);
}

/** One more than the last of the ids, which ascend. */
function segmentCount(c: Translation, ids: Operand): string {
  return c.emit('Add', [c.emit('ReduceMax', [ids, i64(0)], { keepdims: 1 }), i64(1)]);
}

/** What each sum is divided by, given how many rows went into it. */
type Divisor = (c: Translation, count: string) => string;
const mean: Divisor = (_, count) => count;
const sqrtN: Divisor = (c, count) => c.emit('Sqrt', [count]);

function segments(c: Translation, data: string, ids: string, divisor: Divisor | undefined): string {
  const wide = c.int64(ids);
  const count = segmentCount(c, wide);
  const sums = segmentSum(c, data, wide, count);
  if (!divisor) return sums;
  const ones = c.fill(c.shapeOf(wide), c.scalar(1, data));
  const rows = c.emit('Max', [segmentSum(c, ones, wide, count), c.scalar(1, data)]);
  const axes = Array.from({ length: c.rank(data) - 1 }, (_, i) => i + 1);
  return c.emit('Div', [sums, c.unsqueeze(divisor(c, rows), ...axes)]);
}

const segment =
  (divisor?: Divisor): Translator =>
  (c) =>
    segments(c, c.input(0), c.input(1), divisor);

const sparseSegment =
  (divisor?: Divisor): Translator =>
  (c) =>
    segments(c, c.emit('Gather', [c.input(0), c.input(1)], { axis: 0 }), c.input(2), divisor);

/** The ids may have several axes: then they stand for the leading axes of the data. */
const unsortedSegmentSum: Translator = (c) => {
  const [data, ids] = [c.input(0), c.input(1)];
  const leading = c.rank(ids);
  const rows = join(c, [i64(-1), c.emit('Shape', [data], { start: leading })]);
  const flat = leading === 1 ? data : c.emit('Reshape', [data, rows]);
  return segmentSum(c, flat, c.reshape(c.int64(ids), [-1]), c.reshape(c.int64(c.input(2)), [1]));
};

/** Numbers coordinates of one shape in row-major order and reads these numbers as coordinates of another. */
const sparseReshape: Translator = (c) => {
  const [indices, from, to] = [c.int64(c.input(0)), c.int64(c.input(1)), c.int64(c.input(2))];
  const [rank, newRank] = [c.shape(from)[0], c.shape(to)[0]];
  if (typeof rank !== 'number' || typeof newRank !== 'number')
    return c.unsupported('the rank of its shapes is not known');
  const list = (shape: string, length: number): Operand[] => Array.from({ length }, (_, i) => element(c, shape, i));
  const product = (factors: readonly Operand[]): Operand => factors.reduce((a, b) => c.emit('Mul', [a, b]), i64(1));
  const extents = list(from, rank);
  const total = product(extents);
  const given = list(to, newRank);
  const others = c.emit('Abs', [product(given)]);
  const sizes = given.map((size) =>
    c.emit('Where', [c.emit('Less', [size, i64(0)]), c.emit('Div', [total, others]), size]),
  );
  const strides = join(
    c,
    extents.map((_, i) => product(extents.slice(i + 1))),
  );
  const numbers = c.emit('ReduceSum', [c.emit('Mul', [indices, strides]), i64(1)], { keepdims: 1 });
  const newStrides = join(
    c,
    sizes.map((_, i) => product(sizes.slice(i + 1))),
  );
  const shape = join(c, sizes);
  return [c.int32(c.emit('Mod', [c.emit('Div', [numbers, newStrides]), shape])), c.int32(shape)];
};

/** Gives every row of a sparse matrix that has no value the default, at its start; the rows ascend. */
const sparseFillEmptyRows: Translator = (c) => {
  const [indices, values] = [c.int64(c.input(0)), c.input(1)];
  const rank = c.shape(indices)[1];
  if (typeof rank !== 'number') return c.unsupported('the rank of its indices is not known');
  const rows = c.emit('Gather', [indices, i64(0).reshape([])], { axis: 1 });
  const ones = c.fill(c.shapeOf(rows), i64(1).reshape([]));
  const counts = accumulate(c, element(c, c.input(2), 0), c.unsqueeze(rows, 1), ones);
  const isEmpty = c.emit('Equal', [counts, i64(0)]);
  const empty = c.squeeze(c.emit('NonZero', [isEmpty]), 0);
  const filled = c.emit('Pad', [c.unsqueeze(empty, 1), i64(0, 0, 0, rank - 1)]);
  const concat = (a: Operand, b: Operand): string => c.emit('Concat', [a, b], { axis: 0 });
  const allRows = concat(rows, empty);
  const total = c.shapeOf(allRows);
  // Equal rows stay in their order.
  const [, order] = c.emitAll('TopK', [allRows, total], { largest: 0 }, 2);
  const sorted = (x: string): string => c.emit('Gather', [x, order!], { axis: 0 });
  const positions = c.emit('Range', [i64(0).reshape([]), c.squeeze(total, 0), i64(1).reshape([])]);
  const places = scatter(c, positions, c.unsqueeze(order!, 1), positions, 'none');
  return [
    c.int32(sorted(concat(indices, filled))),
    sorted(concat(values, c.fill(c.shapeOf(empty), c.input(3)))),
    isEmpty,
    c.int32(c.emit('Slice', [places, i64(0), c.shapeOf(rows), i64(0)])),
  ];
};

const oneHot: Translator = (c) => {
  const [indices, depth, on, off] = [c.input(0), c.input(1), c.input(2), c.input(3)];
  const axis = normalizeAxis(c.attrs.int('axis', -1), c.rank(indices) + 1);
  const zero = new Tensor('int32', [0], []);
  const classes = c.emit('Range', [zero, depth, new Tensor('int32', [1], [])]);
  const after = Array.from({ length: c.rank(indices) - axis }, (_, i) => i + 1);
  return c.emit('Where', [c.emit('Equal', [c.unsqueeze(indices, axis), c.unsqueeze(classes, ...after)]), on, off]);
};

const topK: Translator = (c) => {
  const [values, indices] = c.emitAll('TopK', [c.input(0), c.reshape(c.int64(c.input(1)), [1])], {}, 2);
  return [values, c.int32(indices!)];
};

const unique: Translator = (c) => {
  const axis = c.inputs.length > 1 ? c.required(c.input(1), 'axis') : [];
  const attrs = { sorted: 0, ...(axis.length > 0 ? { axis: axis[0]! } : {}) };
  const [values, , inverse] = c.emitAll('Unique', [c.input(0)], attrs, 3);
  return [values, c.int32(inverse!)];
};

export const gathers: Readonly<Record<string, Translator>> = {
  Gather: gather,
  GatherV2: gather,
  GatherNd: gatherNd,
  ScatterNd: scatterNd,
  TensorScatterUpdate: scatterUpdate,
  SparseToDense: sparseToDense,
  Where: where,
  SegmentSum: segment(),
  SegmentMean: segment(mean),
  SparseSegmentSum: sparseSegment(),
  SparseSegmentMean: sparseSegment(mean),
  SparseSegmentSqrtN: sparseSegment(sqrtN),
  UnsortedSegmentSum: unsortedSegmentSum,
  SparseReshape: sparseReshape,
  SparseFillEmptyRows: sparseFillEmptyRows,
  OneHot: oneHot,
  TopKV2: topK,
  Unique: unique,
  UniqueV2: unique,
};
