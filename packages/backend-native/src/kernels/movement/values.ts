/** Small tensors whose elements follow from sizes, or from a first element and a step. */

import { at, eax, r8, rax, rcx, rdi, rdx, rsi } from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';

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
