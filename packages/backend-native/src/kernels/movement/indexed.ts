/** Rows that index tuples name: read from there, written there, or folded into what is there. Indices are checked as they are used. */

import { type IndexedWord, indexedWords } from '@espalier/lowering';
import { at, qword, r8, r9, r10, r11, r12, r13, r14, r15, rax, rbp, rbx, rcx, rdi, rdx, rsi } from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';
import type { Step } from '../reduce/functions.ts';
import { emitRow } from '../row.ts';
import { emitCopy } from './emit.ts';

/**
 * What the argument block holds, then for each part of a tuple its axis: extent, stride in bytes, status. A unit has rows where it
 * reads; bytes of all rows where it writes, so that what is written to one place is written in order.
 */
const word = (name: IndexedWord): number => 8 * indexedWords.indexOf(name);
const PARTS = 8 * indexedWords.length;

/**
 * @param size bytes of an index
 * @param way a step folds 32-bit elements
 */
export function emitIndexed(v: Vectors, size: 4 | 8, way: 'gather' | 'scatter' | Step): void {
  const { a } = v;
  const [count, first, whole] = way === 'gather' ? ([rbp, rbx, 'rows'] as const) : ([r15, r14, 'row'] as const);
  a.mov(count, at(rdi), word('unit'));
  a.imul(rsi, count);
  a.mov(rax, at(rdi), word(whole));
  a.sub(rax, rsi);
  a.cmp(count, rax);
  a.cmova(count, rax);
  a.mov(first, rsi);
  if (way !== 'gather') {
    a.mov(rbp, at(rdi), word('rows'));
    a.xor(rbx, rbx);
  }
  const [next, part, skip] = [a.label(), a.label(), a.label()];
  a.bind(next);
  a.mov(rax, rbx);
  a.xor(rdx, rdx);
  a.div(qword(rdi), word('perBatch'));
  a.mov(r8, at(rdi), word('tableBatch'));
  a.imul(r8, rax);
  a.add(r8, at(rdi), word('table'));
  a.imul(rax, at(rdi), word('indexBatch'));
  a.add(rax, at(rdi), word('indices'));
  a.mov(r10, at(rdi), word('parts'));
  a.imul(rdx, r10);
  a.lea(r9, at(rax, rdx, size));
  a.lea(r11, at(rdi), PARTS);
  a.test(r10, r10);
  const found = a.label();
  a.jz(found);
  a.bind(part);
  if (size === 8) a.mov(rax, at(r9), 0);
  else a.movsxd(rax, at(r9), 0);
  a.mov(rdx, rax);
  const [positive, inside] = [a.label(), a.label()];
  a.test(rax, rax);
  a.jns(positive);
  a.add(rax, at(r11), 0);
  a.bind(positive);
  a.cmp(rax, at(r11), 0);
  a.jb(inside);
  a.mov(r12, at(rdi), word('status'));
  a.mov(rax, at(r11), 16);
  a.mov(at(r12), 0, rax);
  a.mov(at(r12), 8, rdx);
  a.jmp(skip);
  a.bind(inside);
  a.imul(rax, at(r11), 8);
  a.add(r8, rax);
  a.addi(r9, size);
  a.addi(r11, 24);
  a.dec(r10);
  a.jnz(part);
  a.bind(found);
  a.mov(rcx, at(rdi), word('row'));
  a.mov(r13, rcx);
  a.imul(r13, rbx);
  a.add(r13, at(rdi), word('list'));
  if (way === 'gather') emitCopy(v, r13, r8);
  else {
    a.mov(rcx, r15);
    a.add(r8, r14);
    a.add(r13, r14);
    if (way === 'scatter') emitCopy(v, r8, r13);
    else emitFold(v, way);
  }
  a.bind(skip);
  a.inc(rbx);
  a.dec(rbp);
  a.jnz(next);
  a.ret();
}

/** rcx bytes at r13 into those at r8. */
function emitFold(v: Vectors, step: Step): void {
  const [total, x, top, ...temporaries] = Array.from({ length: 8 }, (_, i) => v.register(i));
  v.a.shr(rcx, 2);
  emitRow(v, (block) => {
    block.load(total!, r8);
    block.load(x!, r13);
    step(v, total!, x!, temporaries, top!);
    block.store(r8, total!);
  });
}
