/** Code that moves elements: rows, one element over and over, elements one by one, and blocks turned through registers. */

import {
  type Assembler,
  al,
  at,
  ax,
  byte,
  cl,
  eax,
  type Gpr,
  k1,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  r15,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
  type Vector,
  word,
  xmm,
  ymm,
  ZERO,
} from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';
import { type Size, spread } from '../lanes.ts';
import { COLUMN, emitWalk, frameAt } from '../walk.ts';

/** Bytes of a piece's words before those of its walk: where its units end, its size, where its units begin, its code, then {@link SQUARE}. */
export const PIECE = 64;
/** Of a piece that is turned, from its walk: elements of its rows where it lies and where it goes, and the bytes between them there. */
const SQUARE = { columns: -32, rows: -24, to: -16, from: -8 } as const;

/** Finds the unit's piece and runs its code, with rdi at its walk. */
export function emitDispatch({ a }: Vectors): void {
  const [find, found] = [a.label(), a.label()];
  a.bind(find);
  a.cmp(rsi, at(rdi), 0);
  a.jb(found);
  a.add(rdi, at(rdi), 8);
  a.jmp(find);
  a.bind(found);
  a.sub(rsi, at(rdi), 16);
  a.mov(rax, at(rdi), 24);
  a.addi(rdi, PIECE);
  a.call(rax);
  a.ret();
}

const [TO, FROM] = [r8, r9];

/** Steps are bytes. */
export function emitRows(v: Vectors): void {
  emitWalk(
    v.a,
    [TO, FROM],
    0,
    () => {},
    () => emitCopy(v, TO, FROM),
  );
}

/** Steps are bytes; the element stays where it is. */
export function emitFill(v: Vectors, size: Size): void {
  emitWalk(
    v.a,
    [TO, FROM],
    0,
    () => {},
    () => {
      spread(v, v.register(0), size, FROM);
      emitBytes(v, TO, undefined);
    },
  );
}

/** Copies rcx bytes. Clobbers rax, rcx, both pointers, k1. */
export function emitCopy(v: Vectors, to: Gpr, from: Gpr): void {
  emitBytes(v, to, from);
}

/** Writes rcx bytes: those at `from`, or what register 0 holds over and over. */
function emitBytes(v: Vectors, to: Gpr, from: Gpr | undefined): void {
  const { a, bytes } = v;
  for (const count of [4, 1]) {
    const [loop, done] = [a.label(), a.label()];
    a.subi(rcx, count * bytes);
    a.jb(done);
    a.bind(loop);
    for (let i = 0; i < count; i++) {
      if (from !== undefined) a.vmovups(v.register(i), at(from), i * bytes);
      a.vmovups(at(to), i * bytes, v.register(from === undefined ? 0 : i));
    }
    if (from !== undefined) a.addi(from, count * bytes);
    a.addi(to, count * bytes);
    a.subi(rcx, count * bytes);
    a.jae(loop);
    a.bind(done);
    a.addi(rcx, count * bytes);
  }
  const end = a.label();
  a.test(rcx, rcx);
  a.jz(end);
  if (v.isWide) {
    a.movi(rax, 1);
    a.shl(rax, cl);
    a.dec(rax);
    a.kmovq(k1, rax);
    if (from !== undefined) a.vmovdqu8(v.register(0), at(from), 0, k1 | ZERO);
    a.vmovdqu8(at(to), 0, v.register(0), k1);
  } else for (const part of [16, 8, 4, 2, 1]) emitPart(a, part, to, from);
  a.bind(end);
}

/** `part` bytes where rcx has that bit. */
function emitPart(a: Assembler, part: number, to: Gpr, from: Gpr | undefined): void {
  const none = a.label();
  a.testi(rcx, part);
  a.jz(none);
  if (part === 16) {
    if (from !== undefined) a.vmovups(xmm(0), at(from), 0);
    a.vmovups(at(to), 0, xmm(0));
  } else {
    if (from === undefined) a.vmovq(rax, xmm(0));
    else loadElement(a, part as Size, from);
    storeElement(a, part as Size, to);
  }
  if (from !== undefined) a.addi(from, part);
  a.addi(to, part);
  a.bind(none);
}

export function loadElement(a: Assembler, size: Size, from: Gpr): void {
  if (size === 8) a.mov(rax, at(from), 0);
  else if (size === 4) a.mov(eax, at(from), 0);
  else a.movzx(eax, (size === 2 ? word : byte)(from), 0);
}

export function storeElement(a: Assembler, size: Size, to: Gpr): void {
  a.mov(at(to), 0, { 1: al, 2: ax, 4: eax, 8: rax }[size]);
}

/** Where steps of a row are among a walk's arguments. */
const STEPS = 48;

/** Steps are elements, wherever they lie. */
export function emitElements(v: Vectors, size: Size): void {
  const { a } = v;
  emitWalk(
    a,
    [TO, FROM],
    0,
    () => {},
    () => {
      a.mov(r10, at(rdi), STEPS);
      a.mov(r11, at(rdi), STEPS + 8);
      const loop = a.here();
      loadElement(a, size, FROM);
      storeElement(a, size, TO);
      a.add(TO, r10);
      a.add(FROM, r11);
      a.dec(rcx);
      a.jnz(loop);
    },
  );
}

/** Elements of 16 bytes: a block has as many columns, and as many rows for each 16 bytes of a register. */
const side = (size: Size): number => 16 / size;
/** Rows that a block has where it lies, which become neighbours. */
export const blockRows = (size: Size, bytes: number): number => side(size) * (bytes / 16);
export const blockColumns = side;

const interleave = {
  1: ['vpunpcklbw', 'vpunpckhbw'],
  2: ['vpunpcklwd', 'vpunpckhwd'],
  4: ['vpunpckldq', 'vpunpckhdq'],
  8: ['vpunpcklqdq', 'vpunpckhqdq'],
} as const;

/** Columns of bytes are 16, and take as many registers again. */
export const canTurn = (size: Size, isWide: boolean): boolean => isWide || size > 1;

/** Columns that are staged at once: a line of each row. */
export const stagedColumns = (size: Size): number => LINE / size;
const LINE = 64;

/**
 * Steps are blocks of rows; the last begins earlier so that it is whole, and so do the last columns of each.
 * @param bytes of the registers: 16, 32, 64
 * @param isStaged copies a line of each row first: where rows are so far apart that they evict each other, it is read once
 */
export function emitTurn(v: Vectors, size: Size, bytes: number, isStaged: boolean): void {
  const { a } = v;
  const [n, rows] = [side(size), blockRows(size, bytes)];
  const columns = isStaged ? stagedColumns(size) : n;
  const lanes = bytes / 16;
  const register = (i: number): Vector => (lanes === 4 ? v.register(i) : lanes === 2 ? ymm(i) : xmm(i));
  const [toStep, fromStep, row, column, p, q] = [r14, r15, r10, r11, r12, r13];
  const stage = frameAt(2);
  /** From rows at p, `step` apart, to rows at q. */
  const turn = (step: () => void): void => {
    for (let lane = 0; lane < lanes; lane++) {
      for (let i = 0; i < n; i++) {
        if (lane === 0) a.vmovups(xmm(i), at(p), 0);
        else if (lanes === 4) a.vinserti32x4(register(i), register(i), at(p), 0, lane);
        else a.vinserti128(register(i), register(i), at(p), 0, lane);
        step();
      }
    }
    for (const each of emitInterleave(v, size, register)) {
      a.vmovups(at(q), 0, each);
      // Whole lines so far apart that the processor does not see what comes next.
      if (isStaged && bytes === LINE) a.prefetchw(at(q, rax));
      a.add(q, toStep);
    }
  };
  const staged = (): void => {
    for (let i = 0; i < rows; i++) {
      for (let part = 0; part < LINE; part += v.bytes) {
        a.vmovups(v.register(part / v.bytes), at(p), part);
        a.vmovups(at(rsp), stage + i * LINE + part, v.register(part / v.bytes));
      }
      a.add(p, fromStep);
    }
    a.lea(p, at(rsp), stage);
    a.movi(rdx, LINE / 16);
    const loop = a.here();
    turn(() => a.addi(p, LINE));
    a.addi(p, 16 - rows * LINE);
    a.dec(rdx);
    a.jnz(loop);
  };
  emitWalk(
    a,
    [TO, FROM],
    isStaged ? rows * LINE : 0,
    () => {},
    () => {
      a.mov(toStep, at(rdi), SQUARE.to);
      a.mov(fromStep, at(rdi), SQUARE.from);
      // Back to the first block of the row, as the last is not where its step says.
      a.mov(row, at(rsp), COLUMN);
      a.imuli(row, row, rows);
      a.imuli(rax, row, size);
      a.sub(TO, rax);
      a.mov(rax, row);
      a.imul(rax, fromStep);
      a.sub(FROM, rax);
      const block = a.here();
      a.mov(rsi, at(rdi), SQUARE.rows);
      a.subi(rsi, rows);
      a.cmp(rsi, row);
      a.cmova(rsi, row);
      a.xor(column, column);
      const group = a.here();
      a.mov(rbx, at(rdi), SQUARE.columns);
      a.subi(rbx, columns);
      a.cmp(rbx, column);
      a.cmova(rbx, column);
      a.mov(p, rsi);
      a.imul(p, fromStep);
      a.add(p, FROM);
      a.lea(p, at(p, rbx, size));
      a.mov(q, rbx);
      a.imul(q, toStep);
      a.add(q, TO);
      a.lea(q, at(q, rsi, size));
      a.imuli(rax, toStep, columns);
      if (isStaged) staged();
      else turn(() => a.add(p, fromStep));
      a.addi(column, columns);
      a.cmp(column, at(rdi), SQUARE.columns);
      a.jb(group);
      a.addi(row, rows);
      a.dec(rcx);
      a.jnz(block);
    },
  );
}

/** Turns the blocks in 16 bytes of each of the first registers; gives those that hold the columns. */
function emitInterleave({ a }: Vectors, size: Size, register: (i: number) => Vector): Vector[] {
  const n = side(size);
  const [low, high] = interleave[size];
  let from = Array.from({ length: n }, (_, i) => register(i));
  let to = Array.from({ length: n }, (_, i) => register(n + i));
  for (let stage = 1; stage < n; stage *= 2) {
    for (let i = 0; i < n / 2; i++) {
      a[low](to[2 * i]!, from[i]!, from[i + n / 2]!);
      a[high](to[2 * i + 1]!, from[i]!, from[i + n / 2]!);
    }
    [from, to] = [to, from];
  }
  return from;
}
