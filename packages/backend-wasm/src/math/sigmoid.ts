/** `1 / (1 + e^-x)`. */

import type { Expr, Vectors } from '../vectors.ts';
import { exp } from './exp.ts';

/** With a relative error below 3e-7, small results too, but below 3e-39 it may be 0; NaN stays. */
export function sigmoid(v: Vectors, x: Expr): Expr {
  return v.div(1, v.add(exp(v, v.un('f32x4_neg', x)), 1));
}
