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
  type Gpr,
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
  type Vector,
  xmm,
  ymm,
  ZERO,
  zmm,
} from '@espalier/x64';
import { groupsOf, type Levels, padded } from './layout.ts';

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
  const fixing = new Fixing(a, zero, scales === 'row' ? zeroAt : undefined);
  const tail = maskOf(a);

  const span = (steps: number): void => {
    const vectors = Math.ceil(steps / 16);
    if (steps % 16 > 0) tail.set(steps % 16);
    fixing.span(to, vectors, (x, i) => {
      const option = i === vectors - 1 && steps % 16 > 0 ? tail.mask | ZERO : 0;
      a.vmovups(x, at(from), 64 * i, option);
      if (scales === 'row') a.vmulps(x, x, at(scaleAt), 64 * i, option);
    });
    if (vectors % 2 > 0) {
      a.vpxord(zmm(0), zmm(0), zmm(0));
      a.vmovups(at(to), 64 * vectors, zmm(0));
    }
    a.addi(from, 4 * steps);
    if (scales === 'row') a.addi(scaleAt, 4 * steps);
    a.addi(zeroAt, fixedBytes(padded(steps)));
    a.addi(to, fixedBytes(padded(steps)));
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

/** Numbers into digits, a span at a time: those of a vector in register 0 to 7, its own from 16 to 25. */
export class Fixing {
  private readonly a: Assembler;
  private readonly zero: Levels['zero'];
  private readonly zerosAt: Gpr | undefined;

  /** @param zerosAt points to the zero points of the span's steps, one for each digit, where these have their own */
  constructor(a: Assembler, zero: Levels['zero'], zerosAt?: Gpr) {
    this.a = a;
    this.zero = zero;
    this.zerosAt = zero === 'many' ? zerosAt : undefined;
    const fill = (register: number, value: number): void =>
      a.vpbroadcastd(zmm(register), a.constant(Uint32Array.of(value)));
    fill(MOST_OF, bitsOf(MOST));
    fill(OFFSETS_OF, OFFSETS);
    fill(MAGNITUDE, 0x7fffffff);
    fill(ZEROS, (zero === 'many' ? 1 : zero) * 0x01010101);
    a.vbroadcasti32x4(zmm(ORDER), a.constant(Uint8Array.of(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)));
  }

  /** @param load puts a vector of numbers into a register; zeros where there are none */
  span(to: Gpr, vectors: number, load: (x: Vector, i: number) => void): void {
    const { a, zero, zerosAt } = this;
    const [largest, inverse, sums, spare] = [zmm(LARGEST), zmm(INVERSE), zmm(SUMS), zmm(SPARE)];
    const xs = Array.from({ length: vectors }, (_, i) => zmm(i));
    for (const [i, x] of xs.entries()) {
      load(x, i);
      // As integers numbers without a sign are in order, infinity and NaN last.
      a.vpandd(i === 0 ? largest : inverse, x, zmm(MAGNITUDE));
      if (i > 0) a.vpmaxud(largest, largest, inverse);
    }
    a.vextracti64x4(ymm(SPARE), largest, 1);
    a.vpmaxud(ymm(LARGEST), ymm(LARGEST), ymm(SPARE));
    a.vextracti32x4(xmm(SPARE), ymm(LARGEST), 1);
    a.vpmaxud(xmm(LARGEST), xmm(LARGEST), xmm(SPARE));
    for (const order of [0b01001110, 0b10110001]) {
      a.vpshufd(xmm(SPARE), xmm(LARGEST), order);
      a.vpmaxud(xmm(LARGEST), xmm(LARGEST), xmm(SPARE));
    }
    a.vpmaxud(xmm(LARGEST), xmm(LARGEST), a.constant(Uint32Array.of(bitsOf(LEAST))), 0, BROADCAST);
    a.vpbroadcastd(largest, xmm(LARGEST));
    a.vdivps(inverse, zmm(MOST_OF), largest);
    a.vpxord(sums, sums, sums);
    for (const [i, x] of xs.entries()) {
      a.vmulps(x, x, inverse);
      a.vcvtps2dq(x, x);
      a.vpaddd(x, x, zmm(OFFSETS_OF));
      a.vpxord(x, x, zmm(OFFSETS_OF));
      a.vpshufb(x, x, zmm(ORDER));
      a.vmovups(at(to), 64 * i, x);
      if (zerosAt !== undefined) {
        a.vmovups(spare, at(zerosAt), 64 * i);
        a.vpdpbusd(sums, spare, x);
      } else if (zero !== 0) a.vpdpbusd(sums, zmm(ZEROS), x);
    }
    if (zero !== 0) {
      a.vextracti64x4(ymm(SPARE), sums, 1);
      a.vpaddd(ymm(SUMS), ymm(SUMS), ymm(SPARE));
      a.vextracti32x4(xmm(SPARE), ymm(SUMS), 1);
      a.vpaddd(xmm(SUMS), xmm(SUMS), xmm(SPARE));
    }
    a.vpxord(xmm(SPARE), xmm(SPARE), xmm(SPARE));
    a.vpsubd(xmm(SUMS), xmm(SPARE), xmm(SUMS));
    a.vmulps(xmm(LARGEST), xmm(LARGEST), a.constant(Float32Array.of(1 / MOST)), 0, BROADCAST);
    a.vmovd(at(to), SCALE_AT, xmm(LARGEST));
    for (let digit = 0; digit < DIGITS; digit++) a.vpextrd(at(to), sumAt(digit), xmm(SUMS), digit);
  }
}

const [LARGEST, INVERSE, SUMS, MOST_OF, ORDER, OFFSETS_OF, ZEROS, MAGNITUDE, SPARE] = [
  16, 17, 18, 19, 20, 21, 22, 23, 24,
];
const bitsOf = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]!;

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
