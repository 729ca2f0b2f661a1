/** `1 / (1 + e^-x)`. */

import type { Vector } from '@espalier/x64';
import { EXP_TEMPORARIES, emitExp } from './exp.ts';
import type { Vectors } from './vectors.ts';

export const SIGMOID_TEMPORARIES = EXP_TEMPORARIES;

/** `x = 1 / (1 + e^-x)` with a relative error below 3e-7, small results too, but below 3e-39 it may be 0; NaN stays. */
export function emitSigmoid(v: Vectors, x: Vector, t: readonly Vector[]): void {
  v.a.vxorps(x, x, ...v.bits(0x80000000));
  emitExp(v, x, t);
  v.a.vaddps(x, x, ...v.splat(1));
  v.fill(t[0]!, 1);
  v.a.vdivps(x, t[0]!, x);
}
