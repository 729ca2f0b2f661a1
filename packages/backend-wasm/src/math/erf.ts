/**
 * The error function: below 1 an odd polynomial, above it 1 - erfc as a polynomial; both minimax by Lawson's algorithm (relative
 * error 1.3e-9 and absolute error 3e-8).
 */

import type { Expr, V128, Vectors } from '../vectors.ts';

/** Of x^2: erf(x) / x on [0, 1]. */
// biome-ignore format: a polynomial
const SMALL = [1.1283791065216064, -0.3761262595653534, 0.1128358542919159, -0.026853812858462334, 0.005188327748328447, -0.0008010193705558777, 7.853861461626366e-5];
/** From here on erf rounds to 1. */
const LIMIT = 3.92;
/** Of |x| - MIDDLE: erfc on [1, LIMIT]. */
const MIDDLE = 2.46;
// biome-ignore format: a polynomial
const LARGE = [
  0.0005033267661929131, -0.0026561934500932693, 0.006535763386636972, -0.009832995943725109, 0.009904826059937477, -0.006797654088586569,
  0.0029635110404342413, -0.00046216699411161244, -0.0003911329840775579, 0.00030167537624947727, -5.16661093570292e-5, -2.5420455131097697e-5,
  9.124661119130906e-6,
];

/** `erf(x)` with an absolute error below 1.3e-7, relative to it below 2.5e-7 where it is small; NaN stays. */
export function erf(v: Vectors, x: V128): Expr {
  const size = v.keep(v.un('f32x4_abs', x));
  const s = v.keep(v.sub(v.atMost(size, LIMIT), MIDDLE));
  const large = v.keep(v.sub(1, v.polynomial(s, LARGE)));
  const square = v.keep(v.mul(x, x));
  const small = v.keep(v.mul(v.polynomial(square, SMALL), x));
  const signed = v.bin('v128_or', large, v.bin('v128_and', x, v.bits(0x80000000)));
  return v.select(v.bin('f32x4_lt', size, 1), small, signed);
}
