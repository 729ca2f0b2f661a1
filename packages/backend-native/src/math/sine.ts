/**
 * Sine and cosine. A large float is m 2^e with m an integer of 24 bits, so it is m (2^e 2 / pi mod 4) quarter turns: what is in brackets
 * is looked up for each e, in two parts of which the first makes the product exact (after Payne and Hanek, "Radian reduction for
 * trigonometric functions", 1983). What is left of whole quarters, at most half a one, goes to Taylor's polynomials.
 */

import { at, edx, k7, rdx, type Vector, xmm, ymm } from '@espalier/x64';
import { EXPONENT_BIAS, MANTISSA_BITS } from './exp.ts';
import type { Vectors } from './vectors.ts';

/** How many registers {@link emitSine} and {@link emitCosine} clobber besides their argument, beside rdx and k7. */
export const SINE_TEMPORARIES = 6;
/** To nearest, without the inexact exception. */
const NEAREST = 8;
const QUARTER = Math.PI / 2;
/** What is left of it. */
const QUARTER_LOW = 6.123233995736766e-17;
/** From here on quarters are looked up. */
const FAR = 2 ** 20;
const NOT_LESS = 5;
/** Terms of both polynomials: what is left of the series is below 2e-9. */
const SINE = [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880];
const COSINE = [1, -1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800];
const SIGN = 0x80000000;
/** Below it the sine is the number itself. */
const SMALL = 2 ** -13;

/** `x = sin x` within 2 units in the last place; NaN for infinities. */
export function emitSine(v: Vectors, x: Vector, t: readonly Vector[]): void {
  const { a } = v;
  const [y, quarters, square, sine, mask] = t as [Vector, Vector, Vector, Vector, Vector];
  emitTurns(v, x, t);
  emitPolynomials(v, t);
  select(v, y, sine, y, quarters, mask);
  emitSign(v, y, quarters, mask);
  a.vandps(mask, x, ...v.bits(SIGN));
  a.vxorps(y, y, mask);
  // Numbers too small for what is looked up.
  a.vandps(square, x, ...v.bits(~SIGN >>> 0));
  v.select(x, square, v.splat(SMALL), x, y, mask);
}

/** `x = cos x` within 2 units in the last place; NaN for infinities. */
export function emitCosine(v: Vectors, x: Vector, t: readonly Vector[]): void {
  const { a } = v;
  const [y, quarters, , sine, mask] = t as [Vector, Vector, Vector, Vector, Vector];
  emitTurns(v, x, t);
  emitPolynomials(v, t);
  select(v, x, y, sine, quarters, mask);
  // Its sign changes a quarter before the sine's does.
  a.vpaddd(quarters, quarters, ...v.bits(1));
  emitSign(v, x, quarters, mask);
}

/** `dst` is `even` where the number of quarters is, else `odd`. */
function select({ a }: Vectors, dst: Vector, even: Vector, odd: Vector, quarters: Vector, mask: Vector): void {
  a.vpslldi(mask, quarters, 31);
  a.vpsradi(mask, mask, 31);
  a.vandps(odd, odd, mask);
  a.vandnps(mask, mask, even);
  a.vorps(dst, odd, mask);
}

/** Turns the sign round in the second half of a turn. */
function emitSign({ a }: Vectors, x: Vector, quarters: Vector, mask: Vector): void {
  a.vpsrldi(mask, quarters, 1);
  a.vpslldi(mask, mask, 31);
  a.vxorps(x, x, mask);
}

/** From an angle in the first register: the cosine in it, the sine in the fourth. Keeps the second. */
function emitPolynomials(v: Vectors, [y, , square, sine]: readonly Vector[]): void {
  const { a } = v;
  a.vmulps(square!, y!, y!);
  v.polynomial(sine!, square!, SINE);
  a.vmulps(sine!, sine!, y!);
  v.polynomial(y!, square!, COSINE);
}

/** |x| without the nearest number of quarter turns, as an angle in the first register, and that number in the second. */
function emitTurns(v: Vectors, x: Vector, [angle, quarters, ...t]: readonly Vector[]): void {
  const { a, isWide } = v;
  const [far, done] = [a.label(), a.label()];
  const size = t[0]!;
  a.vandps(size, x, ...v.bits(~SIGN >>> 0));
  v.compare(isWide ? k7 : size, size, FAR, NOT_LESS);
  if (isWide) a.kmovw(edx, k7);
  else a.vmovmskps(edx, size);
  a.test(edx, edx);
  a.jnz(far);
  emitHalves(v, x, [angle!, quarters!, ...t], emitNear);
  a.jmp(done);
  a.bind(far);
  emitHalves(v, x, [angle!, quarters!, ...t], emitFar);
  a.bind(done);
}

/** Computes the angle and the number of quarters of one half, in the first two registers. */
type EmitHalf = (v: Vectors, x: Vector, half: 0 | 1, t: readonly Vector[]) => void;

function emitHalves(v: Vectors, x: Vector, [angle, quarters, ...t]: readonly Vector[], emit: EmitHalf): void {
  const { a, isWide } = v;
  for (const half of [0, 1] as const) {
    emit(v, x, half, t);
    const [low, number] = [narrow(v, t[0]!), narrow(v, t[1]!)];
    if (half === 0) {
      a.vmovaps(narrow(v, angle!), low);
      a.vmovaps(narrow(v, quarters!), number);
    } else
      for (const [whole, upper] of [
        [angle!, low],
        [quarters!, number],
      ] as const) {
        if (isWide) a.vinsertf64x4(whole, whole, upper, 1);
        else a.vinsertf128(whole, whole, upper, 1);
      }
  }
}

/** The register of half the width. */
const narrow = ({ isWide }: Vectors, register: Vector): Vector =>
  isWide ? ymm(register & 0xff) : xmm(register & 0xff);

function extract(v: Vectors, dst: Vector, x: Vector, half: 0 | 1): void {
  if (half === 0) v.a.vmovaps(dst, narrow(v, x));
  else if (v.isWide) v.a.vextractf64x4(dst, x, 1);
  else v.a.vextractf128(dst, x, 1);
}

function toNearest({ a, isWide }: Vectors, x: Vector): void {
  if (isWide) a.vrndscalepd(x, x, NEAREST);
  else a.vroundpd(x, x, NEAREST);
}

/** Numbers whose quarters double precision counts: Cody and Waite's reduction. */
function emitNear(v: Vectors, x: Vector, half: 0 | 1, [p, n]: readonly Vector[]): void {
  const { a } = v;
  const whole = narrow(v, p!);
  extract(v, whole, x, half);
  a.vandps(whole, whole, ...halfBits(v, ~SIGN >>> 0));
  a.vcvtps2pd(p!, whole);
  a.vmulpd(n!, p!, ...double(v, 1 / QUARTER));
  toNearest(v, n!);
  a.vfnmadd231pd(p!, n!, ...double(v, QUARTER));
  a.vfnmadd231pd(p!, n!, ...double(v, QUARTER_LOW));
  a.vcvtpd2ps(whole, p!);
  a.vcvtpd2dq(narrow(v, n!), n!);
}

/** All others. */
function emitFar(v: Vectors, x: Vector, half: 0 | 1, [p, n, low, m]: readonly Vector[]): void {
  const { a, isWide } = v;
  const [whole, index] = [narrow(v, m!), narrow(v, n!)];
  extract(v, index, x, half);
  a.vpslldi(index, index, 1);
  a.vpsrldi(index, index, MANTISSA_BITS + 1);
  for (const [to, table] of [
    [p!, a.constant(quartersOf.high)],
    [low!, a.constant(quartersOf.low)],
  ] as const) {
    a.lea(rdx, table);
    if (isWide) a.kxnorw(k7, k7, k7);
    else a.vpcmpeqd(m!, m!, m!);
    a.vgatherdpd(to, at(rdx, index, 8), 0, isWide ? k7 : m!);
  }
  extract(v, whole, x, half);
  a.vandps(whole, whole, ...halfBits(v, 2 ** MANTISSA_BITS - 1));
  a.vorps(whole, whole, ...halfBits(v, 2 ** MANTISSA_BITS));
  a.vcvtdq2pd(m!, whole);
  // Exact, and so is what is left of it.
  a.vmulpd(p!, p!, m!);
  a.vmovaps(n!, p!);
  a.vfmadd231pd(n!, low!, m!);
  toNearest(v, n!);
  a.vsubpd(p!, p!, n!);
  a.vfmadd231pd(p!, low!, m!);
  a.vmulpd(p!, p!, ...double(v, QUARTER));
  a.vcvtpd2ps(narrow(v, p!), p!);
  a.vcvtpd2dq(index, n!);
}

/** A constant in every lane of doubles. */
const double = ({ a, lanes }: Vectors, value: number) =>
  [a.constant(new Float64Array(lanes / 2).fill(value)), 0] as const;

/** 32 bits in every lane of half a vector. */
const halfBits = ({ a, lanes }: Vectors, bits: number) =>
  [a.constant(new Uint32Array(lanes / 2).fill(bits)), 0] as const;

/** Bits of {@link TWO_BY_PI} behind the point: more than float's exponents and 100 digits of the smallest. */
const FRACTION = 300n;
/** By Machin's formula, pi / 4 = 4 arctan(1/5) - arctan(1/239), with some bits to spare. */
const TWO_BY_PI = ((): bigint => {
  const bits = FRACTION + 32n;
  const one = 1n << bits;
  const arctangent = (x: bigint): bigint => {
    let [sum, power] = [0n, one / x];
    for (let n = 1n; power > 0n; n += 2n, power /= x * x) sum += n % 4n === 1n ? power / n : -(power / n);
    return sum;
  };
  const pi = 4n * (4n * arctangent(5n) - arctangent(239n));
  return ((2n * one * one) / pi) >> 32n;
})();

/** 2^e 2 / pi mod 4 by the bits of a float's exponent, as sums of two; NaN for infinities. */
const quartersOf = tableOfQuarters();

function tableOfQuarters(): { readonly high: Float64Array; readonly low: Float64Array } {
  const [high, low] = [new Float64Array(256).fill(Number.NaN), new Float64Array(256)];
  for (let exponent = 0; exponent < 255; exponent++) {
    const e = exponent - EXPONENT_BIAS - MANTISSA_BITS;
    const shifted = e < 0 ? TWO_BY_PI >> BigInt(-e) : TWO_BY_PI << BigInt(e);
    const value = shifted % (4n << FRACTION);
    const spare = BigInt(Math.max(0, value.toString(2).length - (53 - MANTISSA_BITS - 1)));
    const top = (value >> spare) << spare;
    high[exponent] = Number(top) / 2 ** Number(FRACTION);
    low[exponent] = Number(value - top) / 2 ** Number(FRACTION);
  }
  return { high, low };
}
