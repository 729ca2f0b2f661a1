/**
 * Sums of a block of up to 32 rows and 32 columns in two by two tiles of AMX. A row of A is bytes along K; a panel of B has for
 * each 32 bits of K a row of 32 columns. Source: Intel's optimization manual, chapter 20.
 */

import { type Assembler, at, type Gpr, r8, r9, r10, r12, r14, r15, rax, rcx, tmm } from '@espalier/x64';

/** Rows of a tile, and how many 32 bits of K it holds. */
export const TILE_ROWS = 16;
export const TILE_STEPS = 16;
/** Rows of the largest block. */
export const BLOCK_ROWS = 2 * TILE_ROWS;
/** Columns of a panel, of 32 bits each in B and in the sums. */
export const PANEL_COLUMNS = 32;
export const PANEL_ROW_BYTES = 4 * PANEL_COLUMNS;
const TILE_ROW_BYTES = 64;

export type TileProduct = 'tdpbf16ps' | 'tdpbusd' | 'tdpbssd';

/** Registers that a product begins with; `aAt`, `lowerAt` and `bAt` have moved on behind it. */
export const tileRegisters = {
  /** Where the block's rows of A begin, and those of its second half; bytes from row to row. */
  aAt: r8,
  lowerAt: r9,
  pitch: r12,
  /** Where the panel begins; the bytes from row to row are set here. */
  bAt: r14,
  bStride: r15,
  /** What the caller wants fetched meanwhile, once, line by line. */
  aheadAt: r10,
} as const;

const [SUMS, LEFT, RIGHT] = [0, 4, 6];
/** Lines that a step fetches ahead, for blocks of two tiles of rows, of which panels meet about four, and for those of one. */
const LINES_AHEAD = { two: 8, one: 32 };

/** Shapes of the tiles for blocks of so many rows: the second half has what the first leaves. */
function configuration(rows: number): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes[0] = 1;
  const shape = (tile: number, height: number): void => {
    if (height === 0) return;
    bytes[16 + 2 * tile] = TILE_ROW_BYTES;
    bytes[48 + tile] = height;
  };
  for (const half of [0, 1]) {
    const height = Math.min(TILE_ROWS, Math.max(0, rows - half * TILE_ROWS));
    for (const tile of [SUMS + 2 * half, SUMS + 2 * half + 1, LEFT + half]) shape(tile, height);
    shape(RIGHT + half, TILE_STEPS);
  }
  return bytes;
}

/** Configures the thread's tiles for blocks of at most as many rows as `rows` says, from 1 on. Clobbers it, and rax. */
export function emitTileConfiguration(a: Assembler, rows: Gpr): void {
  const all = new Uint8Array(64 * BLOCK_ROWS);
  for (let i = 0; i < BLOCK_ROWS; i++) all.set(configuration(i + 1), 64 * i);
  a.lea(rax, a.constant(all));
  a.shl(rows, 6);
  a.ldtilecfg(at(rax, rows), -64);
}

export interface TileBlock {
  readonly product: TileProduct;
  /** The block has more rows than a tile. */
  readonly isTall: boolean;
  /** Sums begin with what is in memory; else with zeros. */
  readonly isContinued: boolean;
  /** What vectors do while tiles multiply. */
  readonly meanwhile?: Meanwhile;
}

/** Work on rows, which is done when the sums are stored. It leaves {@link tileRegisters}, rcx and `left` alone. */
export interface Meanwhile {
  /** A register with the number of rows, maybe none. */
  readonly left: Gpr;
  /** Rows for each step along K, from 1 on. */
  readonly rows: number;
  emitRow(): void;
}

/**
 * Sums of a block, row by row of a panel's width, to `sums`. rcx says how many tiles there are along K, maybe none. Clobbers it, and
 * what {@link tileRegisters} says.
 */
export function emitTileProduct(a: Assembler, { product, isTall, isContinued, meanwhile }: TileBlock, sums: Gpr): void {
  const { aAt, lowerAt, pitch, bAt, bStride, aheadAt } = tileRegisters;
  const halves = isTall ? [0, 1] : [0];
  const tiles = halves.flatMap((half) =>
    [0, 1].map((column) => ({
      ...{ half, column, tile: tmm(SUMS + 2 * half + column) },
      offset: half * TILE_ROWS * PANEL_ROW_BYTES + column * TILE_ROW_BYTES,
    })),
  );
  a.movi(bStride, PANEL_ROW_BYTES);
  for (const { tile, offset } of tiles)
    if (isContinued) a.tileloadd(tile, at(sums, bStride), offset);
    else a.tilezero(tile);
  const done = a.label();
  a.test(rcx, rcx);
  a.jz(done);
  const lines = isTall ? LINES_AHEAD.two : LINES_AHEAD.one;
  const step = (): void => {
    let line = 0;
    for (const [i, { half, column, tile }] of tiles.entries()) {
      const [left, right] = [tmm(LEFT + half), tmm(RIGHT + column)];
      if (column === 0) a.tileloadd(left, at(half === 0 ? aAt : lowerAt, pitch));
      if (half === 0) a.tileloaddt1(right, at(bAt, bStride), column * TILE_ROW_BYTES);
      a[product](tile, left, right);
      for (; line < ((i + 1) * lines) / tiles.length; line++) a.prefetcht1(at(aheadAt), 64 * line);
    }
    a.addi(aAt, TILE_ROW_BYTES);
    if (isTall) a.addi(lowerAt, TILE_ROW_BYTES);
    a.addi(bAt, TILE_STEPS * PANEL_ROW_BYTES);
    a.addi(aheadAt, 64 * lines);
  };
  if (meanwhile) {
    const { left, rows, emitRow } = meanwhile;
    const alone = a.label();
    const both = a.here();
    a.cmpi(left, rows);
    a.jb(alone);
    step();
    for (let i = 0; i < rows; i++) emitRow();
    a.subi(left, rows);
    a.dec(rcx);
    a.jnz(both);
    a.jmp(done);
    a.bind(alone);
  }
  const loop = a.here();
  step();
  a.dec(rcx);
  a.jnz(loop);
  a.bind(done);
  if (meanwhile) emitRows(a, meanwhile);
  for (const { tile, offset } of tiles) a.tilestored(at(sums, bStride), offset, tile);
}

/** Rows that no step along K was left for. */
export function emitRows(a: Assembler, { left, emitRow }: Meanwhile): void {
  const none = a.label();
  a.test(left, left);
  a.jz(none);
  const row = a.here();
  emitRow();
  a.dec(left);
  a.jnz(row);
  a.bind(none);
}
