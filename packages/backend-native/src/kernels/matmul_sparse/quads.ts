/**
 * Sparse matrices of bytes as pattern quads. The columns of the result go in groups of four; of such a group each row of the matrix has a
 * pattern: the columns in which it is not zero. Four rows of one pattern make a quad: their lines of A are interleaved once, and serve one dot
 * product of four for each column of the pattern. For each pattern there is one loop; the data says how often it runs.
 */

import type { Tensor } from '@espalier/core';
import {
  Assembler,
  at,
  BROADCAST,
  eax,
  ecx,
  edx,
  type Gpr,
  type Label,
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
import { argument, emitEntry, emitStore, entryAt, LINE, local, SUMS_AT, thread, tiles, turnedAt } from './frame.ts';
import { type Scaling, scaled } from './scaled.ts';
import { SIDE } from './square.ts';
import { BYTE_ROWS } from './turn.ts';

/** Columns of a group, and their patterns. */
const GROUP = 4;
const PATTERNS = 2 ** GROUP;
/** Columns of a unit. */
export const UNIT_COLUMNS = SIDE;
/** Sums of a column for a tile of tokens. */
const SUM_BYTES = 4 * BYTE_ROWS;
export const QUADS_SUMS = UNIT_COLUMNS * SUM_BYTES;
/** Bytes before the quads of a group: how many each pattern has, 16 bits each. */
const HEADER = 2 * PATTERNS;
/** Bytes of an offset, in 8 bytes: registers are scaled by 8. */
const OFFSET_BYTES = 2;
const OFFSET_SCALE = 8;
/** Rows of the matrix at most, so that an offset is one of 16 bits. */
export const MOST_QUAD_ROWS = 0x10000 / (LINE / OFFSET_SCALE);
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
function listsOf(data: Int8Array, k: number, n: number, column: number): number[][] {
  const lists: number[][] = Array.from({ length: PATTERNS }, () => []);
  const columns = Math.min(GROUP, n - column);
  for (let row = 0; row < k; row++) {
    let pattern = 0;
    for (let j = 0; j < columns; j++) if (data[row * n + column + j] !== 0) pattern |= 1 << j;
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

export function countQuads(matrix: Tensor): QuadCount {
  const [k, n] = matrix.dims as [number, number];
  let [quads, dots] = [0, 0];
  for (let column = 0; column < n; column += GROUP)
    for (const [pattern, list] of listsOf(matrix.data as Int8Array, k, n, column).entries()) {
      quads += list.length / GROUP;
      dots += (list.length / GROUP) * popcount(pattern);
    }
  const groups = Math.ceil(n / UNIT_COLUMNS) * (UNIT_COLUMNS / GROUP);
  return { quads, dots, bytes: groups * HEADER + 4 * OFFSET_BYTES * quads + 4 * dots };
}

/** Writes the packed matrix at `to`; yields after each unit where it began, in bytes. */
export function* packQuads(matrix: Tensor, to: DataView): Generator<number, void> {
  const [k, n] = matrix.dims as [number, number];
  const data = matrix.data as Int8Array;
  let at = 0;
  for (let first = 0; first < n; first += UNIT_COLUMNS) {
    const begin = at;
    for (let column = first; column < first + UNIT_COLUMNS; column += GROUP) {
      const lists = listsOf(data, k, n, column);
      lists.forEach((list, pattern) => {
        to.setUint16(at + 2 * pattern, list.length / GROUP, true);
      });
      at += HEADER;
      for (const [pattern, list] of lists.entries())
        for (let i = 0; i < list.length; i += GROUP) {
          const rows = list.slice(i, i + GROUP);
          for (const row of rows) {
            to.setUint16(at, (Math.max(0, row) * LINE) / OFFSET_SCALE, true);
            at += OFFSET_BYTES;
          }
          for (let j = 0; j < GROUP; j++) {
            if (((pattern >> j) & 1) === 0) continue;
            for (const row of rows) to.setInt8(at++, row < 0 ? 0 : data[row * n + column + j]!);
          }
        }
    }
    yield begin;
  }
}

const [headerAt, dataAt, sumsAt, groupsLeft, lineAt, tilesLeft] = [r10, rsi, r13, r14, r12, r15];
/** Behind the sums, four lines of A and what becomes of them. */
const [FIRST_LINE, FIRST_HALF] = [16, 20];

/** The code of all units: sixteen columns of the result, for some tiles of 64 tokens. */
export function emitQuads(shape: Scaling): Uint8Array {
  const a = new Assembler();
  const store = a.label();
  emitEntry(a);
  a.mov(thread, local('data'), entryAt);
  a.mov(lineAt, turnedAt);
  a.mov(tilesLeft, tiles);
  const nextTile = a.here();
  a.mov(dataAt, thread, local('data'));
  a.lea(sumsAt, thread, SUMS_AT);
  a.movi(groupsLeft, UNIT_COLUMNS / GROUP);
  const nextGroup = a.here();
  emitGroup(a);
  a.dec(groupsLeft);
  a.jnz(nextGroup);
  emitStores(a, shape.n, store);
  a.mov(rdi, thread, local('args'));
  a.add(lineAt, at(rdi), argument('tileBytes'));
  a.dec(tilesLeft);
  a.jnz(nextTile);
  a.ret();
  a.bind(store);
  emitStore(a, scaled(shape, SUM_BYTES));
  return a.finish().slice();
}

/** Sums of four columns for a tile. */
function emitGroup(a: Assembler): void {
  const sum = (column: number, part: number): Vector => zmm(4 * column + part);
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
      a.movzx(low, word(dataAt), OFFSET_BYTES * i);
      a.vmovups(zmm(FIRST_LINE + i), at(lineAt, offsets[i]!, OFFSET_SCALE));
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
    let end = 4 * OFFSET_BYTES;
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
    for (let part = 0; part < 4; part++) a.vmovups(at(sumsAt), column * SUM_BYTES + part * LINE, sum(column, part));
  a.addi(sumsAt, GROUP * SUM_BYTES);
}

/** The sums of a tile, sixteen tokens after the other, into the result. */
function emitStores(a: Assembler, n: number, store: Label): void {
  for (let part = 0; part < BYTE_ROWS / SIDE; part++) {
    a.mov(rax, tiles);
    a.sub(rax, tilesLeft);
    a.add(rax, thread, local('firstTile'));
    a.shl(rax, Math.log2(BYTE_ROWS));
    a.addi(rax, part * SIDE);
    a.lea(rdi, thread, SUMS_AT + part * LINE);
    a.mov(rsi, thread, local('unit'));
    a.shl(rsi, Math.log2(UNIT_COLUMNS));
    a.movi(rdx, n);
    a.sub(rdx, rsi);
    a.movi(rcx, UNIT_COLUMNS);
    a.cmp(rdx, rcx);
    a.cmova(rdx, rcx);
    a.call(store);
  }
}
