/** The steps of an epilogue on one vector of float32. */

import type { EpilogueOp, EpilogueStep } from '@espalier/core';
import type { Expr, V128, Vectors } from '../vectors.ts';
import { activations } from './activations.ts';

const arithmetic = { Add: 'f32x4_add', Sub: 'f32x4_sub', Mul: 'f32x4_mul', Div: 'f32x4_div' } as const;

/** The steps that there is code for. */
export const epilogueSteps: readonly EpilogueOp[] = [
  ...(Object.keys(arithmetic) as (keyof typeof arithmetic)[]),
  'Clip',
  ...(Object.keys(activations) as EpilogueOp[]),
];

/** The steps without the names of the nodes that they were: what code depends on. */
export const plainSteps = (steps: readonly EpilogueStep[]): EpilogueStep[] =>
  steps.map(({ op, attrs, inputs, position }) => ({ op, attrs, inputs, position }));

/**
 * What the steps make of `x`.
 * @param load an input of the node for the elements of `x`; undefined where it is left out
 */
export function doSteps(
  v: Vectors,
  steps: readonly EpilogueStep[],
  x: V128,
  load: (input: number) => Expr | undefined,
): V128 {
  let y = x;
  for (const { op, attrs, inputs, position } of steps) {
    if (op in arithmetic) {
      const other = load(inputs[0]!)!;
      const [left, right] = position === 0 ? [y, other] : [other, y];
      y = v.keep(v.bin(arithmetic[op as keyof typeof arithmetic], left, right));
    } else if (op === 'Clip') {
      const [min, max] = inputs.map((input) => (input === undefined ? undefined : load(input)));
      if (min !== undefined) y = v.keep(v.atLeast(y, min));
      if (max !== undefined) y = v.keep(v.atMost(y, max));
    } else y = v.keep(activations[op]!(v, y, attrs));
  }
  return y;
}
