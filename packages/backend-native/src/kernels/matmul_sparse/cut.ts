/** How a sparse matrix is cut into groups of columns, chunks of rows and units of work; and what its nonzeros look like there. */

/** Columns of a group at most: a register of sums each, and four for lines of A. */
const MOST_COLUMNS = 28;
/** Bytes of code for a nonzero, and how many a chunk may have so that it stays in the first-level cache. */
export const NONZERO_BYTES = 10;
const CHUNK_BYTES = 22_000;
/** Rows of a chunk at most: lines of A between them stay in the second-level cache. */
const MOST_ROWS = 768;
/** Where so few nonzeros share a line of A, several groups take turns at fewer lines, which then stay in the first-level cache. */
const THIN = 0.07;
const THIN_ROWS = 384;
const THIN_GROUPS = 8;

/** A matrix of `k` rows and `n` columns. */
export interface Cut {
  readonly k: number;
  readonly n: number;
  /** Share of elements that are not zero. */
  readonly density: number;
  /** Where groups begin, and `n`. */
  readonly columns: readonly number[];
  /** Where chunks begin, and `k`. */
  readonly rows: readonly number[];
  readonly groupsPerUnit: number;
  /** Groups of a unit that take turns at a tile of A. */
  readonly together: number;
  readonly units: number;
}

export function cutOf(k: number, n: number, nonzeros: number): Cut {
  const density = nonzeros / Math.max(1, k * n);
  const isThin = density < THIN;
  const groups = Math.ceil(n / MOST_COLUMNS);
  const most = isThin ? THIN_ROWS : Math.min(MOST_ROWS, CHUNK_BYTES / (NONZERO_BYTES * MOST_COLUMNS * density));
  const chunks = Math.max(1, Math.ceil(k / most));
  const together = isThin ? Math.max(1, Math.min(THIN_GROUPS, Math.floor(groups / 8))) : 1;
  // Where A has more lines than stay in the cache, a unit does many groups with a chunk of them before it reads the next.
  const groupsPerUnit = k > MOST_ROWS ? Math.max(together, Math.ceil(groups / 4)) : together;
  return {
    ...{ k, n, density, columns: evenly(n, groups), rows: evenly(k, chunks) },
    ...{ groupsPerUnit, together, units: Math.ceil(groups / groupsPerUnit) },
  };
}

const evenly = (total: number, parts: number): number[] =>
  Array.from({ length: parts + 1 }, (_, i) => Math.round((i * total) / Math.max(1, parts)));

/** Columns of a unit at most. */
export function unitColumns({ columns, groupsPerUnit }: Cut): number {
  let most = 0;
  for (let g = 0; g + 1 < columns.length; g += groupsPerUnit)
    most = Math.max(most, columns[Math.min(columns.length - 1, g + groupsPerUnit)]! - columns[g]!);
  return most;
}

/** How many lines of A the groups of a matrix load together: pairs of a group and a row in which it has a nonzero. */
export function linesOf(data: ArrayLike<number>, { k, n, columns }: Cut): number {
  let lines = 0;
  for (let row = 0; row < k; row++) {
    let column = 0;
    for (let g = 1; g < columns.length; g++) {
      const end = columns[g]!;
      while (column < end && data[row * n + column] === 0) column++;
      if (column < end) lines++;
      column = end;
    }
  }
  return lines;
}
