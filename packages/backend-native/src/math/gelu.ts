/** The Gaussian error linear unit, exact and by its tanh approximation (Hendrycks and Gimpel, 2016). */

import type { Vector } from '@espalier/x64';
import { ERF_TEMPORARIES, emitScaledErf } from './erf.ts';
import { EXP_TEMPORARIES, emitExp } from './exp.ts';
import type { Vectors } from './vectors.ts';

export const GELU_TEMPORARIES = ERF_TEMPORARIES;
export const GELU_TANH_TEMPORARIES = EXP_TEMPORARIES + 1;

/** `x = x (1 + erf(x / sqrt 2)) / 2` with an error below 1.3e-7 |x|. */
export function emitGelu(v: Vectors, x: Vector, [half, ...t]: readonly Vector[]): void {
  const { a } = v;
  emitScaledErf(v, half!, x, t, 0.5, Math.SQRT1_2);
  a.vaddps(half!, half!, ...v.splat(0.5));
  a.vmulps(x, x, half!);
}

/** As (1 + tanh u) / 2 = 1 / (1 + e^-2u), where small results keep their precision: an error below 2e-7 |x|. */
export function emitGeluTanh(v: Vectors, x: Vector, [y, ...t]: readonly Vector[]): void {
  const { a } = v;
  const scale = -2 * Math.sqrt(2 / Math.PI);
  a.vmovaps(y!, x);
  a.vmulps(x, x, x);
  v.fill(t[0]!, scale * 0.044715);
  a.vfmadd213ps(x, t[0]!, ...v.splat(scale));
  a.vmulps(x, x, y!);
  emitExp(v, x, t);
  a.vaddps(x, x, ...v.splat(1));
  a.vdivps(x, y!, x);
}
