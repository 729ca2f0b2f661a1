/**
 * Rows of A as fixed-point numbers. Those of a span share a scale, 1/8355000 of the largest, and are three signed digits in base 256: as
 * exact as float32 is for the largest, no less for their sum. Where a span holds an infinity or NaN, its sums are NaN.
 *
 * A quad of steps is 16 bytes: its four first digits, the second, the third (the highest), and of the first quads of a span a word of what
 * belongs to all: the scale, then less the sum of each digit.
 */

import {
  Assembler,
  at,
  BROADCAST,
  eax,
  k2,
  type Mask,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  rbp,
  rcx,
  rdi,
  rdx,
  rsi,
  xmm,
  ymm,
  ZERO,
  zmm,
} from '@espalier/x64';
import { groupsOf, type Levels } from './layout.ts';

export const DIGITS = 3;
/** From digit to digit of a quad, from quad to quad, and where the word of all is. */
const DIGIT = 4;
const QUAD = 16;
const WORD = 12;

/** Three digits of -128 to 127 hold so much, and a little for what division rounds. */
const MOST = 8_355_000;
/** Spans whose numbers are all smaller count as so large: nothing underflows or becomes infinite. */
const LEAST = 2 ** -100;
/** With these added a number's bytes are its digits, each 128 more. */
const OFFSETS = 0x808080;

/** A digit of four steps, from the beginning of a span. */
export const digitAt = (quad: number, digit: number): number => QUAD * quad + DIGIT * digit;
export const SCALE_AT = WORD;
/** Less the sum of a digit along the span, each times its zero point where that is not a column's. */
export const sumAt = (digit: number): number => QUAD * (1 + digit) + WORD;
/** Bytes of a row, and those that so many steps take. */
export const fixedBytes = (steps: number): number => DIGIT * steps;

/** The argument block: rows, rows of a unit, A, where to; scales and zero points of rows of B, where these have them. */
export const fixedWords = ['rows', 'rowsPerUnit', 'from', 'to', 'scales', 'zeros'] as const;
const argument = (name: (typeof fixedWords)[number]): number => 8 * fixedWords.indexOf(name);

/** Entry: args in rdi, unit in rsi. @param pitch bytes from row to row of the result */
export function emitFixed(levels: Levels, pitch: number): Uint8Array {
  const a = new Assembler();
  const { k, scales, zero } = levels;
  const [from, to, left, scaleAt, zeroAt, row] = [r8, r9, r10, r11, r12, r13];
  const [largest, inverse, sums, most, digits, offsets, zeros, ones] = [16, 17, 18, 19, 20, 21, 22, 23].map(zmm) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const fill = (register: number, value: number): void => a.vpbroadcastd(register, a.constant(Uint32Array.of(value)));
  const bits = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]!;

  a.mov(left, at(rdi), argument('rowsPerUnit'));
  a.imul(rsi, left);
  a.mov(rdx, at(rdi), argument('rows'));
  a.sub(rdx, rsi);
  a.cmp(left, rdx);
  a.cmova(left, rdx);
  a.imuli(from, rsi, 4 * k);
  a.add(from, at(rdi), argument('from'));
  a.imuli(row, rsi, pitch);
  a.add(row, at(rdi), argument('to'));
  fill(most, bits(MOST));
  fill(offsets, OFFSETS);
  fill(ones, 0x7fffffff);
  if (zero !== 'many') fill(zeros, zero * 0x01010101);
  else fill(zeros, 0x01010101);
  a.vbroadcasti32x4(digits, a.constant(Uint8Array.of(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)));
  const tail = maskOf(a);

  /** Numbers of a span, at most as many as it holds. */
  const span = (steps: number): void => {
    const vectors = Math.ceil(steps / 16);
    if (steps % 16 > 0) tail.set(steps % 16);
    const xs = Array.from({ length: vectors }, (_, i) => zmm(i));
    for (const [i, x] of xs.entries()) {
      const option = i === vectors - 1 && steps % 16 > 0 ? tail.mask | ZERO : 0;
      a.vmovups(x, at(from), 64 * i, option);
      if (scales === 'row') a.vmulps(x, x, at(scaleAt), 64 * i, option);
      // As integers numbers without a sign are in order, infinity and NaN last.
      a.vpandd(i === 0 ? largest : inverse, x, ones);
      if (i > 0) a.vpmaxud(largest, largest, inverse);
    }
    a.vextracti64x4(ymm(24), largest, 1);
    a.vpmaxud(ymm(16), ymm(16), ymm(24));
    a.vextracti32x4(xmm(24), ymm(16), 1);
    a.vpmaxud(xmm(16), xmm(16), xmm(24));
    for (const order of [0b01001110, 0b10110001]) {
      a.vpshufd(xmm(24), xmm(16), order);
      a.vpmaxud(xmm(16), xmm(16), xmm(24));
    }
    a.vpmaxud(xmm(16), xmm(16), a.constant(Uint32Array.of(bits(LEAST))), 0, BROADCAST);
    a.vpbroadcastd(largest, xmm(16));
    a.vdivps(inverse, most, largest);
    a.vpxord(sums, sums, sums);
    for (const [i, x] of xs.entries()) {
      a.vmulps(x, x, inverse);
      a.vcvtps2dq(x, x);
      a.vpaddd(x, x, offsets);
      a.vpxord(x, x, offsets);
      a.vpshufb(x, x, digits);
      a.vmovups(at(to), 64 * i, x);
      if (scales === 'row' && zero === 'many') {
        a.vmovups(zmm(25), at(zeroAt), 64 * i);
        a.vpdpbusd(sums, zmm(25), x);
      } else if (zero !== 0) a.vpdpbusd(sums, zeros, x);
    }
    if (vectors % 2 > 0) {
      a.vpxord(zmm(25), zmm(25), zmm(25));
      a.vmovups(at(to), 64 * vectors, zmm(25));
    }
    if (zero !== 0) {
      a.vextracti64x4(ymm(24), sums, 1);
      a.vpaddd(ymm(18), ymm(18), ymm(24));
      a.vextracti32x4(xmm(24), ymm(18), 1);
      a.vpaddd(xmm(18), xmm(18), xmm(24));
    }
    a.vpxord(xmm(24), xmm(24), xmm(24));
    a.vpsubd(xmm(18), xmm(24), xmm(18));
    a.vmulps(xmm(16), xmm(16), a.constant(Float32Array.of(1 / MOST)), 0, BROADCAST);
    a.vmovd(at(to), SCALE_AT, xmm(16));
    for (let digit = 0; digit < DIGITS; digit++) a.vpextrd(at(to), sumAt(digit), xmm(18), digit);
    a.addi(from, 4 * steps);
    if (scales === 'row') a.addi(scaleAt, 4 * steps);
    a.addi(zeroAt, 128 * Math.ceil(vectors / 2));
    a.addi(to, 128 * Math.ceil(vectors / 2));
  };

  const nextRow = a.here();
  a.mov(to, row);
  a.mov(scaleAt, at(rdi), argument('scales'));
  a.mov(zeroAt, at(rdi), argument('zeros'));
  emitGroups(a, levels, span);
  a.addi(row, pitch);
  a.dec(left);
  a.jnz(nextRow);
  a.ret();
  return a.finish().slice();
}

/** Spans in loops: rbp counts groups, rcx spans. */
export function emitGroups(a: Assembler, levels: Pick<Levels, 'k' | 'group'>, span: (steps: number) => void): void {
  const repeat = (counter: typeof rcx, times: number, body: () => void): void => {
    if (times > 1) a.movi(counter, times);
    const loop = a.here();
    body();
    if (times === 1) return;
    a.dec(counter);
    a.jnz(loop);
  };
  for (const { times, spans } of groupsOf(levels))
    repeat(rbp, times, () => {
      for (const each of spans) repeat(rcx, each.times, () => span(each.steps));
    });
}

/** A mask of the first lanes; changes rdx and eax. */
function maskOf(a: Assembler): { mask: Mask; set(count: number): void } {
  return {
    mask: k2,
    set(count) {
      a.movi(eax, (1 << count) - 1);
      a.kmovw(k2, eax);
    },
  };
}
