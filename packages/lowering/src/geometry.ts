/** A product by numpy's rules as a batch of products of matrices, and how these are cut into units. */

import { broadcastShapes, broadcastStrides, EspalierError, formatShape, sizeOf, stridesOf } from '@espalier/core';

type Dims = readonly number[];

/** `batch` products of `m` x `k` by `k` x `n`. */
export interface Geometry {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: number;
  /** Elements from one row of the result to the next, in each operand of the epilogue. */
  readonly rowSteps: readonly number[];
  /** Where A, B, the result and the operands of the epilogue begin, in elements. */
  offsets(batch: number): readonly number[];
}

/**
 * @param others dims of the epilogue's operands, which broadcast to `y`
 * @throws EspalierError `SHAPE_MISMATCH` where sizes do not fit: emitted code would read beyond its operands
 */
export function geometry(a: Dims, b: Dims, y: Dims, others: readonly Dims[]): Geometry {
  // Of vectors the result has no row or no column: here they are matrices of one.
  const asResult = (dims: Dims): Dims => {
    const wide = b.length === 1 ? [...dims, 1] : dims;
    return a.length === 1 ? [...wide.slice(0, -1), 1, ...wide.slice(-1)] : wide;
  };
  const [left, right] = [a.length === 1 ? [1, ...a] : a, b.length === 1 ? [...b, 1] : b];
  const full = asResult(y);
  const [m, n, k] = [full.at(-2)!, full.at(-1)!, left.at(-1)!];
  const operands = others.map((dims) => {
    const own = asResult(dims);
    return [...new Array<number>(Math.max(0, full.length - own.length)).fill(1), ...own];
  });
  const fits = [...operands, [...left.slice(0, -1), 1], [...right.slice(0, -2), 1, n]].every(
    (dims) => `${broadcastShapes(full, dims)}` === `${full}`,
  );
  if (!fits || right.at(-2) !== k)
    throw new EspalierError(
      'SHAPE_MISMATCH',
      `a product of ${formatShape(a)} and ${formatShape(b)} is not ${formatShape(y)}`,
    );
  const rows = sizeOf(full.slice(0, -1));
  // Rows of all matrices against one B are one product, if the operands of the epilogue follow.
  const isOne =
    sizeOf(right.slice(0, -2)) === 1 && operands.every((dims) => [1, rows].includes(sizeOf(dims.slice(0, -1))));
  const rowStep = (dims: Dims, isSingle: boolean): number => (isSingle ? 0 : dims.at(-1)!);
  if (isOne) {
    return {
      ...{ m: rows, n, k, batch: rows * n > 0 ? 1 : 0 },
      rowSteps: operands.map((dims) => rowStep(dims, sizeOf(dims.slice(0, -1)) === 1)),
      offsets: () => [0, 0, 0, ...operands.map(() => 0)],
    };
  }
  const lead = full.slice(0, -2);
  const steps = stridesOf(lead);
  // Strides of a shape's leading axes within the result's, in elements.
  const walks = [left, right, full, ...operands].map((dims) => {
    const size = sizeOf(dims.slice(-2));
    return broadcastStrides(dims.slice(0, -2), lead).map((stride) => stride * size);
  });
  return {
    ...{ m, n, k, batch: m * n > 0 ? sizeOf(lead) : 0 },
    rowSteps: operands.map((dims) => rowStep(dims, dims.at(-2) === 1)),
    offsets: (batch) =>
      walks.map((walk) =>
        walk.reduce((sum, stride, axis) => sum + (Math.floor(batch / steps[axis]!) % lead[axis]!) * stride, 0),
      ),
  };
}

/** How a batch of products is cut: matrices into blocks of rows and panels of columns, and these into units. */
export interface Partition {
  readonly blocks: number;
  /** Rows of a block; the first `tallBlocks` have one more. */
  readonly blockRows: number;
  readonly tallBlocks: number;
  readonly blocksPerUnit: number;
  readonly rowGroups: number;
  readonly panels: number;
  readonly lastColumns: number;
  readonly panelsPerUnit: number;
  readonly columnGroups: number;
  readonly batchesPerUnit: number;
  readonly units: number;
}

/** The parts of a partition that code reads from its argument block. */
export const partitionWords = [
  'blocks',
  'blockRows',
  'tallBlocks',
  'blocksPerUnit',
  'rowGroups',
  'panels',
  'lastColumns',
  'panelsPerUnit',
  'columnGroups',
  'batchesPerUnit',
] as const satisfies readonly (keyof Partition)[];

/** Multiply-adds of a unit, about 50 microseconds of one core; no fewer than the least, so that taking it costs little. */
const MOST = 4e6;
const LEAST = 5e5;
/** Rows for which reading B costs as much as multiplying by it. */
const STREAMED_ROWS = 8;

/** Columns of a unit at least, over which copying its rows of A pays. */
const COPIED_COLUMNS = 384;

/**
 * @param rows of a block at most
 * @param columns of a panel
 * @param isCopied each unit copies its rows of A
 * @param mostRows of a unit, if a block has no more
 */
export function partition(
  { m, n, k, batch }: Pick<Geometry, 'm' | 'n' | 'k' | 'batch'>,
  rows: number,
  columns: number,
  threads: number,
  isCopied = false,
  mostRows = Number.POSITIVE_INFINITY,
): Partition {
  const blocks = Math.max(1, Math.ceil(m / rows));
  const panels = Math.max(1, Math.ceil(n / columns));
  const depth = Math.max(k, 16);
  const cost = batch * depth * Math.max(m, STREAMED_ROWS) * panels * columns;
  const target = Math.min(MOST, Math.max(LEAST, cost / (3 * threads)));
  const area = target / depth;
  // Equal parts of at most `most`.
  const split = (count: number, most: number): [per: number, groups: number] => {
    const groups = Math.ceil(count / Math.max(1, Math.min(count, Math.floor(most))));
    const per = Math.ceil(count / groups);
    return [per, Math.ceil(count / per)];
  };
  // As square as can be, but no lower than eight blocks, over which reading a panel of B pays.
  const height = Math.max(Math.sqrt(area), area / (panels * columns), 8 * rows);
  const [blocksPerUnit, rowGroups] = split(blocks, Math.min(height, mostRows) / rows);
  const unitRows = Math.min(m, blocksPerUnit * rows);
  const width = area / Math.max(unitRows, STREAMED_ROWS) / columns;
  const least = isCopied ? Math.min(COPIED_COLUMNS / columns, (panels * rowGroups * batch) / (3 * threads)) : 1;
  const [panelsPerUnit, columnGroups] = split(panels, Math.max(width, least));
  const matrix = depth * Math.max(m, STREAMED_ROWS) * panels * columns;
  const [batchesPerUnit, batchGroups] =
    rowGroups * columnGroups > 1 ? [1, batch] : batch > 0 ? split(batch, target / matrix) : [1, 0];
  return {
    ...{ blocks, blockRows: Math.floor(m / blocks), tallBlocks: m % blocks, blocksPerUnit, rowGroups },
    ...{ panels, lastColumns: n - (panels - 1) * columns, panelsPerUnit, columnGroups },
    ...{ batchesPerUnit, units: batchGroups * rowGroups * columnGroups },
  };
}
