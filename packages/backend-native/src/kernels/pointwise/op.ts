/** What an element by element op is here: a row of the table, before it is made one for each instruction set. */

import type { Attributes, Call, Constants, DType } from '@espalier/core';
import { k7, type Vector, ZERO } from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';
import type { Cost } from '../elements.ts';
import type { Size } from '../lanes.ts';

/** `x` becomes the result; may clobber the temporaries `t`, rax, rdx, rsi and k7. `rest` holds the inputs after the first. */
export type Emit = (
  v: Vectors,
  x: Vector,
  t: readonly Vector[],
  attrs: Attributes,
  rest: readonly (Vector | undefined)[],
) => void;

export interface Pointwise {
  readonly op: string;
  /** Of what, in its name: `f32`. */
  readonly of: string;
  readonly types: Readonly<Record<string, readonly DType[]>>;
  /** Bytes of the lanes in which it is computed. */
  readonly lane: Size;
  /** Its time for an element beside its traffic, in multiply-adds of the same width. */
  readonly cost: Cost;
  /** Its code for a call, or why there is none. */
  code(call: Call, constants: Constants): Emit | string;
  /** Of its inputs only so many are read when it runs. */
  readonly reads?: number;
  /** It takes any number of inputs, by twos from the left. */
  readonly folds?: boolean;
  /** With AVX2 one element at a time. */
  readonly isScalar?: boolean;
}

/** Predicates of vcmpps; the last two are true for NaN. */
export const predicates = {
  Equal: 0,
  Less: 17,
  LessOrEqual: 18,
  Greater: 30,
  GreaterOrEqual: 29,
  unordered: 3,
  differ: 4,
} as const;

/** Compares float32, for {@link emitBool}. */
export function emitCompare({ a, isWide }: Vectors, x: Vector, y: Vector, how: keyof typeof predicates): void {
  if (isWide) a.vcmpps(k7, x, y, predicates[how]);
  else a.vcmpps(x, x, y, predicates[how]);
}

/** Makes 1 in `x` where a comparison held, else 0: it gave k7 where wide, else all bits or none of each of `x`'s lanes. */
export function emitBool({ a, isWide }: Vectors, x: Vector, lane: 4 | 8): void {
  if (isWide) {
    if (lane === 4) a.vpbroadcastd(x, a.constant(Int32Array.of(1)), 0, k7 | ZERO);
    else a.vpbroadcastq(x, a.constant(BigInt64Array.of(1n)), 0, k7 | ZERO);
  } else if (lane === 4) a.vpsrldi(x, x, 31);
  else a.vpsrlqi(x, x, 63);
}
