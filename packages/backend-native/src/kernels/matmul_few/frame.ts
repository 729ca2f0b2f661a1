/**
 * What products of few rows have in common: panels of sixteen columns by blocks of at most four rows, and the sums of a block through the
 * epilogue into the result. K, N and the weights are constant; rows are arguments.
 */

import {
  type Assembler,
  at,
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
  zmm,
} from '@espalier/x64';
import { Loops } from '../loops.ts';
import { type Epilogue, emitSteps, MOST_OPERANDS } from '../matmul/epilogue.ts';
import { avx512 } from '../matmul/isa.ts';

/** Columns of a panel: one vector. */
export const COLUMNS = 16;
const VECTOR = 4 * COLUMNS;
/** Rows of a block at most. */
export const BLOCK_ROWS = 4;

/** The argument block; then for each operand of the epilogue its address and its row step in bytes. */
export const argumentWords = [
  'scratch',
  'weights',
  'a',
  'c',
  'blocks',
  'blockRows',
  'tallBlocks',
  'blocksPerUnit',
  'rowGroups',
  'panelsPerUnit',
  'columnGroups',
] as const;
const argument = (name: (typeof argumentWords)[number]): number => 8 * argumentWords.indexOf(name);
const operandArgument = (i: number): number => 8 * (argumentWords.length + 2 * i);

/** What a thread keeps in memory, before the sums of a block. */
const localWords = ['panel', 'panelEnd', 'blockStart', 'blockEnd', 'block', 'row', 'rows'] as const;
const local = (name: (typeof localWords)[number]): number => 8 * localWords.indexOf(name);
const SUMS_AT = 64;
export const THREAD_BYTES = SUMS_AT + BLOCK_ROWS * VECTOR;

const args = at(rdi);
const thread = at(rbx);
const operandsAt: readonly Gpr[] = [r8, r9, r10, r11, r12, r13, r14, r15, rsi, rbp].slice(0, MOST_OPERANDS);

/** Where a block's product finds its operands: the first row of A, the weights of all panels, and the panel's number. */
export const [aAt, weightsAt, panel] = [r8, r12, rax];

export interface Frame {
  readonly n: number;
  /** Bytes from row to row of what stands for A. */
  readonly pitch: number;
  /** Numbers of rows that blocks may have. */
  readonly heights: readonly number[];
  readonly epilogue: Epilogue;
  /** Adds a block up: the sums of row `r` in register `sum(r)` at the end. Keeps rdi, rbx, k1, may change all else. */
  product(a: Assembler, rows: number, sum: (r: number) => number): void;
}

/** Entry: args in rdi, unit in rsi, thread in rdx. */
export function emitFrame(a: Assembler, frame: Frame): void {
  const loops = new Loops(a, argument, local);
  const { n, heights, pitch } = frame;
  const panels = Math.ceil(n / COLUMNS);
  const rest = n % COLUMNS;
  a.imuli(rbx, rdx, THREAD_BYTES);
  a.add(rbx, args, argument('scratch'));
  a.mov(rax, rsi);
  loops.range('rowGroups', 'blocksPerUnit', 'blocks', 'blockStart', 'blockEnd');
  loops.range('columnGroups', 'panelsPerUnit', panels, 'panel', 'panelEnd');
  if (rest > 0) {
    a.movi(rcx, rest);
    avx512.setMask(a);
  }
  const nextPanel = a.here();
  a.mov(rax, thread, local('blockStart'));
  a.mov(thread, local('block'), rax);
  const nextBlock = a.here();
  emitBlockRows(a);
  a.imuli(aAt, rsi, pitch);
  a.add(aAt, args, argument('a'));
  a.mov(weightsAt, args, argument('weights'));
  a.mov(panel, thread, local('panel'));
  const done = a.label();
  const labels = heights.map(() => a.label());
  for (const [i, rows] of heights.entries()) {
    if (i === heights.length - 1) continue;
    a.cmpi(rcx, rows);
    a.je(labels[i]!);
  }
  for (const [i, rows] of [...heights.entries()].toReversed()) {
    a.bind(labels[i]!);
    frame.product(a, rows, (r) => zmm(COLUMNS + r));
    for (let r = 0; r < rows; r++) a.vmovups(thread, SUMS_AT + r * VECTOR, zmm(COLUMNS + r));
    if (i > 0) a.jmp(done);
  }
  a.bind(done);
  emitFinish(a, frame, panels, rest);
  loops.next('block', 'blockEnd', nextBlock);
  loops.next('panel', 'panelEnd', nextPanel);
  a.ret();
}

/** The block's first row, also in rsi, and how many it has, also in rcx. */
function emitBlockRows(a: Assembler): void {
  a.mov(rdx, args, argument('tallBlocks'));
  a.mov(rcx, args, argument('blockRows'));
  a.mov(rsi, rcx);
  a.imul(rsi, rax);
  a.cmp(rax, rdx);
  a.cmovb(rdx, rax);
  a.add(rsi, rdx);
  a.cmp(rax, args, argument('tallBlocks'));
  // Carry, which says that the block is a tall one, makes it one row more.
  a.adci(rcx, 0);
  a.mov(thread, local('row'), rsi);
  a.mov(thread, local('rows'), rcx);
}

/** The sums of a block through the epilogue into the result. */
function emitFinish(a: Assembler, frame: Frame, panels: number, rest: number): void {
  if (rest === 0) {
    emitRows(a, frame, false);
    return;
  }
  const [last, done] = [a.label(), a.label()];
  if (panels > 1) {
    a.cmpi(qword(thread), local('panel'), panels - 1);
    a.je(last);
    emitRows(a, frame, false);
    a.jmp(done);
  }
  a.bind(last);
  emitRows(a, frame, true);
  a.bind(done);
}

function emitRows(a: Assembler, { n, epilogue }: Frame, masked: boolean): void {
  const [result, sums, left] = [rax, rdx, rcx];
  const operands = epilogue.operands.map((_, i) => operandsAt[i]!);
  a.mov(rdx, thread, local('row'));
  a.imuli(rcx, thread, local('panel'), VECTOR);
  a.imuli(result, rdx, 4 * n);
  a.add(result, args, argument('c'));
  a.add(result, rcx);
  for (const [i, { perColumn }] of epilogue.operands.entries()) {
    a.mov(operands[i]!, rdx);
    a.imul(operands[i]!, args, operandArgument(i) + 8);
    a.add(operands[i]!, args, operandArgument(i));
    if (perColumn) a.add(operands[i]!, rcx);
  }
  a.mov(left, thread, local('rows'));
  a.lea(sums, thread, SUMS_AT);
  const row = a.here();
  a.vmovups(zmm(0), at(sums));
  const sources = operands.map((register) => at(register));
  emitSteps(a, avx512, epilogue, sources, 1, masked);
  avx512.store(a, at(result), 0, zmm(0), masked);
  a.addi(sums, VECTOR);
  a.addi(result, 4 * n);
  for (const [i, operand] of operands.entries()) a.add(operand, args, operandArgument(i) + 8);
  a.dec(left);
  a.jnz(row);
}
