/** Walks over operands together: row by row, each operand with its own strides, as argument words and as emitted code. */

import {
  type Assembler,
  at,
  type Gpr,
  qword,
  r8,
  r14,
  r15,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
} from '@espalier/x64';

/** Axes around rows that a walk may have at most. */
export const MOST_AXES = 24;

/** Bytes from the start of the arguments. */
const TOTAL = 0;
const UNIT = 8;
const ROW = 16;
const AXES = 24;
const STARTS = 32;
/** Where a row's steps are among the arguments of a walk of `operands`. */
export const stepsAt = (operands: number): number => STARTS + 8 * operands;
const axesAt = (operands: number): number => STARTS + 16 * operands;

/** The stack frame: steps left, the first step in the row, where the row begins in each operand, positions along axes. */
const LEFT = 0;
export const COLUMN = 8;
const ROWS = 16;

/**
 * A whole kernel: runs `row` with as many steps as rcx says and each operand's place in `pointers`. It may clobber all but rdi,
 * rbp, rsp; `before` runs once, with the frame set up. `frame` bytes for both lie at `rsp + frameAt(n)`, aligned to 64.
 */
export function emitWalk(
  a: Assembler,
  pointers: readonly Gpr[],
  frame: number,
  before: () => void,
  row: () => void,
): void {
  const n = pointers.length;
  const counters = ROWS + 8 * n;
  a.mov(rbp, rsp);
  a.subi(rsp, frameAt(n) + frame);
  a.andi(rsp, -64);
  a.mov(rax, at(rdi), UNIT);
  a.imul(rsi, rax);
  a.mov(rcx, at(rdi), TOTAL);
  a.sub(rcx, rsi);
  a.cmp(rcx, rax);
  a.cmova(rcx, rax);
  a.mov(at(rsp), LEFT, rcx);
  for (let i = 0; i < n; i++) {
    a.mov(rax, at(rdi), STARTS + 8 * i);
    a.mov(at(rsp), ROWS + 8 * i, rax);
  }
  a.mov(rax, rsi);
  a.xor(rdx, rdx);
  a.div(qword(rdi), ROW);
  a.mov(at(rsp), COLUMN, rdx);
  const [find, found] = [a.label(), a.label()];
  a.lea(rbx, at(rdi), axesAt(n));
  a.lea(r14, at(rsp), counters);
  a.mov(r15, at(rdi), AXES);
  a.bind(find);
  a.test(r15, r15);
  a.jz(found);
  a.xor(rdx, rdx);
  a.div(qword(rbx), 0);
  a.mov(at(r14), 0, rdx);
  for (let i = 0; i < n; i++) {
    a.mov(r8, at(rbx), 8 + 8 * i);
    a.imul(r8, rdx);
    a.add(at(rsp), ROWS + 8 * i, r8);
  }
  a.addi(rbx, 8 * (n + 1));
  a.addi(r14, 8);
  a.dec(r15);
  a.jmp(find);
  a.bind(found);
  before();
  const next = a.here();
  a.mov(rcx, at(rdi), ROW);
  a.mov(rdx, at(rsp), COLUMN);
  a.sub(rcx, rdx);
  a.mov(rax, at(rsp), LEFT);
  a.cmp(rcx, rax);
  a.cmova(rcx, rax);
  a.sub(rax, rcx);
  a.mov(at(rsp), LEFT, rax);
  for (const [i, pointer] of pointers.entries()) {
    a.mov(pointer, at(rdi), stepsAt(n) + 8 * i);
    a.imul(pointer, rdx);
    a.add(pointer, at(rsp), ROWS + 8 * i);
  }
  row();
  const end = a.label();
  a.mov(rax, at(rsp), LEFT);
  a.test(rax, rax);
  a.jz(end);
  a.movi(qword(rsp), COLUMN, 0);
  a.lea(rbx, at(rdi), axesAt(n));
  a.lea(rdx, at(rsp), counters);
  const carry = a.here();
  for (let i = 0; i < n; i++) {
    a.mov(rax, at(rbx), 8 + 8 * i);
    a.add(at(rsp), ROWS + 8 * i, rax);
  }
  a.mov(rcx, at(rdx));
  a.inc(rcx);
  a.mov(at(rdx), 0, rcx);
  a.cmp(rcx, at(rbx));
  a.jb(next);
  a.movi(qword(rdx), 0, 0);
  for (let i = 0; i < n; i++) {
    a.mov(rax, at(rbx), 8 + 8 * i);
    a.imul(rax, at(rbx));
    a.sub(at(rsp), ROWS + 8 * i, rax);
  }
  a.addi(rbx, 8 * (n + 1));
  a.addi(rdx, 8);
  a.jmp(carry);
  a.bind(end);
  a.mov(rsp, rbp);
  a.ret();
}

/** Where the frame of {@link emitWalk}'s user lies above rsp. */
export const frameAt = (operands: number): number => Math.ceil((ROWS + 8 * (operands + MOST_AXES)) / 64) * 64;
