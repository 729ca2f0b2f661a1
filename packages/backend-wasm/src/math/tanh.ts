/** The hyperbolic tangent: x P(x^2) / Q(x^2), a weighted least-squares fit made minimax (Loeb's and Lawson's algorithms). */

import type { Expr, V128, Vectors } from '../vectors.ts';

/** From here on the result rounds to 1. */
const LIMIT = 9.02;
// biome-ignore format: a polynomial
const P = [0.9999999999635839, 0.1409921673665319, 0.004425958430478673, 4.227397174699192e-5, 1.111773323672947e-7, 3.6745095335696054e-11];
// biome-ignore format: a polynomial
const Q = [1, 0.47432550029983217, 0.029201125925900344, 0.000500835957047502, 2.6038757449819266e-6, 2.9512217079860154e-9];

/** `tanh(x)` with a relative error below 3e-7, never beyond 1; NaN stays. */
export function tanh(v: Vectors, x: V128): Expr {
  const y = v.keep(v.atLeast(v.atMost(x, LIMIT), -LIMIT));
  const s = v.keep(v.mul(y, y));
  const quotient = v.div(v.mul(y, v.polynomial(s, P)), v.polynomial(s, Q));
  return v.atLeast(v.atMost(quotient, 1), -1);
}
