/** The Gaussian error linear unit, exact and by its tanh approximation (Hendrycks and Gimpel, 2016). */

import type { Expr, V128, Vectors } from '../vectors.ts';
import { erf } from './erf.ts';
import { exp } from './exp.ts';

/** `x (1 + erf(x / sqrt 2)) / 2` with an error below 1.5e-7 |x|. */
export function gelu(v: Vectors, x: V128): Expr {
  const e = erf(v, v.keep(v.mul(x, Math.SQRT1_2)));
  // A product, not a fused one: what comes out as zero keeps the sign of x.
  return v.mul(v.add(e, 1), v.mul(x, 0.5));
}

/** As (1 + tanh u) / 2 = 1 / (1 + e^-2u), where small results keep their precision: an error below 2e-7 |x|. */
export function geluTanh(v: Vectors, x: V128): Expr {
  const scale = -2 * Math.sqrt(2 / Math.PI);
  const square = v.keep(v.mul(x, x));
  const u = v.mul(v.madd(square, scale * 0.044715, scale), x);
  return v.div(x, v.add(exp(v, u), 1));
}
