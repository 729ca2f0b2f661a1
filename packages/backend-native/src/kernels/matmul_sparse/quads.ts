/**
 * Sparse matrices of bytes as pattern quads. The columns of the result go in groups of four; of such a group each row of the matrix has a
 * pattern: the columns in which it is not zero. Four rows of one pattern make a quad: their lines of A are interleaved once, and serve one dot
 * product of four for each column of the pattern. For each pattern there is one loop; the data says how often it runs.
 */

import {
  Assembler,
  at,
  BROADCAST,
  eax,
  ecx,
  edx,
  type Gpr,
  r8,
  r8d,
  r9,
  r10,
  r12,
  r13,
  r14,
  r15,
  rax,
  rcx,
  rdi,
  rdx,
  rsi,
  type Vector,
  word,
  zmm,
} from '@espalier/x64';
import type { SizedMatrix } from './cut.ts';
import { argument, emitEntry, emitStore, entryAt, LINE, local, SUMS_AT, thread, tiles, turnedAt } from './frame.ts';
import { type Scaling, scaled } from './scaled.ts';
import { SIDE } from './square.ts';
import { BYTE_ROWS } from './turn.ts';

/** Columns of a group, and their patterns. */
const GROUP = 4;
const PATTERNS = 2 ** GROUP;
/** Columns whose sums are kept and stored together, and those of a unit: they share lines of the result. */
export const BLOCK_COLUMNS = SIDE;
export const UNIT_COLUMNS = 4 * BLOCK_COLUMNS;
/** Sums of a column for a tile of tokens. */
export const SUM_BYTES = 4 * BYTE_ROWS;
export const QUADS_SUMS = BLOCK_COLUMNS * SUM_BYTES;
/** Bytes before the quads of a group: how many each pattern has, 16 bits each. */
const HEADER = 2 * PATTERNS;

/** Where the line of each row of the matrix is in a tile of A. */
export interface QuadLines {
  /** Bytes from where the tile begins. */
  of(row: number): number;
  /** Bytes of such an offset in the packed data, and what registers are scaled by. */
  readonly offsetBytes: 2 | 4;
  readonly scale: 1 | 8;
}

/** One line after the other. */
export const tileLines: QuadLines = { of: (row) => row * LINE, offsetBytes: 2, scale: 8 };
/** Rows of the matrix at most, so that an offset is one of 16 bits. */
export const MOST_QUAD_ROWS = (0x10000 * tileLines.scale) / LINE;

/** Quads are fetched so far ahead of their use: about what the next unit reads. */
const AHEAD = 6144;

/** How many quads a matrix takes, and how many dot products they do. */
export interface QuadCount {
  readonly quads: number;
  readonly dots: number;
  /** Bytes of the packed data. */
  readonly bytes: number;
}

const popcount = (pattern: number): number => Number(pattern & 1) + (pattern > 1 ? popcount(pattern >> 1) : 0);

/** Rows of the matrix by pattern, each list a multiple of four: what is over joins the patterns of its parts, the last are filled up with -1. */
function listsOf({ data, rowStep, columnStep, k, n }: SizedMatrix<Int8Array>, column: number): number[][] {
  const lists: number[][] = Array.from({ length: PATTERNS }, () => []);
  const columns = Math.min(GROUP, n - column);
  for (let row = 0; row < k; row++) {
    let pattern = 0;
    for (let j = 0, at = row * rowStep + column * columnStep; j < columns; j++, at += columnStep)
      if (data[at] !== 0) pattern |= 1 << j;
    if (pattern !== 0) lists[pattern]!.push(row);
  }
  for (let size = GROUP; size > 1; size--)
    for (let pattern = 1; pattern < PATTERNS; pattern++) {
      const list = lists[pattern]!;
      while (popcount(pattern) === size && list.length % GROUP > 0) {
        const row = list.pop()!;
        const lowest = pattern & -pattern;
        lists[lowest]!.push(row);
        lists[pattern ^ lowest]!.push(row);
      }
    }
  for (const list of lists) while (list.length % GROUP > 0) list.push(-1);
  return lists;
}

export function countQuads(matrix: SizedMatrix<Int8Array>, { offsetBytes }: Pick<QuadLines, 'offsetBytes'>): QuadCount {
  const { n } = matrix;
  let [quads, dots] = [0, 0];
  for (let column = 0; column < n; column += GROUP)
    for (const [pattern, list] of listsOf(matrix, column).entries()) {
      quads += list.length / GROUP;
      dots += (list.length / GROUP) * popcount(pattern);
    }
  const groups = Math.ceil(n / BLOCK_COLUMNS) * (BLOCK_COLUMNS / GROUP);
  return { quads, dots, bytes: groups * HEADER + 4 * offsetBytes * quads + 4 * dots };
}

/** Writes the packed matrix at `to`; yields after each unit where it began, in bytes. */
export function* packQuads(
  matrix: SizedMatrix<Int8Array>,
  { of, offsetBytes, scale }: QuadLines,
  to: DataView,
): Generator<number, void> {
  const { data, rowStep, columnStep, n } = matrix;
  let at = 0;
  for (let first = 0; first < n; first += UNIT_COLUMNS) {
    const begin = at;
    const end = Math.min(UNIT_COLUMNS, Math.ceil((n - first) / BLOCK_COLUMNS) * BLOCK_COLUMNS);
    for (let column = first; column < first + end; column += GROUP) {
      const lists = listsOf(matrix, column);
      lists.forEach((list, pattern) => {
        to.setUint16(at + 2 * pattern, list.length / GROUP, true);
      });
      at += HEADER;
      for (const [pattern, list] of lists.entries())
        for (let i = 0; i < list.length; i += GROUP) {
          const rows = list.slice(i, i + GROUP);
          for (const row of rows) {
            const offset = of(Math.max(0, row)) / scale;
            if (offsetBytes === 2) to.setUint16(at, offset, true);
            else to.setUint32(at, offset, true);
            at += offsetBytes;
          }
          for (let j = 0; j < GROUP; j++) {
            if (((pattern >> j) & 1) === 0) continue;
            for (const row of rows) to.setInt8(at++, row < 0 ? 0 : data[row * rowStep + (column + j) * columnStep]!);
          }
        }
    }
    yield begin;
  }
}

const [headerAt, dataAt, groupsLeft] = [r10, rsi, r14];
/** The lines of the current tile, where its sums go, and how many tiles are left. */
export const [lineAt, sumsAt, tilesLeft] = [r12, r13, r15];
/** Behind the sums, four lines of A and what becomes of them. */
const [FIRST_LINE, FIRST_HALF] = [16, 20];

/** How the tiles of a unit follow one another, and what is done with their sums. */
export interface QuadTiles {
  readonly lines: QuadLines;
  /** Where the first tile's lines are, into {@link lineAt}; and where the next one's are. */
  begin(a: Assembler): void;
  next(a: Assembler): void;
  /** The row of the result that the tile begins with, into rax. */
  firstRow(a: Assembler): void;
  /** Stores the sums of a column, sixteen tokens in each register, from so many bytes behind {@link sumsAt} on. */
  keep(a: Assembler, sums: readonly Vector[], offset: number): void;
}

/** Of tiles with a line for each row, one after the other. */
export const turnedTiles: QuadTiles = {
  lines: tileLines,
  begin(a) {
    a.mov(lineAt, turnedAt);
  },
  next(a) {
    a.mov(rdi, thread, local('args'));
    a.add(lineAt, at(rdi), argument('tileBytes'));
  },
  firstRow(a) {
    emitTile(a);
    a.shl(rax, Math.log2(BYTE_ROWS));
  },
  keep(a, sums, offset) {
    for (const [part, sum] of sums.entries()) a.vmovups(at(sumsAt), offset + part * LINE, sum);
  },
};

/** The number of the tile, into rax. */
export function emitTile(a: Assembler): void {
  a.mov(rax, tiles);
  a.sub(rax, tilesLeft);
  a.add(rax, thread, local('firstTile'));
}

/** The code of all units: some blocks of columns of the result, for some tiles of 64 tokens. */
export function emitQuads(shape: Scaling, walk: QuadTiles): Uint8Array {
  const a = new Assembler();
  const store = a.label();
  emitEntry(a);
  a.mov(thread, local('data'), entryAt);
  a.mov(tilesLeft, tiles);
  walk.begin(a);
  const nextTile = a.here();
  a.mov(dataAt, thread, local('data'));
  a.mov(rax, thread, local('unit'));
  a.imuli(rax, rax, UNIT_COLUMNS);
  a.mov(thread, local('block'), rax);
  const nextBlock = a.here();
  a.lea(sumsAt, thread, SUMS_AT);
  a.movi(groupsLeft, BLOCK_COLUMNS / GROUP);
  const nextGroup = a.here();
  emitGroup(a, walk);
  a.dec(groupsLeft);
  a.jnz(nextGroup);
  a.mov(thread, local('read'), dataAt);
  walk.firstRow(a);
  a.lea(rdi, thread, SUMS_AT);
  a.mov(rsi, thread, local('block'));
  a.movi(rdx, shape.n);
  a.sub(rdx, rsi);
  a.movi(rcx, BLOCK_COLUMNS);
  a.cmp(rdx, rcx);
  a.cmova(rdx, rcx);
  a.call(store);
  const [tileDone, done] = [a.label(), a.label()];
  a.mov(dataAt, thread, local('read'));
  a.mov(rax, thread, local('block'));
  a.addi(rax, BLOCK_COLUMNS);
  a.mov(thread, local('block'), rax);
  a.cmpi(rax, shape.n);
  a.jae(tileDone);
  a.testi(rax, UNIT_COLUMNS - 1);
  a.jnz(nextBlock);
  a.bind(tileDone);
  a.dec(tilesLeft);
  a.jz(done);
  walk.next(a);
  a.jmp(nextTile);
  a.bind(done);
  a.ret();
  a.bind(store);
  emitStore(a, scaled(shape, { tokens: BYTE_ROWS, pitch: SUM_BYTES }));
  return a.finish().slice();
}

/** Sums of four columns for a tile. */
function emitGroup(a: Assembler, { lines, keep }: QuadTiles): void {
  const sum = (column: number, part: number): Vector => zmm(4 * column + part);
  const { offsetBytes, scale } = lines;
  a.mov(headerAt, dataAt);
  a.addi(dataAt, HEADER);
  for (let i = 0; i < 16; i++) a.vpxord(zmm(i), zmm(i), zmm(i));
  const offsets: readonly Gpr[] = [rax, rcx, rdx, r8];
  for (let pattern = 1; pattern < PATTERNS; pattern++) {
    const none = a.label();
    a.movzx(r9, word(headerAt), 2 * pattern);
    a.test(r9, r9);
    a.jz(none);
    const loop = a.here();
    a.prefetcht1(at(dataAt), AHEAD);
    for (const [i, low] of [eax, ecx, edx, r8d].entries()) {
      if (offsetBytes === 2) a.movzx(low, word(dataAt), offsetBytes * i);
      else a.mov(low, at(dataAt), offsetBytes * i);
      a.vmovups(zmm(FIRST_LINE + i), at(lineAt, offsets[i]!, scale));
    }
    const [r0, r1, r2, r3] = [0, 1, 2, 3].map((i) => zmm(FIRST_LINE + i)) as [Vector, Vector, Vector, Vector];
    const [l01, h01, l23, h23] = [0, 1, 2, 3].map((i) => zmm(FIRST_HALF + i)) as [Vector, Vector, Vector, Vector];
    a.vpunpcklbw(l01, r0, r1);
    a.vpunpcklbw(l23, r2, r3);
    a.vpunpckhbw(h01, r0, r1);
    a.vpunpckhbw(h23, r2, r3);
    a.vpunpcklwd(r0, l01, l23);
    a.vpunpckhwd(r1, l01, l23);
    a.vpunpcklwd(r2, h01, h23);
    a.vpunpckhwd(r3, h01, h23);
    let end = 4 * offsetBytes;
    for (let column = 0; column < GROUP; column++) {
      if (((pattern >> column) & 1) === 0) continue;
      for (let part = 0; part < 4; part++)
        a.vpdpbusd(sum(column, part), zmm(FIRST_LINE + part), at(dataAt), end, BROADCAST);
      end += 4;
    }
    a.addi(dataAt, end);
    a.dec(r9);
    a.jnz(loop);
    a.bind(none);
  }
  for (let column = 0; column < GROUP; column++)
    keep(
      a,
      [0, 1, 2, 3].map((part) => sum(column, part)),
      column * SUM_BYTES,
    );
  a.addi(sumsAt, GROUP * SUM_BYTES);
}
