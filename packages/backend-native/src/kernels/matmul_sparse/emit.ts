/**
 * A product by a sparse matrix as a stream of instructions, after kernels that generate code from the pattern of the weights
 * (LIBXSMM's sparse kernels; an outer product, so that every load serves as many columns as have a nonzero there).
 *
 * Tokens (rows of A) go in tiles of sixteen, one in each lane. A unit is a few groups of columns of the result, for some tiles: for each nonzero
 * one multiply-add of a broadcast weight. Code that no other unit uses: the pattern is in it; weights follow one another in memory.
 */

import {
  Assembler,
  at,
  BROADCAST,
  eax,
  edx,
  type Gpr,
  k1,
  qword,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  r15,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rip,
  rsi,
  ZERO,
  zmm,
} from '@espalier/x64';
import { type Epilogue, emitSteps } from '../matmul/epilogue.ts';
import { avx512 } from '../matmul/isa.ts';
import { type Cut, NONZERO_BYTES } from './cut.ts';
import { emitSquare, SIDE } from './square.ts';

/** Bytes of sixteen floats. */
export const LINE = 64;

/** The argument block of units; then for each operand of the epilogue its address and its row step in bytes. */
export const argumentWords = [
  'tiles',
  'tilesPerUnit',
  'units',
  'rows',
  'turned',
  'scratch',
  'threadBytes',
  'weights',
  'entries',
  'c',
  'cRow',
] as const;
const argument = (name: (typeof argumentWords)[number]): number => 8 * argumentWords.indexOf(name);
const operandArgument = (i: number): number => 8 * (argumentWords.length + 2 * i);

/** What a thread keeps in memory; behind it a square of results, then tiles of sums. */
const localWords = ['args', 'firstTile', 'rows', 'row', 'columns', 'columnAt', 'lines', 'ahead'] as const;
const local = (name: (typeof localWords)[number]): number => 8 * localWords.indexOf(name);
const SQUARE_AT = Math.ceil((8 * localWords.length) / LINE) * LINE;
export const SUMS_AT = SQUARE_AT + SIDE * LINE;

const thread = at(rbx);
/** What a unit's own code finds: A and sums of the first tile, weights, how many tiles, the code that stores a tile. */
const [turnedAt, sumsAt, weightsAt, tiles, storeAt] = [r8, r9, r10, r11, r15];
/** Of the current tile, and tiles left. */
const [lineAt, sumAt, tilesLeft] = [r12, r13, r14];
/** The next code and weights to fetch. */
const [codeAhead, weightsAhead] = [rax, rbp];
const operandsAt: readonly Gpr[] = [r8, r9, r10, r11, r12, r13, r14, r15, rsi, rbp];

/** Rows of A into lines of one element of each: a unit turns one tile. Arguments: A, bytes of a row, rows, and where lines go. */
export function emitTurn(k: number): Uint8Array {
  const a = new Assembler();
  const [from, step, rows, to] = [r8, r9, rcx, r10];
  const [step3, second, third, fourth, count] = [r11, r12, r13, r14, rax];
  a.mov(from, at(rdi), 0);
  a.mov(step, at(rdi), 8);
  a.mov(rows, at(rdi), 16);
  a.mov(to, at(rdi), 24);
  a.imuli(rdx, rsi, SIDE);
  a.sub(rows, rdx);
  a.imul(rdx, step);
  a.add(from, rdx);
  a.imuli(rdx, rsi, k * LINE);
  a.add(to, rdx);
  a.lea(step3, at(step, step, 2));
  a.lea(second, at(from, step, 4));
  a.lea(third, at(second, step, 4));
  a.lea(fourth, at(third, step, 4));
  const bases = [from, second, third, fourth];
  const block = (columns: number): void => {
    const done = a.label();
    if (columns < SIDE) {
      a.movi(edx, (1 << columns) - 1);
      a.kmovd(k1, edx);
    }
    for (let row = 0; row < SIDE; row++) {
      if (row > 0) {
        a.cmpi(rows, row);
        a.jbe(done);
      }
      const base = bases[row >> 2]!;
      const address = [at(base), at(base, step), at(base, step, 2), at(base, step3)][row & 3]!;
      a.vmovups(zmm(row), address, 0, columns < SIDE ? k1 | ZERO : 0);
    }
    a.bind(done);
    emitSquare(a);
    for (let column = 0; column < columns; column++) a.vmovups(at(to), column * LINE, zmm(column));
  };
  const whole = Math.floor(k / SIDE);
  if (whole > 0) {
    a.movi(count, whole);
    const loop = a.here();
    block(SIDE);
    for (const base of bases) a.addi(base, LINE);
    a.addi(to, SIDE * LINE);
    a.dec(count);
    a.jnz(loop);
  }
  if (k % SIDE > 0) block(k % SIDE);
  a.ret();
  return a.finish().slice();
}

/** The entry of all units, which finds the unit's own code; and what stores a tile. */
export function emitEntry(k: number, epilogue: Epilogue): Uint8Array {
  const a = new Assembler();
  const store = a.label();
  a.imul(rdx, at(rdi), argument('threadBytes'));
  a.mov(rbx, rdx);
  a.add(rbx, at(rdi), argument('scratch'));
  a.mov(thread, local('args'), rdi);
  a.mov(rax, rsi);
  a.xor(edx, edx);
  a.div(qword(at(rdi)), argument('units'));
  a.mov(rcx, at(rdi), argument('entries'));
  a.mov(rcx, at(rcx, rdx, 8), 0);
  a.imul(rax, at(rdi), argument('tilesPerUnit'));
  a.mov(thread, local('firstTile'), rax);
  a.mov(tiles, at(rdi), argument('tiles'));
  a.sub(tiles, rax);
  a.mov(rdx, at(rdi), argument('tilesPerUnit'));
  a.cmp(tiles, rdx);
  a.cmova(tiles, rdx);
  a.imuli(turnedAt, rax, k * LINE);
  a.add(turnedAt, at(rdi), argument('turned'));
  a.lea(sumsAt, thread, SUMS_AT);
  a.mov(weightsAt, at(rdi), argument('weights'));
  a.lea(storeAt, rip(store));
  a.jmp(rcx);
  a.bind(store);
  emitStore(a, epilogue);
  return a.finish().slice();
}

/** Stores a tile: its lines at `sumAt` are the columns from rsi on, as many as rdx says. */
function emitStore(a: Assembler, epilogue: Epilogue): void {
  const kept = [turnedAt, sumsAt, weightsAt, tiles, lineAt, sumAt, tilesLeft, storeAt, codeAhead, weightsAhead];
  for (const register of kept) a.push(register);
  a.mov(thread, local('columns'), rdx);
  a.shl(rsi, 2);
  a.mov(thread, local('columnAt'), rsi);
  a.mov(thread, local('lines'), sumAt);
  a.mov(rdi, thread, local('args'));
  a.mov(rax, tiles);
  a.sub(rax, tilesLeft);
  a.add(rax, thread, local('firstTile'));
  a.shl(rax, Math.log2(SIDE));
  a.mov(thread, local('row'), rax);
  a.mov(rcx, at(rdi), argument('rows'));
  a.sub(rcx, rax);
  a.movi(rdx, SIDE);
  a.cmp(rcx, rdx);
  a.cmova(rcx, rdx);
  a.mov(thread, local('rows'), rcx);
  const nextBlock = a.here();
  a.mov(rdx, thread, local('lines'));
  for (let i = 0; i < SIDE; i++) a.vmovups(zmm(i), at(rdx), i * LINE);
  emitSquare(a);
  for (let i = 0; i < SIDE; i++) a.vmovups(thread, SQUARE_AT + i * LINE, zmm(i));
  a.mov(rcx, thread, local('columns'));
  a.movi(rax, SIDE);
  a.cmp(rcx, rax);
  a.cmova(rcx, rax);
  avx512.setMask(a);
  emitRows(a, epilogue);
  a.addi(qword(thread), local('lines'), SIDE * LINE);
  a.addi(qword(thread), local('columnAt'), LINE);
  a.subi(qword(thread), local('columns'), SIDE);
  a.ja(nextBlock);
  for (const register of kept.toReversed()) a.pop(register);
  a.ret();
}

/** The square through the epilogue into rows of the result. */
function emitRows(a: Assembler, epilogue: Epilogue): void {
  const [resultAt, squareAt] = [rax, rdx];
  a.mov(rdx, thread, local('row'));
  a.mov(rcx, thread, local('columnAt'));
  a.mov(resultAt, rdx);
  a.imul(resultAt, at(rdi), argument('cRow'));
  a.add(resultAt, at(rdi), argument('c'));
  a.add(resultAt, rcx);
  epilogue.operands.forEach(({ perColumn }, i) => {
    const address = operandsAt[i]!;
    a.mov(address, rdx);
    a.imul(address, at(rdi), operandArgument(i) + 8);
    a.add(address, at(rdi), operandArgument(i));
    if (perColumn) a.add(address, rcx);
  });
  a.mov(rcx, thread, local('rows'));
  a.lea(squareAt, thread, SQUARE_AT);
  const nextRow = a.here();
  a.vmovups(zmm(0), at(squareAt), 0);
  const addresses = epilogue.operands.map((_, i) => at(operandsAt[i]!));
  emitSteps(a, avx512, epilogue, addresses, 1, true);
  avx512.store(a, at(resultAt), 0, zmm(0), true);
  a.addi(squareAt, LINE);
  a.add(resultAt, at(rdi), argument('cRow'));
  for (const i of epilogue.operands.keys()) a.add(operandsAt[i]!, at(rdi), operandArgument(i) + 8);
  a.dec(rcx);
  a.jnz(nextRow);
}

/** Lines of A are in so many registers by turns, behind the sums. */
const TURNS = 4;
/** A short displacement reaches from the 128th element below a pointer to the 127th above. */
const [BELOW, ABOVE] = [-128, 127];
/** Lines of code and of weights that are fetched together. */
const [CODE_LINES, WEIGHT_LINES] = [5, 2];

/** A place in the sequence of weights. */
export interface Stream {
  readonly weights: Float32Array;
  used: number;
}

/** The code of one unit; its weights are appended to `stream`. */
export function emitUnit(a: Assembler, cut: Cut, unit: number, matrix: Float32Array, stream: Stream): Uint8Array {
  a.reset();
  const { columns, rows, groupsPerUnit, density, k, n } = cut;
  const groups: number[] = [];
  for (let g = unit * groupsPerUnit; g < Math.min((unit + 1) * groupsPerUnit, columns.length - 1); g++) groups.push(g);
  const first = columns[groups[0]!]!;
  const width = columns[groups.at(-1)! + 1]! - first;
  for (let chunk = 0; chunk + 1 < rows.length; chunk++) {
    const [from, to] = [rows[chunk]!, rows[chunk + 1]!];
    const after = a.label();
    const nonzeros = Math.ceil(density * width * (to - from));
    a.mov(lineAt, turnedAt);
    a.mov(sumAt, sumsAt);
    a.mov(tilesLeft, tiles);
    // What comes next is fetched meanwhile, a part with each tile.
    a.movi(eax, Math.max(1, Math.ceil((nonzeros * NONZERO_BYTES) / (CODE_LINES * LINE))));
    a.lea(rax, at(rax, tiles), -1);
    a.xor(edx, edx);
    a.div(tiles);
    a.mov(thread, local('ahead'), rax);
    a.lea(codeAhead, rip(after));
    a.lea(weightsAhead, at(weightsAt), 4 * (stream.used + nonzeros));
    const nextTile = a.here();
    emitPrefetch(a);
    for (const g of groups) {
      a.lea(rsi, at(sumAt), (columns[g]! - first) * LINE);
      emitGroup(a, matrix, n, [from, to], [columns[g]!, columns[g + 1]!], stream);
    }
    if (to === k) {
      a.movi(rsi, first);
      a.movi(rdx, width);
      a.call(storeAt);
    }
    a.addi(lineAt, k * LINE);
    a.addi(sumAt, width * LINE);
    a.dec(tilesLeft);
    a.jnz(nextTile);
    a.bind(after);
  }
  a.ret();
  return a.finish().slice();
}

type Range = readonly [from: number, to: number];

function emitPrefetch(a: Assembler): void {
  a.mov(rcx, thread, local('ahead'));
  const more = a.here();
  for (let i = 0; i < CODE_LINES; i++) a.prefetcht1(at(codeAhead), i * LINE);
  for (let i = 0; i < WEIGHT_LINES; i++) a.prefetcht1(at(weightsAhead), i * LINE);
  a.addi(codeAhead, CODE_LINES * LINE);
  a.addi(weightsAhead, WEIGHT_LINES * LINE);
  a.dec(rcx);
  a.jnz(more);
}

/** Adds to the sums at rsi of some columns what a chunk of rows gives. */
function emitGroup(
  a: Assembler,
  matrix: Float32Array,
  n: number,
  [top, bottom]: Range,
  [left, right]: Range,
  stream: Stream,
): void {
  const sums = Array.from({ length: right - left }, (_, i) => zmm(i));
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
      a.vfmadd231ps(sums[column - left]!, x, weight, (stream.used - weightBase) * 4, BROADCAST);
      stream.weights[stream.used++] = value;
    }
  }
  for (const [i, sum] of sums.entries()) a.vmovups(at(rsi), i * LINE, sum);
}
