/** Elements that follow from sizes, from a first element and a step, or from where indices say one is. */

import { at, eax, qword, r8, r9, r10, r11, r12, rax, rbx, rcx, rdi, rdx, rsi } from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';
import type { Size } from '../lanes.ts';
import { loadElement, storeElement } from './emit.ts';

/** Arguments: how many integers of `size` bytes, where to, a word each. */
export function emitWords({ a }: Vectors, size: 4 | 8): void {
  a.mov(rcx, at(rdi), 0);
  a.mov(r8, at(rdi), 8);
  a.addi(rdi, 16);
  const loop = a.here();
  a.mov(rax, at(rdi), 0);
  if (size === 8) a.mov(at(r8), 0, rax);
  else a.mov(at(r8), 0, eax);
  a.addi(rdi, 8);
  a.addi(r8, size);
  a.dec(rcx);
  a.jnz(loop);
  a.ret();
}

/** Arguments: how many integers of `size` bytes, where to, where the first is, where the step is. */
export function emitCount({ a }: Vectors, size: 4 | 8): void {
  a.mov(rcx, at(rdi), 0);
  a.mov(r8, at(rdi), 8);
  a.mov(rsi, at(rdi), 16);
  a.mov(rdx, at(rdi), 24);
  const loop = a.label();
  if (size === 8) {
    a.mov(rax, at(rsi), 0);
    a.mov(rdx, at(rdx), 0);
    a.bind(loop);
    a.mov(at(r8), 0, rax);
    a.add(rax, rdx);
  } else {
    a.mov(eax, at(rsi), 0);
    a.movsxd(rdx, at(rdx), 0);
    a.bind(loop);
    a.mov(at(r8), 0, eax);
    a.add(rax, rdx);
  }
  a.addi(r8, size);
  a.dec(rcx);
  a.jnz(loop);
  a.ret();
}

/**
 * Arguments: how many indices, elements between those that an index chooses from, how many those are, where the indices are, where
 * to, and where the element is that goes to the chosen place. Indices count from either end; those beyond choose none.
 */
export function emitMark({ a }: Vectors, indexSize: 4 | 8, size: Size): void {
  const [left, inner, depth, indices, to] = [rcx, r9, r10, r11, r12];
  for (const [i, register] of [left, inner, depth, indices, to].entries()) a.mov(register, at(rdi), 8 * i);
  a.mov(rsi, at(rdi), 40);
  loadElement(a, size, rsi);
  a.mov(rbx, rax);
  a.xor(rsi, rsi);
  const [loop, positive, skip] = [a.label(), a.label(), a.label()];
  a.bind(loop);
  if (indexSize === 8) a.mov(r8, at(indices), 0);
  else a.movsxd(r8, at(indices), 0);
  a.test(r8, r8);
  a.jns(positive);
  a.add(r8, depth);
  a.bind(positive);
  a.cmp(r8, depth);
  a.jae(skip);
  // (outer depth + index) inner + the place among inner ones
  a.mov(rax, rsi);
  a.xor(rdx, rdx);
  a.div(qword(rdi), 8);
  a.imul(rax, depth);
  a.add(rax, r8);
  a.imul(rax, inner);
  a.add(rax, rdx);
  a.lea(r8, at(to, rax, size));
  a.mov(rax, rbx);
  storeElement(a, size, r8);
  a.bind(skip);
  a.addi(indices, indexSize);
  a.inc(rsi);
  a.dec(left);
  a.jnz(loop);
  a.ret();
}
