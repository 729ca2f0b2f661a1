/**
 * A product by a sparse matrix as a stream of instructions, after kernels that generate code from the pattern of the weights
 * (LIBXSMM's sparse kernels; an outer product, so that every load serves as many columns as have a nonzero there).
 *
 * A unit is a few groups of columns of the result, for some tiles of sixteen tokens: for each nonzero one multiply-add of a broadcast
 * weight, which is a float, or four bytes along a column. Code that no other unit uses: the pattern is in it; weights follow one another in memory.
 */

import {
  Assembler,
  at,
  BROADCAST,
  r9,
  r10,
  r12,
  r13,
  r14,
  r15,
  rax,
  rbp,
  rdi,
  rdx,
  rip,
  rsi,
  zmm,
} from '@espalier/x64';
import { type Cut, NONZERO_BYTES } from './cut.ts';
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
import { SIDE } from './square.ts';

/** What a unit's own code finds beside: sums of the first tile, weights, the code that stores a tile. */
const [sumsAt, weightsAt, storeAt] = [r9, r10, r15];
/** Of the current tile, and tiles left. */
const [lineAt, sumAt, tilesLeft] = [r12, r13, r14];
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
  a.mov(rdi, sumAt);
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

/** Lines of A are in so many registers by turns, behind the sums. */
const TURNS = 4;
/** A short displacement reaches from the 128th element below a pointer to the 127th above. */
const [BELOW, ABOVE] = [-128, 127];
/** Of so many lines that are fetched, these are code and these weights, as there are bytes of both. */
const [CODE_LINES, WEIGHT_LINES] = [5, 2];
/** Nonzeros of which an eighth, code and weight, is a line. */
const FETCH_EVERY = Math.floor((8 * LINE) / (NONZERO_BYTES + 4));

/** Weights of 32 bits each, those that are 0 pruned: floats, or four bytes. */
export type Matrix = Float32Array | Int32Array;

/** A place in the sequence of weights. */
export interface Stream {
  readonly weights: Matrix;
  used: number;
}

/** The code of one unit; its weights are appended to `stream`. */
export function emitUnit(a: Assembler, cut: Cut, unit: number, matrix: Matrix, stream: Stream): Uint8Array {
  a.reset();
  const { units, rows, together, density, k, n } = cut;
  const columns = units[unit]!;
  const first = columns[0]!;
  const unitWidth = columns.at(-1)! - first;
  for (let chunk = 0; chunk + 1 < rows.length; chunk++) {
    const range = [rows[chunk]!, rows[chunk + 1]!] as const;
    for (let group = 0; group + 1 < columns.length; group += together) {
      const ends = columns.slice(group, group + together + 1);
      const [left, right] = [ends[0]!, ends.at(-1)!];
      const after = a.label();
      const nonzeros = Math.ceil(density * (right - left) * (range[1] - range[0]));
      a.mov(lineAt, turnedAt);
      a.mov(sumAt, sumsAt);
      a.mov(tilesLeft, tiles);
      a.lea(codeAhead, rip(after));
      a.lea(weightsAhead, at(weightsAt), 4 * (stream.used + nonzeros));
      const nextTile = a.here();
      const fetched = { nonzeros: 0, code: 0, weights: 0 };
      for (let g = 0; g + 1 < ends.length; g++) {
        a.lea(rsi, at(sumAt), (ends[g]! - first) * LINE);
        emitGroup(a, matrix, n, range, [ends[g]!, ends[g + 1]!], stream, fetched);
      }
      if (range[1] === k && right === columns.at(-1)) {
        a.movi(rsi, first);
        a.movi(rdx, unitWidth);
        a.call(storeAt);
      }
      a.addi(codeAhead, fetched.code * LINE);
      a.addi(weightsAhead, fetched.weights * LINE);
      a.addi(lineAt, k * LINE);
      a.addi(sumAt, unitWidth * LINE);
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
  nonzeros: number;
  code: number;
  weights: number;
}

/** Fetches a line now and then, so that eight tiles fetch as much as they use. */
function emitPrefetch(a: Assembler, fetched: Fetched): void {
  if (++fetched.nonzeros % FETCH_EVERY !== 0) return;
  if ((fetched.nonzeros / FETCH_EVERY) % (CODE_LINES + WEIGHT_LINES) < CODE_LINES)
    a.prefetcht1(at(codeAhead), LINE * fetched.code++);
  else a.prefetcht1(at(weightsAhead), LINE * fetched.weights++);
}

/** Adds to the sums at rsi of some columns what a chunk of rows gives. */
function emitGroup(
  a: Assembler,
  matrix: Matrix,
  n: number,
  [top, bottom]: Range,
  [left, right]: Range,
  stream: Stream,
  fetched: Fetched,
): void {
  const sums = Array.from({ length: right - left }, (_, i) => zmm(i));
  const isFloat = matrix instanceof Float32Array;
  const [line, weight] = [at(rdi), at(rdx)];
  let lineBase = top - BELOW;
  let weightBase = stream.used - BELOW;
  a.lea(rdi, at(lineAt), lineBase * LINE);
  a.lea(rdx, at(weightsAt), weightBase * 4);
  for (const [i, sum] of sums.entries())
    if (top === 0) a.vpxord(sum, sum, sum);
    else a.vmovups(sum, at(rsi), i * LINE);
  let turn = 0;
  for (let row = top; row < bottom; row++) {
    const x = zmm(sums.length + (turn % TURNS));
    let isLoaded = false;
    for (let column = left, read = row * n + left; column < right; column++, read++) {
      const value = matrix[read]!;
      if (value === 0) continue;
      if (!isLoaded) {
        if (row - lineBase > ABOVE) {
          a.addi(rdi, (row - BELOW - lineBase) * LINE);
          lineBase = row - BELOW;
        }
        a.vmovups(x, line, (row - lineBase) * LINE);
        isLoaded = true;
        turn++;
      }
      if (stream.used - weightBase > ABOVE) {
        a.addi(rdx, (stream.used - BELOW - weightBase) * 4);
        weightBase = stream.used - BELOW;
      }
      const sum = sums[column - left]!;
      if (isFloat) a.vfmadd231ps(sum, x, weight, (stream.used - weightBase) * 4, BROADCAST);
      else a.vpdpbusd(sum, x, weight, (stream.used - weightBase) * 4, BROADCAST);
      stream.weights[stream.used++] = value;
      emitPrefetch(a, fetched);
    }
  }
  for (const [i, sum] of sums.entries()) a.vmovups(at(rsi), i * LINE, sum);
}
