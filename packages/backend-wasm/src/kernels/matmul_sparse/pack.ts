/** A sparse matrix as a table: groups of columns, blocks of K in each, and of each column its entries in the block, one after the other. */

import type { Entries } from './entries.ts';

/** Tokens that a panel of activations holds for each row of K. */
export const TOKENS = 32;
/** Bytes of a word of K in a panel. */
export const PITCH = 4 * TOKENS;
/** Words of K whose activations stay in the first-level cache. */
export const DEPTH = 192;
/** Columns of a group: their sums stay there too. */
export const COLUMNS = 64;
/** Bytes of an entry. */
const ENTRY = 8;

export const groupsOf = (n: number): number => Math.ceil(n / COLUMNS);
export const blocksOf = (words: number): number => Math.ceil(words / DEPTH);

export interface TableLayout {
  /** Bytes from the start of the table to the numbers of entries, and to the entries; in front where those of each group begin. */
  readonly counts: number;
  readonly entries: number;
  readonly bytes: number;
}

export function tableLayout(words: number, columns: number, count: number): TableLayout {
  const counts = 4 * groupsOf(columns);
  const entries = Math.ceil((counts + 4 * blocksOf(words) * groupsOf(columns) * COLUMNS) / 8) * 8;
  return { counts, entries, bytes: entries + ENTRY * count };
}

/** Yields after each group. */
export function* packTable(
  { words, columns, count, visit }: Entries,
  { buffer, byteOffset, byteLength }: Uint8Array,
): Generator<void, void> {
  const layout = tableLayout(words, columns, count);
  const table = new DataView(buffer, byteOffset, byteLength);
  let [counter, entry] = [layout.counts, layout.entries];
  const push = (where: number, weights: number): void => {
    table.setInt32(entry, where, true);
    table.setInt32(entry + 4, weights, true);
    entry += ENTRY;
  };
  for (let group = 0; group < groupsOf(columns); group++) {
    table.setUint32(4 * group, entry, true);
    for (let block = 0; block < words; block += DEPTH)
      for (let column = group * COLUMNS; column < (group + 1) * COLUMNS; column++) {
        const before = entry;
        if (column < columns) visit(column, block, push);
        table.setUint32(counter, (entry - before) / ENTRY, true);
        counter += 4;
      }
    yield;
  }
}
