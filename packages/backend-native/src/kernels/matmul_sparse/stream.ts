/**
 * A product by a sparse matrix as a stream of instructions, after kernels that generate code from the pattern of the weights
 * (LIBXSMM's sparse kernels; an outer product, so that every load serves as many columns as have a nonzero there).
 *
 * A unit is a few groups of columns of the result, for some tiles of sixteen tokens: for each nonzero one multiply-add of a broadcast
 * weight, which is a float, or four bytes along a column. Code that no other unit uses: the pattern is in it; weights follow one another in memory.
 */

import { Assembler, at, r9, r10, r12, r13, r14, r15, rax, rbp, rdi, rdx, rip, rsi } from '@espalier/x64';
import { avx512, type Isa } from '../matmul/isa.ts';
import type { Cut, Matrix } from './cut.ts';
import {
  argument,
  emitEntry,
  emitStore,
  entryAt,
  type Finish,
  LINE,
  local,
  SUMS_AT,
  thread,
  tiles,
  turnedAt,
} from './frame.ts';
import { nonzerosOf, seek } from './nonzeros.ts';
import { emitProduct, weightsRead } from './product.ts';
import { SIDE } from './square.ts';

/** What a unit's own code finds beside: sums of the first tile, weights, the code that stores a tile. */
export const [sumsAt, weightsAt, storeAt] = [r9, r10, r15];
/** Of the current tile, and tiles left. */
export const [lineAt, sumAt, tilesLeft] = [r12, r13, r14];
/** The next code and weights to fetch. */
const [codeAhead, weightsAhead] = [rax, rbp];

/** The way into the code of each unit, and what stores a tile. */
export function emitStreamEntry(finish: Finish): Uint8Array {
  const a = new Assembler();
  const store = a.label();
  emitEntry(a);
  a.lea(sumsAt, thread, SUMS_AT);
  a.mov(weightsAt, at(rdi), argument('weights'));
  a.lea(storeAt, rip(store));
  a.jmp(entryAt);
  a.bind(store);
  a.push(codeAhead);
  a.mov(rax, tiles);
  a.sub(rax, tilesLeft);
  a.add(rax, thread, local('firstTile'));
  a.shl(rax, Math.log2(SIDE));
  const routine = a.label();
  a.call(routine);
  a.pop(codeAhead);
  a.ret();
  a.bind(routine);
  emitStore(a, finish);
  return a.finish().slice();
}

/** Registers behind the sums: lines of A by turns, and broadcast weights where an instruction cannot do that. */
const TURNS = { avx512: 4, avx2: 2 } as const;
const BROADCASTS = 3;
/** Columns of a group at most: a register of sums each, beside those. */
export const mostColumns = (isa: Isa): number => (isa === avx512 ? 32 - TURNS.avx512 : 16 - TURNS.avx2 - BROADCASTS);
/** A short displacement reaches from so many elements below a pointer to so many above. */
const REACH = { avx512: [-128, 127], avx2: [-32, 31] } as const;
/** Of so many lines that are fetched, these are code and these weights, as there are bytes of both. */
const [CODE_LINES, WEIGHT_LINES] = [5, 2];
/**
 * Nonzeros for which a line is fetched, for each tile of a pass: twice what it uses. With just as much, what comes late is never made good,
 * and weights colder than any cache take up to a quarter longer than hot ones.
 */
const FETCH_EVERY = 1.75;
/** Tiles of a pass, where nothing else is known. */
const PASS_TILES = 8;

/** Where a tile of A has what its rows are multiplied by. */
export interface Lines {
  /** Bytes from where the tile begins to the line of a row. */
  of(row: number): number;
  /** Bytes from one tile to the next. */
  readonly tileStep: number;
}

/** Tiles with a line for each of `k` rows. */
export const turned = (k: number): Lines => ({ of: (row) => row * LINE, tileStep: k * LINE });

/** A product as a stream. Weights are of 32 bits each: floats, or with AVX-512 four bytes. */
export interface Product {
  readonly isa: Isa;
  readonly cut: Cut;
  readonly matrix: Matrix<Float32Array | Int32Array>;
  readonly lines: Lines;
  /** How many tiles a unit usually goes through at a time. */
  readonly passTiles?: number;
  /** Sums are stored as soon as they are complete, some groups at a time; otherwise all of a unit's columns together. */
  readonly storesGroups?: boolean;
}

/** A place in the sequence of weights. */
export interface Stream {
  readonly weights: Float32Array | Int32Array;
  used: number;
}

/** The code of one unit; its weights are appended to `stream`. */
export function emitUnit(a: Assembler, product: Product, unit: number, stream: Stream): Uint8Array {
  a.reset();
  const { isa, cut, lines, storesGroups = false, passTiles = PASS_TILES } = product;
  const { units, rows, together, density, k } = cut;
  const columns = units[unit]!;
  const [first, end] = [columns[0]!, columns.at(-1)!];
  const sumBytes = 4 * isa.lanes;
  // What is complete after one chunk and then stored need not be kept for all tiles.
  const areKept = !storesGroups || rows.length > 2;
  for (let chunk = 0; chunk + 1 < rows.length; chunk++) {
    const range = [rows[chunk]!, rows[chunk + 1]!] as const;
    for (let group = 0; group + 1 < columns.length; group += together) {
      const ends = columns.slice(group, group + together + 1);
      const [left, right] = [ends[0]!, ends.at(-1)!];
      const firstSum = areKept ? first : left;
      const after = a.label();
      const nonzeros = Math.ceil(density * (right - left) * (range[1] - range[0]));
      a.mov(lineAt, turnedAt);
      a.mov(sumAt, sumsAt);
      a.mov(tilesLeft, tiles);
      a.lea(codeAhead, rip(after));
      a.lea(weightsAhead, at(weightsAt), 4 * (stream.used + nonzeros));
      const nextTile = a.here();
      const fetched = { every: Math.round(FETCH_EVERY * passTiles), nonzeros: 0, code: 0, weights: 0 };
      for (let g = 0; g + 1 < ends.length; g++) {
        a.lea(rsi, at(sumAt), (ends[g]! - firstSum) * sumBytes);
        emitGroup(a, product, range, [ends[g]!, ends[g + 1]!], stream, fetched);
      }
      if (range[1] === k && (storesGroups || right === end)) {
        const from = storesGroups ? left : first;
        a.lea(rdi, at(sumAt), (from - firstSum) * sumBytes);
        a.movi(rsi, from);
        a.movi(rdx, right - from);
        a.call(storeAt);
      }
      a.addi(codeAhead, fetched.code * LINE);
      a.addi(weightsAhead, fetched.weights * LINE);
      a.addi(lineAt, lines.tileStep);
      if (areKept) a.addi(sumAt, (end - first) * sumBytes);
      a.dec(tilesLeft);
      a.jnz(nextTile);
      a.bind(after);
    }
  }
  a.ret();
  return a.finish().slice();
}

type Range = readonly [from: number, to: number];

/** How many nonzeros a tile has come by, and lines of what comes next that were fetched meanwhile. */
interface Fetched {
  readonly every: number;
  nonzeros: number;
  code: number;
  weights: number;
}

/** Fetches a line now and then. */
function emitPrefetch(a: Assembler, fetched: Fetched): void {
  if (++fetched.nonzeros % fetched.every !== 0) return;
  if ((fetched.nonzeros / fetched.every) % (CODE_LINES + WEIGHT_LINES) < CODE_LINES)
    a.prefetcht1(at(codeAhead), LINE * fetched.code++);
  else a.prefetcht1(at(weightsAhead), LINE * fetched.weights++);
}

/** Adds to the sums at rsi of some columns what a chunk of rows gives. */
function emitGroup(
  a: Assembler,
  { isa, cut, matrix, lines }: Product,
  [top, bottom]: Range,
  [left, right]: Range,
  stream: Stream,
  fetched: Fetched,
): void {
  const nonzeros = nonzerosOf(matrix, cut);
  const { starts, columns, values, next } = nonzeros;
  const isFloat = values instanceof Float32Array;
  const isWide = isa === avx512;
  const lineBytes = 4 * isa.lanes;
  const [below, above] = REACH[isWide ? 'avx512' : 'avx2'];
  const turns = TURNS[isWide ? 'avx512' : 'avx2'];
  const sums = Array.from({ length: right - left }, (_, i) => isa.register(i));
  const [line, weight] = [at(rdi), at(weightsRead)];
  // Whole lines, as short displacements count in them.
  const baseFor = (at: number): number => (Math.floor(at / lineBytes) - below) * lineBytes;
  let lineBase = baseFor(lines.of(top));
  let weightBase = stream.used - below;
  a.lea(rdi, at(lineAt), lineBase);
  a.lea(weightsRead, at(weightsAt), weightBase * 4);
  for (const [i, sum] of sums.entries())
    if (top === 0) a.vxorps(sum, sum, sum);
    else a.vmovups(sum, at(rsi), i * lineBytes);
  let turn = 0;
  let broadcast = 0;
  for (let row = top; row < bottom; row++) {
    const x = isa.register(sums.length + (turn % turns));
    let isLoaded = false;
    let read = seek(nonzeros, row, left);
    for (; read < starts[row + 1]! && columns[read]! < right; read++) {
      if (!isLoaded) {
        const place = lines.of(row);
        if (place - lineBase > above * lineBytes) {
          a.addi(rdi, baseFor(place) - lineBase);
          lineBase = baseFor(place);
        }
        a.vmovups(x, line, place - lineBase);
        isLoaded = true;
        turn++;
      }
      if (stream.used - weightBase > above) {
        a.addi(weightsRead, (stream.used - below - weightBase) * 4);
        weightBase = stream.used - below;
      }
      if (isWide) emitProduct(a, isFloat, columns[read]! - left, x, stream.used - weightBase);
      else {
        const w = isa.register(sums.length + turns + (broadcast++ % BROADCASTS));
        a.vbroadcastss(w, weight, (stream.used - weightBase) * 4);
        a.vfmadd231ps(sums[columns[read]! - left]!, x, w);
      }
      stream.weights[stream.used++] = values[read]!;
      emitPrefetch(a, fetched);
    }
    next[row] = read;
  }
  for (const [i, sum] of sums.entries()) a.vmovups(at(rsi), i * lineBytes, sum);
}
