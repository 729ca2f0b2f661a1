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

/** Columns that are stored together; units begin at a multiple of them. */
const BLOCK = 16;
/** Blocks of a unit: four groups, or all that take turns; where chunks of A have to be read again for each unit, a share of the matrix. */
const UNIT_BLOCKS = (4 * MOST_COLUMNS) / BLOCK;
const THIN_BLOCKS = (THIN_GROUPS * MOST_COLUMNS) / BLOCK;
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

export function cutOf(k: number, n: number, nonzeros: number): Cut {
  const density = nonzeros / Math.max(1, k * n);
  const isThin = density < THIN;
  const most = isThin ? THIN_ROWS : Math.min(MOST_ROWS, CHUNK_BYTES / (NONZERO_BYTES * MOST_COLUMNS * density));
  const blocks = Math.ceil(n / BLOCK);
  const wanted = isThin ? THIN_BLOCKS : UNIT_BLOCKS;
  const count = Math.ceil(blocks / (k > MOST_ROWS ? Math.max(wanted, Math.ceil(blocks / SHARES)) : wanted));
  // An even number, so that two threads have as much to do.
  const starts = evenly(blocks, count > 1 ? count + (count % 2) : count);
  return {
    ...{ k, n, density, rows: evenly(k, Math.max(1, Math.ceil(k / most))), together: isThin ? THIN_GROUPS : 1 },
    units: starts.slice(1).map((end, unit) => {
      const [from, to] = [starts[unit]! * BLOCK, Math.min(n, end * BLOCK)];
      return evenly(to - from, Math.ceil((to - from) / MOST_COLUMNS)).map((column) => from + column);
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

/** How many lines of A the groups of a matrix load together: pairs of a group and a row in which it has a nonzero. */
export function linesOf(data: ArrayLike<number>, { k, n, units }: Cut): number {
  const ends = units.flatMap((groups) => groups.slice(1));
  let lines = 0;
  for (let row = 0; row < k; row++) {
    let column = 0;
    for (const end of ends) {
      while (column < end && data[row * n + column] === 0) column++;
      if (column < end) lines++;
      column = end;
    }
  }
  return lines;
}
