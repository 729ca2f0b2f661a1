/**
 * The code of a product of rows that were rounded to bfloat16 before with weights that were packed as such: for each panel and
 * block of rows of a unit the sums, and from there through the epilogue into the result. K and N are constant; rows are arguments.
 */

import {
  type Assembler,
  at,
  eax,
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
import { Loops } from '../loops.ts';
import { type Epilogue, emitSteps, MOST_OPERANDS } from '../matmul/epilogue.ts';
import { avx512 as vectors } from '../matmul/isa.ts';
import {
  emitRows,
  emitTileConfiguration,
  emitTileProduct,
  type Meanwhile,
  PANEL_COLUMNS,
  PANEL_ROW_BYTES,
  TILE_ROWS,
  TILE_STEPS,
  tileRegisters,
} from '../tiles.ts';
import type { Unit } from './unit.ts';

/** The argument block; then the row step in bytes of each operand of the epilogue, then for each matrix where everything begins. */
export const argumentWords = [
  'scratch',
  'threadBytes',
  'weights',
  'blocks',
  'blockRows',
  'tallBlocks',
  'blocksPerUnit',
  'rowGroups',
  'panelsPerUnit',
  'columnGroups',
] as const;

const waitingOperands = ['waitingOperand0', 'waitingOperand1'] as const;
/** What a unit keeps in memory, before its block of sums; then the addresses of operands. */
const localWords = [
  'panel',
  'panelEnd',
  'blockStart',
  'blockEnd',
  'block',
  'row',
  'rows',
  // Rows that wait for the epilogue, and where they are in the result and in its operands.
  'waiting',
  'waitingAt',
  ...waitingOperands,
  'a',
  'c',
] as const;
const LOCAL_BYTES = Math.ceil((localWords.length + MOST_OPERANDS) / 8) * 64;

/** Bytes of scratch memory that each thread needs. */
export const threadBytes = ({ rows }: Unit): number => LOCAL_BYTES + rows * PANEL_ROW_BYTES;

export interface Shape {
  readonly unit: Unit;
  /** Numbers of rows that blocks have, greatest first. */
  readonly heights: readonly number[];
  readonly n: number;
  /** Pairs along K, filled up. */
  readonly steps: number;
  /** Bytes from row to row of A. */
  readonly pitch: number;
  readonly epilogue: Epilogue;
}

const args = at(rdi);
const thread = at(rbx);
const argument = (name: (typeof argumentWords)[number]): number => 8 * argumentWords.indexOf(name);
const rowStep = (operand: number): number => 8 * (argumentWords.length + operand);
const local = (name: (typeof localWords)[number]): number => 8 * localWords.indexOf(name);
const operandLocal = (operand: number): number => 8 * (localWords.length + operand);

const { aAt, bAt } = tileRegisters;
/** Registers of the epilogue: rows left, where the result, the sums and operands are. */
interface FinishRegisters {
  readonly left: Gpr;
  readonly result: Gpr;
  readonly sums: Gpr;
  readonly operands: readonly Gpr[];
}
const alone: FinishRegisters = {
  ...{ left: rcx, result: rax, sums: rdx },
  operands: [r8, r9, r10, r11, r12, r13, r14, r15, rsi, rbp],
};
/** The same beside {@link tileRegisters}, for rows that wait until tiles multiply again. */
const beside: FinishRegisters = { left: rax, result: r13, sums: r11, operands: [rsi, rbp] };
const waits = ({ unit, epilogue }: Shape): boolean =>
  unit.hasTiles && epilogue.operands.length <= waitingOperands.length;
/** Rows of the epilogue for each step of tiles at most: a loop of them stays small. */
const MOST_ROWS = 4;

const VECTOR_BYTES = PANEL_ROW_BYTES / 2;
/** Steps in a round of the loop over vectors, and between a line of a panel being fetched and used. */
const UNROLL = 4;
const PREFETCH = 12;
/** Sums that hide the latency of a multiply-add. */
const LEAST_SUMS = 8;

/** Entry: args in rdi, unit in rsi, thread in rdx. */
export function emitProduct(a: Assembler, shape: Shape): void {
  const loops = new Loops(a, argument, local);
  const { unit, n, epilogue } = shape;
  const panels = Math.ceil(n / PANEL_COLUMNS);
  const rest = n % PANEL_COLUMNS;
  a.imul(rdx, args, argument('threadBytes'));
  a.mov(rbx, rdx);
  a.add(rbx, args, argument('scratch'));
  if (rest > 0) {
    a.movi(rcx, rest % vectors.lanes || vectors.lanes);
    vectors.setMask(a);
  }
  a.mov(rax, rsi);
  loops.range('rowGroups', 'blocksPerUnit', 'blocks', 'blockStart', 'blockEnd');
  loops.range('columnGroups', 'panelsPerUnit', panels, 'panel', 'panelEnd');
  // What is left of the unit's number is that of the matrix.
  const entries = 2 + epilogue.operands.length;
  a.imuli(rax, rax, 8 * entries);
  for (let i = 0; i < entries; i++) {
    a.mov(rcx, at(rdi, rax), rowStep(epilogue.operands.length) + 8 * i);
    a.mov(thread, local('a') + 8 * i, rcx);
  }
  if (unit.hasTiles) {
    a.mov(rcx, args, argument('blockRows'));
    // One row more where there are tall blocks: carry says that there are none.
    a.cmpi(qword(args), argument('tallBlocks'), 1);
    a.sbbi(rcx, -1);
    emitTileConfiguration(a, rcx);
  }
  if (waits(shape)) {
    a.xor(eax, eax);
    a.mov(thread, local('waiting'), rax);
  }
  const nextPanel = a.here();
  a.mov(rax, thread, local('blockStart'));
  a.mov(thread, local('block'), rax);
  const nextBlock = a.here();
  emitBlock(a, shape);
  const stored = a.label();
  if (rest === 0) {
    emitFinish(a, shape);
  } else {
    const last = a.label();
    if (panels > 1) {
      a.cmpi(qword(thread), local('panel'), panels - 1);
      a.je(last);
      emitFinish(a, shape);
      a.jmp(stored);
    }
    a.bind(last);
    emitLastFinish(a, shape, rest);
  }
  a.bind(stored);
  loops.next('block', 'blockEnd', nextBlock);
  loops.next('panel', 'panelEnd', nextPanel);
  if (waits(shape)) {
    loadWaiting(a, shape);
    emitRows(a, meanwhile(a, shape));
  }
  a.ret();
}

/** The sums of a block into scratch memory. */
function emitBlock(a: Assembler, shape: Shape): void {
  const { unit, heights, steps, pitch } = shape;
  const panelBytes = steps * PANEL_ROW_BYTES;
  a.mov(rax, thread, local('block'));
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
  a.imuli(aAt, rsi, pitch);
  a.add(aAt, thread, local('a'));
  a.mov(bAt, thread, local('panel'));
  a.imuli(bAt, bAt, panelBytes);
  a.add(bAt, args, argument('weights'));
  if (unit.hasTiles) {
    const { lowerAt, pitch: pitchIn, aheadAt } = tileRegisters;
    a.movi(pitchIn, pitch);
    a.lea(lowerAt, at(aAt), TILE_ROWS * pitch);
    // Blocks share in fetching the next panel.
    a.mov(aheadAt, rax);
    a.sub(aheadAt, thread, local('blockStart'));
    a.imuli(aheadAt, aheadAt, panelBytes / 4);
    a.lea(aheadAt, at(aheadAt, bAt), panelBytes);
    a.lea(rdx, thread, LOCAL_BYTES);
    if (waits(shape)) loadWaiting(a, shape);
  }
  const done = a.label();
  const labels = heights.map(() => a.label());
  for (let i = labels.length - 1; i > 0; i--) {
    a.cmpi(rcx, heights[i]!);
    a.jbe(labels[i]!);
  }
  for (const [i, rows] of heights.entries()) {
    a.bind(labels[i]!);
    if (unit.hasTiles) {
      a.movi(rcx, steps / TILE_STEPS);
      const isTall = rows > TILE_ROWS;
      const more = waits(shape) ? { meanwhile: meanwhile(a, shape) } : {};
      emitTileProduct(a, { product: 'tdpbf16ps', isTall, isContinued: false, ...more }, rdx);
    } else emitVectors(a, rows, steps, pitch);
    if (i < labels.length - 1) a.jmp(done);
  }
  a.bind(done);
}

/** The same with vectors: pairs of A broadcast against a row of the panel. */
function emitVectors(a: Assembler, rows: number, steps: number, pitch: number): void {
  // Blocks of few rows add steps up apart, so that no sum waits for itself.
  let sets = 1;
  while (sets < UNROLL && 2 * rows * sets < LEAST_SUMS) sets *= 2;
  const sum = (set: number, r: number, v: number): Vector => zmm((set * rows + r) * 2 + v);
  for (let i = 0; i < 2 * sets * rows; i++) a.vpxord(zmm(i), zmm(i), zmm(i));
  const step = (u: number): void => {
    const right = [zmm(28), zmm(29)];
    for (const [v, to] of right.entries()) {
      a.vmovups(to, at(bAt), u * PANEL_ROW_BYTES + v * VECTOR_BYTES);
      a.prefetcht0(at(bAt), (u + PREFETCH) * PANEL_ROW_BYTES + v * VECTOR_BYTES);
    }
    for (let r = 0; r < rows; r++) {
      const left = zmm(30 + (r % 2));
      a.vbroadcastss(left, at(aAt), r * pitch + 4 * u);
      for (const [v, x] of right.entries()) a.vdpbf16ps(sum(u % sets, r, v), left, x);
    }
  };
  const rounds = Math.floor(steps / UNROLL);
  if (rounds > 0) {
    a.movi(rcx, rounds);
    a.align(32);
    const round = a.here();
    for (let u = 0; u < UNROLL; u++) step(u);
    a.addi(aAt, 4 * UNROLL);
    a.addi(bAt, UNROLL * PANEL_ROW_BYTES);
    a.dec(rcx);
    a.jnz(round);
  }
  for (let u = 0; u < steps % UNROLL; u++) step(u);
  for (let half = sets / 2; half >= 1; half /= 2)
    for (let i = 0; i < 2 * half * rows; i++) a.vaddps(zmm(i), zmm(i), zmm(i + 2 * half * rows));
  for (let i = 0; i < 2 * rows; i++) a.vmovups(thread, LOCAL_BYTES + i * VECTOR_BYTES, zmm(i));
}

/** Where the block's result and operands begin. Changes rcx and rdx. */
function emitPlace(a: Assembler, { epilogue, n }: Shape, { result, operands }: FinishRegisters): void {
  a.mov(rdx, thread, local('row'));
  a.mov(rcx, thread, local('panel'));
  a.shl(rcx, Math.log2(PANEL_ROW_BYTES));
  a.imuli(result, rdx, 4 * n);
  a.add(result, thread, local('c'));
  a.add(result, rcx);
  for (const [i, { perColumn }] of epilogue.operands.entries()) {
    const operand = operands[i]!;
    a.mov(operand, rdx);
    a.imul(operand, args, rowStep(i));
    a.add(operand, thread, operandLocal(i));
    if (perColumn) a.add(operand, rcx);
  }
}

/** A row of sums through the epilogue into the result. */
function emitRow(
  a: Assembler,
  { epilogue, n }: Shape,
  registers: FinishRegisters,
  count: number,
  masked: boolean,
): void {
  const { result, sums } = registers;
  const operands = epilogue.operands.map((_, i) => registers.operands[i]!);
  for (let v = 0; v < count; v++) a.vmovups(zmm(v), at(sums), v * VECTOR_BYTES);
  const sources = operands.map((register) => at(register));
  emitSteps(a, vectors, epilogue, sources, count, masked);
  for (let v = 0; v < count; v++) vectors.store(a, at(result), v * VECTOR_BYTES, zmm(v), masked && v === count - 1);
  a.addi(sums, PANEL_ROW_BYTES);
  a.addi(result, 4 * n);
  for (const [i, operand] of operands.entries()) a.add(operand, args, rowStep(i));
}

/** The block of a whole panel: now, or with the next block's product. */
function emitFinish(a: Assembler, shape: Shape): void {
  if (!waits(shape)) {
    emitWholeBlock(a, shape, 2, false);
    return;
  }
  const { result, operands } = beside;
  emitPlace(a, shape, beside);
  a.mov(thread, local('waitingAt'), result);
  for (const i of shape.epilogue.operands.keys()) a.mov(thread, local(waitingOperands[i]!), operands[i]!);
  a.mov(rax, thread, local('rows'));
  a.mov(thread, local('waiting'), rax);
}

/** The block of the last panel, which has `rest` columns. */
function emitLastFinish(a: Assembler, shape: Shape, rest: number): void {
  emitWholeBlock(a, shape, rest > vectors.lanes ? 2 : 1, true);
  if (!waits(shape)) return;
  a.xor(eax, eax);
  a.mov(thread, local('waiting'), rax);
}

function emitWholeBlock(a: Assembler, shape: Shape, count: number, masked: boolean): void {
  emitPlace(a, shape, alone);
  a.mov(alone.left, thread, local('rows'));
  a.lea(alone.sums, thread, LOCAL_BYTES);
  const row = a.here();
  emitRow(a, shape, alone, count, masked);
  a.dec(alone.left);
  a.jnz(row);
}

/** What {@link emitFinish} left for later, into its registers. */
function loadWaiting(a: Assembler, { epilogue }: Shape): void {
  const { left, result, sums, operands } = beside;
  a.mov(left, thread, local('waiting'));
  a.mov(result, thread, local('waitingAt'));
  a.lea(sums, thread, LOCAL_BYTES);
  for (const i of epilogue.operands.keys()) a.mov(operands[i]!, thread, local(waitingOperands[i]!));
}

function meanwhile(a: Assembler, shape: Shape): Meanwhile {
  const tiles = Math.max(1, shape.steps / TILE_STEPS);
  return {
    left: beside.left,
    rows: Math.min(MOST_ROWS, Math.ceil(shape.unit.rows / tiles)),
    emitRow: () => emitRow(a, shape, beside, 2, false),
  };
}
