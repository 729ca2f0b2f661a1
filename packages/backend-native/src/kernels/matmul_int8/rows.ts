/**
 * Rows of A laid out for tiles: unsigned, as wide as the dot product takes them, without the pitches at which rows evict each other, and
 * with the term that each row brings where B has zero points.
 */

import {
  Assembler,
  al,
  at,
  ax,
  byte,
  eax,
  r8,
  r9,
  r10,
  r11,
  r11d,
  r12,
  r13,
  rax,
  rcx,
  rdi,
  rsi,
  word,
  xmm,
  ymm,
  zmm,
} from '@espalier/x64';
import { Vectors } from '../../math/index.ts';
import { type DotIsa, elementBytes, lanesOf, register } from './isa.ts';
import { emitZeroPoint, type ZeroPoint } from './zero-point.ts';

/** The argument block. */
export const rowWords = ['from', 'to', 'k', 'pitch', 'terms', 'rows', 'rowsPerUnit', 'aZero'] as const;

/** Rows of a unit: 5 to 50 us. */
export const rowsPerUnit = (rows: number, k: number, threads: number): number =>
  Math.max(1, Math.min(Math.ceil(rows / (2 * threads)), Math.floor(2 ** 18 / Math.max(1, k))));

/** Entry: args in rdi, unit in rsi. A term is the sum of (a - zero point) along the row. */
export function emitRows(isa: DotIsa, aZero: ZeroPoint): Uint8Array {
  const a = new Assembler();
  const v = new Vectors(a, lanesOf(isa) === 16);
  const argument = (name: (typeof rowWords)[number]): number => 8 * rowWords.indexOf(name);
  const args = at(rdi);
  /** Elements of a vector, as they are in memory before and after. */
  const chunk = isa.depth * lanesOf(isa);
  const [sum, x, ones, t, flip] = [0, 1, 2, 3, 4].map((i) => register(isa, i)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const isWidened = elementBytes(isa) === 2;
  v.a.vpbroadcastd(ones, a.constant(Uint32Array.of(isWidened ? 0x00010001 : 0x01010101)));
  v.a.vpbroadcastd(flip, a.constant(Uint32Array.of(isWidened ? 0x00800080 : 0x80808080)));
  a.mov(rax, args, argument('rowsPerUnit'));
  a.imul(rsi, rax);
  a.mov(r12, args, argument('rows'));
  a.sub(r12, rsi);
  a.cmp(r12, rax);
  a.cmova(r12, rax);
  a.mov(r8, args, argument('k'));
  a.imul(r8, rsi);
  a.add(r8, args, argument('from'));
  a.mov(r9, args, argument('pitch'));
  a.imul(r9, rsi);
  a.add(r9, args, argument('to'));
  a.mov(r10, args, argument('terms'));
  a.lea(r10, at(r10, rsi, 4));
  const row = a.here();
  a.mov(r13, args, argument('k'));
  a.mov(rcx, r9);
  a.xor(r11, r11);
  a.vpxor(xmm(0), xmm(0), xmm(0));
  const [loop, tail, next, done] = [a.label(), a.label(), a.label(), a.label()];
  a.bind(loop);
  a.subi(r13, chunk);
  a.jb(tail);
  if (isWidened) {
    if (aZero.signed) {
      a.vpmovsxbw(x, at(r8));
      a.vpaddw(x, x, flip);
    } else a.vpmovzxbw(x, at(r8));
  } else {
    a.vmovups(x, at(r8));
    if (aZero.signed) a.vxorps(x, x, flip);
  }
  a.vmovups(at(rcx), 0, x);
  if (isWidened) {
    a.vpmaddwd(t, x, ones);
    a.vpaddd(sum, sum, t);
  } else isa.dot(a, sum, x, ones, t);
  a.addi(r8, chunk);
  a.addi(rcx, chunk * elementBytes(isa));
  a.jmp(loop);
  a.bind(tail);
  a.addi(r13, chunk);
  a.jz(done);
  a.bind(next);
  a.movzx(eax, byte(r8));
  if (aZero.signed) a.xori(eax, 0x80);
  if (isWidened) a.mov(word(rcx), 0, ax);
  else a.mov(byte(rcx), 0, al);
  a.add(r11d, eax);
  a.inc(r8);
  a.addi(rcx, elementBytes(isa));
  a.dec(r13);
  a.jnz(next);
  a.bind(done);
  emitLaneSum(a, isa);
  a.add(r11d, eax);
  emitZeroPoint(a, aZero, args, argument('aZero'));
  a.imul(eax, args, argument('k'));
  a.sub(r11d, eax);
  a.mov(at(r10), 0, r11d);
  a.addi(r10, 4);
  a.add(r9, args, argument('pitch'));
  a.dec(r12);
  a.jnz(row);
  a.ret();
  return a.finish().slice();
}

/** The sum of the lanes of register 0 into eax. Changes registers 0 and 1. */
export function emitLaneSum(a: Assembler, isa: DotIsa): void {
  if (lanesOf(isa) === 16) {
    a.vextracti64x4(ymm(1), zmm(0), 1);
    a.vpaddd(ymm(0), ymm(0), ymm(1));
  }
  a.vextracti128(xmm(1), ymm(0), 1);
  a.vpaddd(xmm(0), xmm(0), xmm(1));
  for (const order of [SWAP_PAIRS, SWAP_NEIGHBOURS]) {
    a.vpshufd(xmm(1), xmm(0), order);
    a.vpaddd(xmm(0), xmm(0), xmm(1));
  }
  a.vmovd(eax, xmm(0));
}

const SWAP_PAIRS = 0x4e;
const SWAP_NEIGHBOURS = 0xb1;
