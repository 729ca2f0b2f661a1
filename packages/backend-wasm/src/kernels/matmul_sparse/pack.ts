/**
 * A sparse matrix as a table: groups of columns, blocks of K in each, and of each column its nonzeros in the block, one after the other:
 * where the row begins in a block of turned activations, in bytes, and the weight.
 */

/** Tokens that a panel of activations holds for each row of K. */
export const TOKENS = 32;
/** Bytes of a row of K in a panel. */
export const PITCH = 4 * TOKENS;
/** Rows of K whose activations stay in the first-level cache. */
export const DEPTH = 192;
/** Columns of a group: their sums stay there too. */
export const COLUMNS = 64;
/** Bytes of a nonzero. */
const ENTRY = 8;

export const groupsOf = (n: number): number => Math.ceil(n / COLUMNS);
const blocksOf = (k: number): number => Math.ceil(k / DEPTH);

export interface TableLayout {
  /** Bytes from the start of the table to the numbers of nonzeros, and to the nonzeros; in front where those of each group begin. */
  readonly counts: number;
  readonly entries: number;
  readonly bytes: number;
}

export function tableLayout(k: number, n: number, nonzeros: number): TableLayout {
  const counts = 4 * groupsOf(n);
  const entries = Math.ceil((counts + 4 * blocksOf(k) * groupsOf(n) * COLUMNS) / 8) * 8;
  return { counts, entries, bytes: entries + ENTRY * nonzeros };
}

/** Yields after each group. */
export function* packTable(
  weights: Float32Array,
  [k, n]: readonly [number, number],
  nonzeros: number,
  { buffer, byteOffset, byteLength }: Uint8Array,
): Generator<void, void> {
  const layout = tableLayout(k, n, nonzeros);
  const table = new DataView(buffer, byteOffset, byteLength);
  let [count, entry] = [layout.counts, layout.entries];
  for (let group = 0; group < groupsOf(n); group++) {
    table.setUint32(4 * group, entry, true);
    for (let block = 0; block < k; block += DEPTH)
      for (let column = group * COLUMNS; column < (group + 1) * COLUMNS; column++) {
        const before = entry;
        const end = column < n ? Math.min(k, block + DEPTH) : block;
        for (let row = block; row < end; row++) {
          const weight = weights[row * n + column]!;
          if (weight === 0) continue;
          table.setUint32(entry, (row - block) * PITCH, true);
          table.setFloat32(entry + 4, weight, true);
          entry += ENTRY;
        }
        table.setUint32(count, (entry - before) / ENTRY, true);
        count += 4;
      }
    yield;
  }
}
