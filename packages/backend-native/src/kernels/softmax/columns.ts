/** Softmax along an axis that is not the last: lanes are neighbours behind it, so that nothing is added up across lanes. */

import { at, r8, r9, r10, r11, r12, r13, rax, rbp, rcx, rdi, rdx, rsi, type Vector } from '@espalier/x64';
import { EXP_TEMPORARIES, emitExpOfNegative, emitLog, LOG_TEMPORARIES, type Vectors } from '../../math/index.ts';
import { avx2, avx512 } from '../matmul/isa.ts';

const [xAt, yAt, from, to, step, left] = [r8, r10, r9, r11, r13, rcx];

/** Arguments: stripes, stripes of a unit, stripes next to each other, elements along the axis, elements behind it, x, y. */
export function emitColumns(v: Vectors, isLog: boolean): void {
  const { a } = v;
  const isa = v.isWide ? avx512 : avx2;
  const [x, top, sum, other] = [0, 1, 2, 3].map((i) => v.register(i)) as [Vector, Vector, Vector, Vector];
  const temporaries = Array.from({ length: Math.max(EXP_TEMPORARIES, LOG_TEMPORARIES) }, (_, i) => v.register(4 + i));
  /** Goes along the axis: x of each step, and where its y goes. */
  const pass = (source: typeof xAt, body: () => void): void => {
    a.mov(from, source);
    a.mov(to, yAt);
    a.mov(left, at(rdi), 24);
    const loop = a.here();
    isa.load(a, x, at(from), 0, true);
    body();
    a.add(from, step);
    a.add(to, step);
    a.dec(left);
    a.jnz(loop);
  };
  // Of rsi, the stripe, up to rbp.
  a.mov(rbp, at(rdi), 8);
  a.imul(rsi, rbp);
  a.add(rbp, rsi);
  a.mov(rax, at(rdi), 0);
  a.cmp(rbp, rax);
  a.cmova(rbp, rax);
  a.mov(step, at(rdi), 32);
  a.shl(step, 2);
  const stripe = a.here();
  a.mov(rax, rsi);
  a.xor(rdx, rdx);
  a.mov(r12, at(rdi), 16);
  a.div(r12);
  // The matrix in rax, the stripe in it in rdx.
  a.imul(rax, at(rdi), 24);
  a.imul(rax, step);
  a.imuli(r12, rdx, v.lanes);
  a.lea(rax, at(rax, r12, 4));
  a.mov(xAt, at(rdi), 40);
  a.add(xAt, rax);
  a.mov(yAt, at(rdi), 48);
  a.add(yAt, rax);
  a.mov(rcx, at(rdi), 32);
  a.sub(rcx, r12);
  a.movi(rax, v.lanes);
  a.cmp(rcx, rax);
  a.cmova(rcx, rax);
  isa.setMask(a);
  v.fill(top, Number.NEGATIVE_INFINITY);
  pass(xAt, () => a.vmaxps(top, top, x));
  a.vxorps(sum, sum, sum);
  pass(xAt, () => {
    a.vsubps(x, x, top);
    emitExpOfNegative(v, x, temporaries);
    a.vaddps(sum, sum, x);
    if (!isLog) isa.store(a, at(to), 0, x, true);
  });
  if (isLog) emitLog(v, sum, temporaries);
  else {
    v.fill(other, 1);
    a.vdivps(sum, other, sum);
  }
  pass(isLog ? xAt : yAt, () => {
    if (isLog) {
      a.vsubps(x, x, top);
      a.vsubps(x, x, sum);
    } else a.vmulps(x, x, sum);
    isa.store(a, at(to), 0, x, true);
  });
  a.inc(rsi);
  a.cmp(rsi, rbp);
  a.jb(stripe);
  a.ret();
}
