/** Many numbers divided by one, to be rounded to levels: in a third of the time of divisions, and as exact. */

import type { Assembler, Vector } from '@espalier/x64';

/** Of such exponents neither the number nor its inverse times anything that is rounded to a level overflows or underflows. */
export const MODERATE = 60;

export interface Division {
  readonly inverse: Vector;
  /** The ends of the range in units of the scale. */
  readonly low: Vector;
  readonly high: Vector;
}

/**
 * `x` divided by `s` to the last bit: the quotient's error is found and taken away. `x` is between the two
 * ends, or becomes so, NaN the lower one; where it need not be below the higher one, what is far above may become NaN. Source: Markstein,
 * Computation of elementary functions on the IBM RISC System/6000 processor, 1990.
 */
export function divide(
  a: Assembler,
  x: Vector,
  s: Vector,
  { inverse, low, high }: Division,
  isOpen: boolean,
  t: Vector,
): void {
  // The processor's maximum gives its second operand where one is NaN.
  a.vmaxps(x, x, low);
  if (!isOpen) a.vminps(x, x, high);
  a.vmulps(t, x, inverse);
  a.vfnmadd231ps(x, t, s);
  a.vfmadd213ps(x, inverse, t);
}
