/** The hyperbolic tangent: x P(x^2) / Q(x^2), a weighted least-squares fit made minimax (Loeb's and Lawson's algorithms). */

import type { Vector } from '@espalier/x64';
import type { Vectors } from './vectors.ts';

/** From here on the result rounds to 1. */
const LIMIT = 9.02;
// biome-ignore format: a polynomial
const P = [0.9999999999635839, 0.1409921673665319, 0.004425958430478673, 4.227397174699192e-5, 1.111773323672947e-7, 3.6745095335696054e-11];
// biome-ignore format: a polynomial
const Q = [1, 0.47432550029983217, 0.029201125925900344, 0.000500835957047502, 2.6038757449819266e-6, 2.9512217079860154e-9];
export const TANH_TEMPORARIES = 3;

/** `x = tanh(x)` with a relative error below 3e-7, never beyond 1; NaN stays. */
export function emitTanh(v: Vectors, x: Vector, [s, p, q]: readonly Vector[]): void {
  const { a } = v;
  v.atMost(x, LIMIT, s!);
  v.atLeast(x, -LIMIT, s!);
  a.vmulps(s!, x, x);
  v.polynomial(p!, s!, P);
  v.polynomial(q!, s!, Q);
  a.vmulps(x, x, p!);
  a.vdivps(x, x, q!);
  v.atMost(x, 1, s!);
  v.atLeast(x, -1, s!);
}
