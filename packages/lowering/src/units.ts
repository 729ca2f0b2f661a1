/** How much of a kernel over elements is one unit. */

/** Elements of a unit: 5 to 100 us of work. */
const UNIT = { least: 4096, most: 32768 };
/** Units for each thread, so that one that comes late still finds some. */
const SHARES = 4;

/** Elements that a unit should have of `total`. */
export function unitElements(total: number, threads: number): number {
  return Math.min(UNIT.most, Math.max(UNIT.least, Math.ceil(total / (SHARES * threads))));
}

/** Rows of a unit, for rows of so many elements. */
export function unitRows(rows: number, columns: number, threads: number): number {
  return Math.max(1, Math.floor(unitElements(rows * columns, threads) / Math.max(1, columns)));
}
