/** The steps of an epilogue on one register of float32. */

import type { EpilogueOp, EpilogueStep } from '@espalier/core';
import type { Vector } from '@espalier/x64';
import type { Vectors } from '../math/index.ts';
import { activations } from './activations.ts';

const arithmetic = { Add: 'vaddps', Sub: 'vsubps', Mul: 'vmulps', Div: 'vdivps' } as const;

/** The steps that there is code for. */
export const epilogueSteps: readonly EpilogueOp[] = [
  ...(Object.keys(arithmetic) as (keyof typeof arithmetic)[]),
  'Clip',
  ...(Object.keys(activations) as EpilogueOp[]),
];

/**
 * Does the steps to `x`. Clobbers the temporaries, and k7.
 * @param load loads an input of the node for the elements of `x`; false where it is left out
 */
export function emitSteps(
  v: Vectors,
  steps: readonly EpilogueStep[],
  x: Vector,
  t: readonly Vector[],
  load: (dst: Vector, input: number) => boolean,
): void {
  const { a } = v;
  const [other] = t as [Vector];
  for (const { op, attrs, inputs, position } of steps) {
    if (op in arithmetic) {
      load(other, inputs[0]!);
      const [left, right] = position === 0 ? [x, other] : [other, x];
      a[arithmetic[op as keyof typeof arithmetic]](x, left, right);
    } else if (op === 'Clip') {
      // The processor's minimum and maximum give their second operand where one is NaN.
      if (inputs[0] !== undefined && load(other, inputs[0])) a.vmaxps(x, other, x);
      if (inputs[1] !== undefined && load(other, inputs[1])) a.vminps(x, other, x);
    } else {
      activations[op]!(v, x, t, attrs);
    }
  }
}
