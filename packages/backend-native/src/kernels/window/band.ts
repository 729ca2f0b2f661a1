/**
 * Bands of a plane's rows in scratch memory, with what lies outside filled in. Columns are split into parts by their remainder by the
 * stride, so that what neighbouring windows see with one tap are neighbours too.
 */

import {
  type Assembler,
  at,
  cl,
  eax,
  k1,
  k2,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  rax,
  rbx,
  rcx,
  rdx,
  rsi,
  type Vector,
} from '@espalier/x64';
import { avx512, type Isa } from '../matmul/isa.ts';
import { args, argument, local, partArgument, thread } from './frame.ts';

export interface Band {
  readonly isa: Isa;
  /** Of windows along a row. */
  readonly stride: number;
  /** What lies outside. */
  readonly fill: number;
}

/** Fills `rows` rows from the start of the band. Changes rax, rcx. */
export function emitFill(a: Assembler, { isa, fill }: Band, rows: () => void): void {
  const x = isa.register(0);
  a.vbroadcastss(x, a.constant(Float32Array.of(fill)));
  rows();
  a.imul(rcx, args, argument('rowPitch'));
  a.mov(rax, args, argument('band'));
  a.add(rax, rbx);
  const loop = a.here();
  a.vmovups(at(rax), 0, x);
  a.addi(rax, 4 * isa.lanes);
  a.subi(rcx, 4 * isa.lanes);
  a.ja(loop);
}

/**
 * Copies as many rows as local `copied` says from the plane at rsi into the band. What follows a row within a vector is filled, too:
 * there is room for it. Changes all registers but rdi, rbx.
 */
export function emitBand(a: Assembler, band: Band): void {
  const [from, to, rows] = [rsi, r8, r9];
  const done = a.label();
  a.add(from, thread, local('from'));
  a.mov(to, thread, local('to'));
  a.mov(rows, thread, local('copied'));
  a.test(rows, rows);
  a.jle(done);
  const copy = band.stride <= 2 ? emitVectors(a, band) : emitElements(a, band.stride);
  const loop = a.here();
  copy();
  a.add(from, args, argument('xRow'));
  a.add(to, args, argument('rowPitch'));
  a.dec(rows);
  a.jnz(loop);
  a.bind(done);
}

const EVENS = 0x88;
const ODDS = 0xdd;
const QUARTERS = 0xd8;

/** Rows of whole vectors, of twice as many for a double stride, and what is left under masks. */
function emitVectors(a: Assembler, { isa, stride, fill }: Band): () => void {
  const isWide = isa === avx512;
  const [first, second, even, odd, filled, evens, odds, mask, highMask, bits] = Array.from({ length: 10 }, (_, i) =>
    isa.register(i),
  ) as [Vector, Vector, Vector, Vector, Vector, Vector, Vector, Vector, Vector, Vector];
  const lanes = Array.from({ length: isa.lanes }, (_, i) => i);
  const step = stride * isa.lanes;
  const [from, to, left, whole, rest] = [r10, [r11, r12], rcx, r13, rdx] as const;
  a.vbroadcastss(filled, a.constant(Float32Array.of(fill)));
  // Elements of whole steps, and a bit for each element behind them.
  a.mov(whole, args, argument('inWidth'));
  a.mov(rcx, whole);
  a.andi(rcx, step - 1);
  a.sub(whole, rcx);
  a.mov(rest, rcx);
  a.movi(rax, 1);
  a.shl(rax, cl);
  a.dec(rax);
  a.mov(thread, local('mask'), rax);
  if (isWide) {
    a.kmovd(k1, eax);
    a.kshiftrd(k2, k1, 16);
    if (stride === 2) {
      a.vmovups(evens, a.constant(Int32Array.from(lanes, (i) => 2 * i)));
      a.vmovups(odds, a.constant(Int32Array.from(lanes, (i) => 2 * i + 1)));
    }
  } else
    for (const [i, x] of [mask, highMask].entries()) {
      a.vmovups(bits, a.constant(Int32Array.from(lanes, (lane) => 1 << (lane + i * isa.lanes))));
      a.vpbroadcastd(x, thread, local('mask'));
      a.vpand(x, x, bits);
      a.vpcmpeqd(x, x, bits);
    }
  const load = (v: number, isMasked: boolean): void => {
    const x = [first, second][v]!;
    if (!isMasked) a.vmovups(x, at(from), v * 4 * isa.lanes);
    else if (isWide) {
      a.vmovaps(x, filled);
      a.vmovups(x, at(from), v * 64, [k1, k2][v]!);
    } else {
      const which = [mask, highMask][v]!;
      a.vmaskmovps(x, which, at(from), v * 32);
      a.vblendvps(x, filled, x, which);
    }
  };
  const move = (isMasked: boolean): void => {
    for (let v = 0; v < stride; v++) load(v, isMasked);
    if (stride === 1) {
      a.vmovups(at(to[0]), 0, first);
      return;
    }
    if (isWide) {
      a.vmovaps(even, first);
      a.vpermt2ps(even, evens, second);
      a.vpermt2ps(first, odds, second);
      a.vmovups(at(to[0]), 0, even);
      a.vmovups(at(to[1]), 0, first);
      return;
    }
    a.vshufps(even, first, second, EVENS);
    a.vshufps(odd, first, second, ODDS);
    for (const [i, x] of [even, odd].entries()) {
      a.vpermqi(x, x, QUARTERS);
      a.vmovups(at(to[i]!), 0, x);
    }
  };
  return () => {
    a.mov(from, rsi);
    for (let part = 0; part < stride; part++) {
      a.mov(to[part]!, r8);
      a.add(to[part]!, args, partArgument(part));
    }
    const [loop, tail, end] = [a.label(), a.label(), a.label()];
    a.mov(left, whole);
    a.test(left, left);
    a.jz(tail);
    a.bind(loop);
    move(false);
    a.addi(from, 4 * step);
    for (let part = 0; part < stride; part++) a.addi(to[part]!, 4 * isa.lanes);
    a.subi(left, step);
    a.jnz(loop);
    a.bind(tail);
    a.test(rest, rest);
    a.jz(end);
    move(true);
    a.bind(end);
  };
}

/** Element by element, for each remainder by the stride. */
function emitElements(a: Assembler, stride: number): () => void {
  const [from, to, left] = [r10, r11, rcx];
  return () => {
    for (let part = 0; part < stride; part++) {
      const [loop, end] = [a.label(), a.label()];
      a.lea(from, at(rsi), 4 * part);
      a.mov(to, r8);
      a.add(to, args, partArgument(part));
      a.mov(left, args, argument('inWidth'));
      a.subi(left, part);
      a.jle(end);
      a.bind(loop);
      a.mov(eax, at(from));
      a.mov(at(to), 0, eax);
      a.addi(from, 4 * stride);
      a.addi(to, 4);
      a.subi(left, stride);
      a.jg(loop);
      a.bind(end);
    }
  };
}
