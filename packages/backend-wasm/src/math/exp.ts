/**
 * `e^x`. Cody and Waite's reduction x = n ln 2 + r with ln 2 in two parts, a minimax polynomial for e^r (Lawson's algorithm, relative
 * error 3e-9), and 2^n by exponent arithmetic.
 */

import type { Expr, V128, Vectors } from '../vectors.ts';

/** Below it the result is 0, above it infinity; both are beyond what rounds to a float. */
const [LEAST, MOST] = [-104, 89];
/** Times an exponent exact, without a fused product too. */
const LN2_HIGH = 0.693145751953125;
const LN2_LOW = Math.LN2 - LN2_HIGH;
// biome-ignore format: a polynomial
const POWER = [1, 1, 0.4999999403953552, 0.1666652113199234, 0.04166838899254799, 0.008368716575205326, 0.001381459878757596];
const EXPONENT_BIAS = 127;
const MANTISSA_BITS = 23;

/** Added to a number below 2^22 in size, it leaves the nearest integer in the low bits. */
const MAGIC = 1.5 * 2 ** 23;
const MAGIC_BITS = 0x4b400000;

/** The integer n nearest x / ln 2, in the low bits, and what is left: x - n ln 2. */
function reduce(v: Vectors, x: V128): [bits: V128, r: V128] {
  const bits = v.keep(v.madd(x, Math.LOG2E, MAGIC));
  const n = v.keep(v.sub(bits, MAGIC));
  return [bits, v.keep(v.nmadd(n, LN2_LOW, v.nmadd(n, LN2_HIGH, x)))];
}

/** `2^n` as float32 for integers in the low bits. */
const powerOfTwo = (v: Vectors, n: Expr): Expr =>
  v.shiftLeft(v.bin('i32x4_add', n, v.bits(EXPONENT_BIAS)), MANTISSA_BITS);

/** `e^x` within 1.5 units in the last place, subnormal results included; NaN stays, -inf gives 0. */
export function exp(v: Vectors, x: Expr): Expr {
  const [bits, r] = reduce(v, v.keep(v.atLeast(v.atMost(x, MOST), LEAST)));
  const p = v.keep(v.polynomial(r, POWER));
  // 2^n may be no float where the result is one: two factors, of which the first is exact.
  const whole = v.keep(v.bin('i32x4_sub', bits, v.bits(MAGIC_BITS)));
  const half = v.keep(() => v.f.i32x4_shr_s(whole.get(), v.f.i32_const(1)));
  return v.mul(v.mul(p, powerOfTwo(v, half)), powerOfTwo(v, v.bin('i32x4_sub', whole, half)));
}

/** Here 2^n gets the exponent of zero. */
const VANISHING = -88;

/** As {@link exp} for `x` that is at most 0, or NaN, in fewer steps: results below 2^-126 may be 0. */
export function expOfNegative(v: Vectors, x: Expr): Expr {
  const [bits, r] = reduce(v, v.keep(v.atLeast(x, VANISHING)));
  return v.mul(v.polynomial(r, POWER), powerOfTwo(v, bits));
}

/** Below it the result rounds to -1. */
const ROUNDS_TO_ONE = -20;

/** `e^x - 1` for x up to 0 (0 above it) within 2 units in the last place; NaN stays. */
export function expm1(v: Vectors, x: Expr): Expr {
  const [bits, r] = reduce(v, v.keep(v.atLeast(v.atMost(x, 0), ROUNDS_TO_ONE)));
  const p = v.keep(v.mul(v.polynomial(r, POWER.slice(1)), r));
  const power = v.keep(powerOfTwo(v, bits));
  // 2^n p + (2^n - 1)
  return v.madd(power, p, v.sub(power, 1));
}
