/** `e^x - 1`, where small results keep their precision. */

import type { Vector } from '@espalier/x64';
import { EXPONENT_BIAS, emitReduction, MANTISSA_BITS, POWER } from './exp.ts';
import type { Vectors } from './vectors.ts';

/** Below it the result rounds to -1. */
const LEAST = -20;
export const EXPM1_TEMPORARIES = 2;

/** `x = e^x - 1` for x up to 0 (0 above it) within 2 units in the last place; NaN stays. */
export function emitExpm1(v: Vectors, x: Vector, [n, p]: readonly Vector[]): void {
  const { a } = v;
  v.atMost(x, 0, n!);
  v.atLeast(x, LEAST, n!);
  emitReduction(v, x, n!);
  v.polynomial(p!, x, POWER.slice(1));
  a.vmulps(p!, p!, x);
  // 2^n p + (2^n - 1)
  a.vcvtps2dq(n!, n!);
  a.vpaddd(n!, n!, ...v.bits(EXPONENT_BIAS));
  a.vpslldi(n!, n!, MANTISSA_BITS);
  a.vsubps(x, n!, ...v.splat(1));
  a.vfmadd231ps(x, n!, p!);
}
