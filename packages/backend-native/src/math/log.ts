/**
 * Logarithms: x = 2^e (1 + f) with f in [-1/4, 1/2], and log(1 + f) = f - s (f - R) with s = f / (2 + f), where R is the series of
 * the inverse hyperbolic tangent of s (as in FreeBSD's e_log.c; its remainder is below 4e-9 here).
 */

import { k7, type Vector } from '@espalier/x64';
import { bitsOf, type Vectors } from './vectors.ts';

/** Times an exponent exact; the rest is positive, so that infinite exponents stay what they are. */
const LN2_HIGH = 0.693145751953125;
const LN2_LOW = Math.LN2 - LN2_HIGH;
/** Of s^2. */
const SERIES = [2 / 3, 2 / 5, 2 / 7, 2 / 9];
const MANTISSA_BITS = 23;
const LEAST_NORMAL = 2 ** -126;
/** Of vgetmantps: in [3/4, 3/2), NaN for numbers below zero. */
const MANTISSA = 0b1011;
/** Predicates of vcmpps. */
const [EQUAL, LESS, NOT_LESS, GREATER] = [0, 17, 5, 30];

export const LOG_TEMPORARIES = 5;

/** `f = e ln 2 + log(1 + f)` for f in [-1/4, 1/2]. Clobbers the temporaries. */
function emitLogOf(v: Vectors, f: Vector, e: Vector, [s, z, r]: readonly Vector[]): void {
  const { a } = v;
  a.vaddps(s!, f, ...v.splat(2));
  a.vdivps(s!, f, s!);
  a.vmulps(z!, s!, s!);
  v.polynomial(r!, z!, SERIES);
  // f - s (f - z r)
  a.vfnmadd213ps(r!, z!, f);
  a.vfnmadd231ps(f, s!, r!);
  a.vfmadd231ps(f, e, ...v.splat(LN2_LOW));
  a.vfmadd231ps(f, e, ...v.splat(LN2_HIGH));
}

/** `x = log(x)` within 2 units in the last place, of subnormal numbers too; NaN below zero. */
export function emitLog(v: Vectors, x: Vector, [e, f, ...t]: readonly Vector[]): void {
  const { a } = v;
  if (v.isWide) {
    a.vgetexpps(e!, x);
    a.vgetmantps(f!, x, MANTISSA);
    a.vgetexpps(t[0]!, f!);
    a.vsubps(e!, e!, t[0]!);
    a.vsubps(f!, f!, ...v.splat(1));
    // Zero of either sign has no mantissa to speak of.
    v.compare(k7, x, 0, EQUAL);
    emitLogOf(v, f!, e!, t);
    a.vbroadcastss(f!, a.constant(Float32Array.of(Number.NEGATIVE_INFINITY)), 0, k7);
    a.vmovaps(x, f!);
    return;
  }
  const [y, mask] = t as [Vector, Vector];
  // Subnormal numbers get an exponent first.
  v.compare(mask, x, LEAST_NORMAL, LESS);
  a.vmulps(y, x, ...v.splat(2 ** MANTISSA_BITS));
  a.vblendvps(f!, x, y, mask);
  a.vandps(mask, mask, ...v.bits(MANTISSA_BITS));
  a.vpsubd(e!, f!, ...v.bits(bitsOf(0.75)));
  a.vpsradi(e!, e!, MANTISSA_BITS);
  a.vpslldi(y, e!, MANTISSA_BITS);
  a.vpsubd(f!, f!, y);
  a.vpsubd(e!, e!, mask);
  a.vcvtdq2ps(e!, e!);
  a.vsubps(f!, f!, ...v.splat(1));
  emitLogOf(v, f!, e!, t);
  v.compare(mask, x, Number.POSITIVE_INFINITY, NOT_LESS);
  a.vblendvps(f!, f!, x, mask);
  for (const [value, predicate] of [
    [Number.NaN, LESS],
    [Number.NEGATIVE_INFINITY, EQUAL],
  ] as const) {
    v.compare(mask, x, 0, predicate);
    v.fill(y, value);
    a.vblendvps(f!, f!, y, mask);
  }
  a.vmovaps(x, f!);
}

/** `u = log(1 + u)` for u in [0, 1], exact to 2 units in the last place where u is small too. Clobbers k7. */
export function emitLog1p(v: Vectors, u: Vector, [e, f, ...t]: readonly Vector[]): void {
  const { a } = v;
  a.vsubps(f!, u, ...v.splat(1));
  a.vmulps(f!, f!, ...v.splat(0.5));
  if (v.isWide) {
    v.compare(k7, u, 0.5, GREATER);
    a.vxorps(e!, e!, e!);
    a.vbroadcastss(e!, a.constant(Float32Array.of(1)), 0, k7);
    a.vmovaps(u, f!, k7);
  } else {
    v.compare(t[0]!, u, 0.5, GREATER);
    a.vandps(e!, t[0]!, ...v.splat(1));
    a.vblendvps(u, u, f!, t[0]!);
  }
  emitLogOf(v, u, e!, [f!, ...t]);
}
