/** Weights of few bits by rows: panels of columns, each of its scales, then for each row of K a line for 64 columns, or 128 of four bits. */

import { toFloat16 } from '@espalier/core';
import type { NarrowMatrix } from '../matmul/narrow.ts';
import { eachSpan, type Levels, LINE } from './layout.ts';
import { spanCount } from './list.ts';

/** Levels that lie by rows in so many panels. */
export interface Rows extends Levels {
  readonly panels: number;
}

/** Columns of a panel at most, and where threads share them at least: so many are read of a row before the next one's turn. */
const MOST_COLUMNS = 4096;
const LEAST_COLUMNS = 512;
/** Steps of a span at most: memory gives few rows at a time faster. */
const MOST_STEPS = 64;

export function byRows(levels: Levels, threads: number): Rows {
  const { n, group, scales } = levels;
  const panels = Math.max(Math.ceil(n / MOST_COLUMNS), Math.min(threads, Math.floor(n / LEAST_COLUMNS)));
  return { ...levels, panels, group: scales === 'column' ? Math.min(group, MOST_STEPS) : group };
}
/** Columns that are added up at a time. */
export const BLOCK = 64;

/** Blocks of columns whose weights share the bytes of a line. */
export const sharing = ({ bits }: Pick<Levels, 'bits'>): 1 | 2 => (bits === 8 ? 1 : 2);

/** Columns of a panel: whole lines of them, in about as many in each. */
export function columnsOf(levels: Rows): number {
  const line = BLOCK * sharing(levels);
  return Math.ceil(levels.n / levels.panels / line) * line;
}

/** Bytes of a row of K in a panel. */
export const rowBytes = (levels: Rows): number => columnsOf(levels) / sharing(levels);

/** Columns and spans of a panel; bytes of a row of scales, of all of them, and of all. */
export function rowsLayout(levels: Rows) {
  const columns = columnsOf(levels);
  const spans = spanCount(levels);
  const scaleRow = (levels.isHalf ? 2 : 4) * columns;
  const scales = (levels.scales === 'group' ? spans : 1) * scaleRow;
  return { columns, spans, scaleRow, scales, bytes: scales + levels.k * rowBytes(levels) };
}

/** Where in a line the weight of a block's column is: such that bytes of four lines that are interleaved to quads come in order. */
const placeOf = (column: number): number => 16 * ((column >> 2) & 3) + 4 * (column >> 4) + (column & 3);

/** Packs into fresh memory, which is zero; yields after each panel. */
export function* packRows(
  levels: Rows,
  { scale }: Pick<NarrowMatrix, 'scale'>,
  weights: Uint8Array,
  to: Uint8Array,
): Generator<void, void> {
  const { k, n, isHalf } = levels;
  const own = rowBytes(levels);
  const { columns: width, scaleRow, scales, bytes } = rowsLayout(levels);
  const view = new DataView(to.buffer, to.byteOffset, to.byteLength);
  const share = sharing(levels);
  const places = Uint16Array.from({ length: width }, (_, i) => {
    return LINE * Math.floor(i / (BLOCK * share)) + placeOf(i % BLOCK);
  });
  const shifts = Uint8Array.from({ length: width }, (_, i) => 4 * (Math.floor(i / BLOCK) % share));
  for (let column = 0, panel = 0; column < n; column += width, panel += bytes) {
    const columns = Math.min(width, n - column);
    const writeScales = (row: number, at: number): void => {
      for (let i = 0; i < columns; i++)
        if (isHalf) view.setUint16(at + 2 * i, toFloat16(scale(row, column + i)), true);
        else view.setFloat32(at + 4 * i, scale(row, column + i), true);
    };
    let at = panel;
    if (levels.scales === 'column') writeScales(0, at);
    else
      eachSpan(levels, (first) => {
        writeScales(first, at);
        at += scaleRow;
      });
    for (let row = 0, write = panel + scales; row < k; row++, write += own) {
      const read = row * n + column;
      for (let i = 0; i < columns; i++) to[write + places[i]!]! |= weights[read + i]! << shifts[i]!;
    }
    yield;
  }
}
