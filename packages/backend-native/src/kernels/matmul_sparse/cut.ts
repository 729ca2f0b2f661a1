/** How a sparse matrix is cut into groups of columns, chunks of rows and units of work; and what its nonzeros look like there. */

/** Columns of a group at most: a register of sums each, and four for lines of A. */
export const MOST_COLUMNS = 28;
/** Bytes of code for a nonzero, and how many may take turns at a tile so that they stay in the first-level cache. */
export const NONZERO_BYTES = 10;
const CODE_BYTES = 22_000;
/** Rows of a chunk: lines of A that stay in the first-level cache while several groups take turns at them, and that many more do in the second. */
const NEAR_ROWS = 384;
const MOST_ROWS = 768;
const MOST_TOGETHER = 8;

/** Columns that are stored together; units begin at a multiple of them. */
const BLOCK = 16;
/** Groups of a unit, or all that take turns; where chunks of A have to be read again for each unit, a share of the matrix. */
const UNIT_GROUPS = 4;
const SHARES = 4;

/** A matrix of `k` rows and `n` columns. */
export interface Cut {
  readonly k: number;
  readonly n: number;
  /** Share of elements that are not zero. */
  readonly density: number;
  /** For each unit where its groups of columns begin, and the last ends. */
  readonly units: readonly (readonly number[])[];
  /** Where chunks begin, and `k`. */
  readonly rows: readonly number[];
  /** Groups of a unit that take turns at a tile of A. */
  readonly together: number;
}

/** @param mostColumns of a group */
export function cutOf(k: number, n: number, nonzeros: number, mostColumns = MOST_COLUMNS): Cut {
  const density = nonzeros / Math.max(1, k * n);
  const chunk = (most: number): number => Math.ceil(k / Math.max(1, Math.ceil(k / most)));
  const groupsFor = (rows: number): number => CODE_BYTES / (NONZERO_BYTES * mostColumns * density * rows);
  const together = Math.max(1, Math.min(MOST_TOGETHER, Math.floor(groupsFor(chunk(NEAR_ROWS)))));
  const most = together > 1 ? NEAR_ROWS : Math.min(MOST_ROWS, groupsFor(1));
  const blocks = Math.ceil(n / BLOCK);
  const wanted = Math.ceil((Math.max(together, UNIT_GROUPS) * mostColumns) / BLOCK);
  const count = Math.ceil(blocks / (k > MOST_ROWS ? Math.max(wanted, Math.ceil(blocks / SHARES)) : wanted));
  // An even number, so that two threads have as much to do.
  const starts = evenly(blocks, count > 1 ? count + (count % 2) : count);
  return {
    ...{ k, n, density, together, rows: evenly(k, Math.max(1, Math.ceil(k / most))) },
    units: starts.slice(1).map((end, unit) => {
      const [from, to] = [starts[unit]! * BLOCK, Math.min(n, end * BLOCK)];
      return evenly(to - from, Math.ceil((to - from) / mostColumns)).map((column) => from + column);
    }),
  };
}

const evenly = (total: number, parts: number): number[] =>
  Array.from({ length: parts + 1 }, (_, i) => Math.round((i * total) / Math.max(1, parts)));

/** Groups in all. */
export const groupsOf = ({ units }: Cut): number => units.reduce((sum, groups) => sum + groups.length - 1, 0);

/** Columns of a unit at most. */
export const unitColumns = ({ units }: Cut): number =>
  Math.max(0, ...units.map((groups) => groups.at(-1)! - groups[0]!));

/** A matrix in memory: of a row and a column `data[row * rowStep + column * columnStep]`. What is 0 is pruned. */
export interface Matrix<T extends ArrayLike<number> = ArrayLike<number>> {
  readonly data: T;
  readonly rowStep: number;
  readonly columnStep: number;
}

/** One with its sizes. */
export interface SizedMatrix<T extends ArrayLike<number> = ArrayLike<number>> extends Matrix<T> {
  readonly k: number;
  readonly n: number;
}

export const rowMajor = <T extends ArrayLike<number>>(data: T, columns: number): Matrix<T> => ({
  ...{ data, rowStep: columns, columnStep: 1 },
});

/** Rows at least in which lines are counted. */
const SAMPLED_ROWS = 96;

/**
 * How many lines of A the groups of a matrix load together: pairs of a group and a row in which it has a nonzero. Of a high matrix some rows
 * stand for all, an odd number apart.
 */
export function linesOf({ data, rowStep, columnStep }: Matrix, { k, units }: Cut): number {
  let lines = 0;
  const step = Math.max(1, Math.floor(k / SAMPLED_ROWS)) | 1;
  for (const groups of units)
    for (let group = 0; group + 1 < groups.length; group++) {
      const [left, right] = [groups[group]! * columnStep, groups[group + 1]! * columnStep];
      for (let row = 0; row < k; row += step) {
        const end = row * rowStep + right;
        let read = row * rowStep + left;
        while (read < end && data[read] === 0) read += columnStep;
        if (read < end) lines++;
      }
    }
  return (lines * k) / Math.max(1, Math.ceil(k / step));
}
