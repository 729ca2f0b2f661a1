/**
 * What units of sparse products share: arguments, a thread's memory, registers, the way in, and how a tile of sums becomes rows of the result.
 *
 * Tokens (rows of A) go in tiles, one in each lane, so that a nonzero weight takes one instruction for all of them. The turned A has for
 * each of its columns a line of 64 bytes.
 */

import {
  type Assembler,
  at,
  edx,
  type Gpr,
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
  rsi,
  type Vector,
  zmm,
} from '@espalier/x64';
import { addedFirst, type Epilogue, emitSteps, type Held, holdOperands } from '../matmul/epilogue.ts';
import { avx512 } from '../matmul/isa.ts';
import { emitSquare, SIDE } from './square.ts';

/** Bytes of sixteen floats, or of a column of a tile of A. */
export const LINE = 64;

/** The argument block of units; then for each operand of the epilogue its address and its row step in bytes. */
export const argumentWords = [
  'tiles',
  'tilesPerUnit',
  'units',
  'rows',
  'turned',
  'tileBytes',
  'scratch',
  'threadBytes',
  'entries',
  'weights',
  'columns',
  'aScale',
  'aZero',
  'c',
  'cRow',
] as const;
export type Argument = (typeof argumentWords)[number];
export const argument = (name: Argument): number => 8 * argumentWords.indexOf(name);
const operandArgument = (i: number): number => 8 * (argumentWords.length + 2 * i);
/** Behind them what units find beside. @param operands of the epilogue */
export const tableArgument = operandArgument;

/**
 * What a thread keeps in memory, `end` the row of the result that is not stored any more, `tile`, `block` and `read` for whoever walks over
 * tiles; behind it sums as rows of the result, then sums.
 */
const localWords = [
  ...(['args', 'unit', 'firstTile', 'end', 'rows', 'row', 'columns', 'column', 'lines'] as const),
  ...(['data', 'tile', 'block', 'read'] as const),
];
export const local = (name: (typeof localWords)[number]): number => 8 * localWords.indexOf(name);
const SQUARE_AT = Math.ceil((8 * localWords.length) / LINE) * LINE;
/** The registers of a square, and then what stays from row to row. */
const SQUARE = 16;
/** Tokens of a tile at most. */
const MOST_TOKENS = 64;
export const SUMS_AT = SQUARE_AT + MOST_TOKENS * LINE;

export const thread = at(rbx);
/** What a unit finds: the first tile of A, how many tiles, and what its entry points to. */
export const [turnedAt, tiles, entryAt] = [r8, r11, rcx];
const operandsAt: readonly Gpr[] = [r8, r9, r10, r11, r12, r13, r14, r15, rsi, rbp];

/** Makes ready what {@link turnedAt}, {@link tiles} and {@link entryAt} say, and the thread's memory. Args in rdi, unit in rsi, thread in rdx. */
export function emitEntry(a: Assembler): void {
  a.imul(rdx, at(rdi), argument('threadBytes'));
  a.mov(rbx, rdx);
  a.add(rbx, at(rdi), argument('scratch'));
  a.mov(thread, local('args'), rdi);
  a.mov(rax, at(rdi), argument('rows'));
  a.mov(thread, local('end'), rax);
  a.mov(rax, rsi);
  a.xor(edx, edx);
  a.div(qword(at(rdi)), argument('units'));
  a.mov(thread, local('unit'), rdx);
  a.mov(entryAt, at(rdi), argument('entries'));
  a.mov(entryAt, at(entryAt, rdx, 8), 0);
  a.imul(rax, at(rdi), argument('tilesPerUnit'));
  a.mov(thread, local('firstTile'), rax);
  a.mov(tiles, at(rdi), argument('tiles'));
  a.sub(tiles, rax);
  a.mov(rdx, at(rdi), argument('tilesPerUnit'));
  a.cmp(tiles, rdx);
  a.cmova(tiles, rdx);
  a.mov(turnedAt, at(rdi), argument('tileBytes'));
  a.imul(turnedAt, rax);
  a.add(turnedAt, at(rdi), argument('turned'));
}

/**
 * Where the sums of a tile of so many tokens are: lines of tokens for each column, so many bytes after those of the one before; or without
 * `pitch` a line of sixteen columns for each token, then those of the next sixteen columns.
 */
export interface Sums {
  readonly tokens: number;
  readonly pitch?: number;
}

/** How sums become elements of the result. Registers from zmm12 to zmm15 are its own, rax and rcx free to use. */
export interface Finish {
  readonly epilogue: Epilogue;
  readonly sums: Sums;
  /** Bytes of an element. */
  readonly bytes: 1 | 4;
  /** What a block of columns from rcx on needs; arguments at rdi. */
  begin?(a: Assembler): void;
  /** Sums in zmm0 become floats, and where one is given what is added to them. */
  scale?(a: Assembler, added?: Vector): void;
  /** Stores zmm0, of which k1 tells the columns where it is masked. */
  store(a: Assembler, to: Gpr, masked: boolean, held: Held): void;
}

/** A routine: sums of a tile of tokens from rax on, in lines at rdi for rdx columns from rsi on, into the result. Keeps r8 to r15 and rbp. */
export function emitStore(a: Assembler, finish: Finish): void {
  const { tokens, pitch } = finish.sums;
  const kept = [r8, r9, r10, r11, r12, r13, r14, r15, rbp];
  for (const register of kept) a.push(register);
  const none = a.label();
  a.mov(thread, local('columns'), rdx);
  a.mov(thread, local('column'), rsi);
  a.mov(thread, local('lines'), rdi);
  a.mov(thread, local('row'), rax);
  a.mov(rdi, thread, local('args'));
  a.mov(rcx, thread, local('end'));
  a.sub(rcx, rax);
  a.jbe(none);
  a.movi(rdx, tokens);
  a.cmp(rcx, rdx);
  a.cmova(rcx, rdx);
  a.mov(thread, local('rows'), rcx);
  const nextBlock = a.here();
  if (pitch !== undefined) {
    a.mov(rdx, thread, local('lines'));
    for (let first = 0; first < tokens; first += SIDE) {
      for (let i = 0; i < SIDE; i++) a.vmovups(zmm(SQUARE + i), at(rdx), i * pitch + 4 * first);
      emitSquare(a, SQUARE);
      for (let i = 0; i < SIDE; i++) a.vmovups(thread, SQUARE_AT + (first + i) * LINE, zmm(SQUARE + i));
    }
  }
  const [some, stored] = [a.label(), a.label()];
  a.cmpi(qword(thread), local('columns'), SIDE);
  a.jb(some);
  emitRows(a, finish, false);
  a.jmp(stored);
  a.bind(some);
  a.mov(rcx, thread, local('columns'));
  avx512.setMask(a);
  emitRows(a, finish, true);
  a.bind(stored);
  a.addi(qword(thread), local('lines'), pitch === undefined ? tokens * LINE : SIDE * pitch);
  a.addi(qword(thread), local('column'), SIDE);
  a.subi(qword(thread), local('columns'), SIDE);
  a.ja(nextBlock);
  a.bind(none);
  for (const register of kept.toReversed()) a.pop(register);
  a.ret();
}

/** Sixteen columns of sums through the epilogue into rows of the result. @param masked fewer columns, those of k1 */
function emitRows(a: Assembler, { epilogue, sums, bytes, begin, scale, store }: Finish, masked: boolean): void {
  const [resultAt, squareAt] = [rax, rdx];
  a.mov(rcx, thread, local('column'));
  begin?.(a);
  a.mov(rdx, thread, local('row'));
  a.mov(rcx, thread, local('column'));
  a.mov(resultAt, rdx);
  a.imul(resultAt, at(rdi), argument('cRow'));
  a.add(resultAt, at(rdi), argument('c'));
  a.lea(resultAt, at(resultAt, rcx, bytes));
  epilogue.operands.forEach(({ perColumn, dtype }, i) => {
    const address = operandsAt[i]!;
    a.mov(address, rdx);
    a.imul(address, at(rdi), operandArgument(i) + 8);
    a.add(address, at(rdi), operandArgument(i));
    if (perColumn) a.lea(address, at(address, rcx, dtype === 'float32' ? 4 : 1));
  });
  const addresses = epilogue.operands.map((_, i) => at(operandsAt[i]!));
  const free = Array.from({ length: SIDE }, (_, i) => zmm(SQUARE + i));
  const held = holdOperands(a, avx512, epilogue, addresses, 1, masked, free);
  // A bias is added without another rounding.
  const added = scale && addedFirst(epilogue, held, 0);
  const rest = added === undefined ? epilogue : { ...epilogue, steps: epilogue.steps.slice(1) };
  a.mov(rcx, thread, local('rows'));
  if (sums.pitch === undefined) a.mov(squareAt, thread, local('lines'));
  else a.lea(squareAt, thread, SQUARE_AT);
  const nextRow = a.here();
  a.vmovups(zmm(0), at(squareAt), 0);
  a.addi(squareAt, LINE);
  scale?.(a, added);
  emitSteps(a, avx512, rest, addresses, 1, masked, held);
  store(a, resultAt, masked, held);
  a.add(resultAt, at(rdi), argument('cRow'));
  for (const [i, { isSingle }] of epilogue.operands.entries())
    if (!isSingle) a.add(operandsAt[i]!, at(rdi), operandArgument(i) + 8);
  a.dec(rcx);
  a.jnz(nextRow);
}
