/**
 * `e^x`. Cody and Waite's reduction x = n ln 2 + r with ln 2 in two parts, a minimax polynomial for e^r (Lawson's algorithm, relative
 * error 3e-9), and 2^n by exponent arithmetic.
 */

import type { Vector } from '@espalier/x64';
import type { Vectors } from './vectors.ts';

/** Below it the result is 0, above it infinity; both are beyond what rounds to a float. */
const [LEAST, MOST] = [-104, 89];
const LN2_HIGH = Math.fround(Math.LN2);
const LN2_LOW = Math.LN2 - LN2_HIGH;
// biome-ignore format: a polynomial
export const POWER = [1, 1, 0.4999999403953552, 0.1666652113199234, 0.04166838899254799, 0.008368716575205326, 0.001381459878757596];
/** How many registers {@link emitExp} clobbers besides its argument. */
export const EXP_TEMPORARIES = 3;
export const EXPONENT_BIAS = 127;
export const MANTISSA_BITS = 23;
/** To nearest, without the inexact exception. */
const NEAREST = 8;

/** `n` becomes the integer nearest x / ln 2, and `x` what is left: x - n ln 2. */
export function emitReduction(v: Vectors, x: Vector, n: Vector): void {
  const { a } = v;
  a.vmulps(n, x, ...v.splat(Math.LOG2E));
  if (v.isWide) a.vrndscaleps(n, n, NEAREST);
  else a.vroundps(n, n, NEAREST);
  a.vfnmadd231ps(x, n, ...v.splat(LN2_HIGH));
  a.vfnmadd231ps(x, n, ...v.splat(LN2_LOW));
}

/** `x = e^x` within 1.1 units in the last place, subnormal results included; NaN stays, -inf gives 0. */
export function emitExp(v: Vectors, x: Vector, [n, p, half]: readonly Vector[]): void {
  const { a } = v;
  v.atMost(x, MOST, n!);
  v.atLeast(x, LEAST, n!);
  emitReduction(v, x, n!);
  v.polynomial(p!, x, POWER);
  if (v.isWide) {
    a.vscalefps(x, p!, n!);
    return;
  }
  // 2^n may be no float where the result is one: two factors, of which the first is exact.
  a.vcvtps2dq(n!, n!);
  a.vpsradi(half!, n!, 1);
  a.vpsubd(n!, n!, half!);
  for (const exponent of [half!, n!]) {
    a.vpaddd(exponent, exponent, ...v.bits(EXPONENT_BIAS));
    a.vpslldi(exponent, exponent, MANTISSA_BITS);
    a.vmulps(exponent === n ? x : p!, p!, exponent);
  }
}

/** Here 2^n gets the exponent of zero. */
const VANISHING = -88;

/** As {@link emitExp} for `x` that is at most 0, or NaN, in fewer steps: results below 2^-126 may be 0. */
export function emitExpOfNegative(v: Vectors, x: Vector, [n, p]: readonly Vector[]): void {
  const { a } = v;
  v.atLeast(x, v.isWide ? LEAST : VANISHING, n!);
  emitReduction(v, x, n!);
  v.polynomial(p!, x, POWER);
  if (v.isWide) {
    a.vscalefps(x, p!, n!);
    return;
  }
  a.vcvtps2dq(n!, n!);
  a.vpaddd(n!, n!, ...v.bits(EXPONENT_BIAS));
  a.vpslldi(n!, n!, MANTISSA_BITS);
  a.vmulps(x, p!, n!);
}
