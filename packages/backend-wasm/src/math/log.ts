/**
 * Logarithms: x = 2^e (1 + f) with f in [-1/4, 1/2], and log(1 + f) = f - s (f - R) with s = f / (2 + f), where R is the series of
 * the inverse hyperbolic tangent of s (as in FreeBSD's e_log.c; its remainder is below 4e-9 here).
 */

import type { Expr, V128, Vectors } from '../vectors.ts';

/** Times an exponent exact; the rest is positive, so that infinite exponents stay what they are. */
const LN2_HIGH = 0.693145751953125;
const LN2_LOW = Math.LN2 - LN2_HIGH;
/** Of s^2. */
const SERIES = [2 / 3, 2 / 5, 2 / 7, 2 / 9];
const MANTISSA_BITS = 23;
const LEAST_NORMAL = 2 ** -126;
/** Of 3/4 as float32. */
const THREE_QUARTERS = 0x3f400000;

/** `e ln 2 + log(1 + f)` for f in [-1/4, 1/2]. */
function logOf(v: Vectors, f: V128, e: V128): Expr {
  const s = v.keep(v.div(f, v.add(f, 2)));
  const z = v.keep(v.mul(s, s));
  // f - s (f - z r)
  const rest = v.nmadd(z, v.polynomial(z, SERIES), f);
  return v.madd(e, LN2_HIGH, v.madd(e, LN2_LOW, v.nmadd(s, rest, f)));
}

/** `log(x)` within 2 units in the last place, of subnormal numbers too; NaN below zero. */
export function log(v: Vectors, x: V128): Expr {
  // Subnormal numbers get an exponent first.
  const isSmall = v.keep(v.bin('f32x4_lt', x, LEAST_NORMAL));
  const scaled = v.keep(v.select(isSmall, v.mul(x, 2 ** MANTISSA_BITS), x));
  const e = v.keep(() => {
    const above = v.push(v.bin('i32x4_sub', scaled, v.bits(THREE_QUARTERS)));
    return v.f.i32x4_shr_s(above, v.f.i32_const(MANTISSA_BITS));
  });
  const f = v.keep(v.sub(v.bin('i32x4_sub', scaled, v.shiftLeft(e, MANTISSA_BITS)), 1));
  const shift = v.bin('v128_and', isSmall, v.bits(MANTISSA_BITS));
  const exponent = v.keep(v.un('f32x4_convert_i32x4_s', v.bin('i32x4_sub', e, shift)));
  const finite = v.keep(logOf(v, f, exponent));
  const isLess = v.bin('f32x4_lt', x, Number.POSITIVE_INFINITY);
  const known = v.select(isLess, finite, x);
  const belowZero = v.select(v.bin('f32x4_lt', x, 0), Number.NaN, known);
  return v.select(v.bin('f32x4_eq', x, 0), Number.NEGATIVE_INFINITY, belowZero);
}

/** `log(1 + u)` for u in [0, 1], exact to 2 units in the last place where u is small too. */
export function log1p(v: Vectors, u: V128): Expr {
  // (1 + u) / 2 - 1 where u is large
  const isLarge = v.keep(v.bin('f32x4_gt', u, 0.5));
  const f = v.keep(v.select(isLarge, v.mul(v.sub(u, 1), 0.5), u));
  return logOf(v, f, v.keep(v.bin('v128_and', isLarge, v.splat(1))));
}
