/** Emits element by element ops: of one tensor (and scalars), and of two that broadcast together. */

import type { Attributes } from '@espalier/core';
import {
  type Assembler,
  at,
  type Gpr,
  r8,
  r9,
  r10,
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
} from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';
import { emitRow } from '../row.ts';
import type { Emit } from './functions.ts';
import type { Walk } from './walk.ts';

/** Of functions: registers 1 to this. */
const TEMPORARIES = 6;
/** Registers of the second operand, and of two scalars. */
const [OTHER, SCALAR] = [7, 8];
const temporaries = (v: Vectors) => Array.from({ length: TEMPORARIES }, (_, i) => v.register(1 + i));

/**
 * Arguments: elements, elements of a unit, y, x, then scalars' addresses.
 * @param scalars which of the inputs after the first are given
 */
export function emitUnary(v: Vectors, emit: Emit, attrs: Attributes, scalars: readonly boolean[]): void {
  const { a } = v;
  const rest = scalars.map((given, i) => (given ? v.register(SCALAR + i) : undefined));
  for (const [i, register] of rest.entries()) {
    if (register === undefined) continue;
    a.mov(rax, at(rdi), 32 + 8 * i);
    a.vbroadcastss(register, at(rax));
  }
  emitStart(a, rcx);
  a.mov(r10, at(rdi), 16);
  a.mov(r8, at(rdi), 24);
  for (const pointer of [r8, r10]) a.lea(pointer, at(pointer, rsi, 4));
  emitRow(v, (block) => {
    const x = v.register(0);
    block.load(x, r8);
    emit(v, x, temporaries(v), attrs, rest);
    block.store(r10, x);
  });
  a.ret();
}

/** The unit's first element into rsi, how many it has into `count`. Clobbers rax. */
function emitStart(a: Assembler, count: Gpr): void {
  a.mov(rax, at(rdi), 8);
  a.imul(rsi, rax);
  a.mov(count, at(rdi), 0);
  a.sub(count, rsi);
  a.cmp(count, rax);
  a.cmova(count, rax);
}

/** Which of two operands advance along a row. */
const ways = [
  [1, 1],
  [1, 0],
  [0, 1],
] as const;

/** Arguments: elements, elements of a unit, y, the two operands, elements of a row, which of `ways`, axes around rows, for each its extent and steps in bytes. */
export function binaryArgs(total: number, unit: number, addresses: readonly number[], { row, outer }: Walk): number[] {
  const way = ways.findIndex(([a, b]) => a === row.strides[0] && b === row.strides[1]);
  const axes = outer.flatMap((axis) => [axis.extent, ...axis.strides.map((stride) => 4 * stride)]);
  return [total, unit, ...addresses, row.extent, way, outer.length, ...axes];
}
const AXES = 64;

export function emitBinary(v: Vectors, emit: Emit, attrs: Attributes): void {
  const { a } = v;
  emitStart(a, rbp);
  a.mov(r10, at(rdi), 16);
  a.lea(r10, at(r10, rsi, 4));
  // The first row, and where the unit begins in it.
  a.mov(r12, at(rdi), 40);
  a.mov(rax, rsi);
  a.xor(rdx, rdx);
  a.div(r12);
  a.mov(r13, rax);
  a.mov(r14, rdx);
  const row = a.here();
  emitFindRow(a);
  a.mov(rcx, r12);
  a.sub(rcx, r14);
  a.cmp(rcx, rbp);
  a.cmova(rcx, rbp);
  a.sub(rbp, rcx);
  a.mov(rdx, rcx);
  const next = a.label();
  a.mov(rax, at(rdi), 48);
  const entries = ways.map(() => a.label());
  for (const [i, entry] of entries.entries()) {
    a.cmpi(rax, i);
    a.je(entry);
  }
  for (const [i, entry] of entries.entries()) {
    a.bind(entry);
    emitBinaryRow(v, emit, attrs, ways[i]!);
    a.jmp(next);
  }
  a.bind(next);
  a.lea(r10, at(r10, rdx, 4));
  a.xor(r14, r14);
  a.inc(r13);
  a.test(rbp, rbp);
  a.jnz(row);
  a.ret();
}

/** r8 and r9: where row r13 begins in each operand. Clobbers rax, rbx, rcx, rdx, r15. */
function emitFindRow(a: Assembler): void {
  a.mov(r8, at(rdi), 24);
  a.mov(r9, at(rdi), 32);
  a.mov(rax, r13);
  a.mov(r15, at(rdi), 56);
  a.lea(rbx, at(rdi), AXES);
  const [loop, done] = [a.label(), a.label()];
  a.bind(loop);
  a.test(r15, r15);
  a.jz(done);
  a.xor(rdx, rdx);
  a.mov(rcx, at(rbx));
  a.div(rcx);
  for (const [i, pointer] of [r8, r9].entries()) {
    a.mov(rcx, at(rbx), 8 + 8 * i);
    a.imul(rcx, rdx);
    a.add(pointer, rcx);
  }
  a.addi(rbx, 24);
  a.dec(r15);
  a.jmp(loop);
  a.bind(done);
}

/** rcx elements of a row from column r14 on. */
function emitBinaryRow(v: Vectors, emit: Emit, attrs: Attributes, steps: readonly number[]): void {
  const { a } = v;
  const [x, y] = [v.register(0), v.register(OTHER)];
  for (const [i, pointer] of [r8, r9].entries()) {
    if (steps[i] === 1) a.lea(pointer, at(pointer, r14, 4));
    else a.vbroadcastss(i === 0 ? v.register(SCALAR) : y, at(pointer));
  }
  emitRow(v, (block) => {
    if (steps[0] === 1) block.load(x, r8);
    else a.vmovaps(x, v.register(SCALAR));
    if (steps[1] === 1) block.load(y, r9);
    emit(v, x, temporaries(v), attrs, [y]);
    block.store(r10, x);
  });
}
