/** What an element by element op is here: a row of the table, before it is made one for each instruction set. */

import type { Attributes, Call, Constants, DType } from '@espalier/core';
import type { Expr, V128, Vectors } from '../../vectors.ts';
import type { Size } from '../lanes.ts';

/** What becomes of `x`, the op's first input; `rest` holds those after it. */
export type Code = (v: Vectors, x: V128, rest: readonly (V128 | undefined)[], attrs: Attributes) => Expr;

export interface Pointwise {
  readonly op: string;
  /** Of what, in its name: `f32`. */
  readonly of: string;
  readonly types: Readonly<Record<string, readonly DType[]>>;
  /** Bytes of the lanes in which it is computed. */
  readonly lane: Size;
  /** Its time for an element beside its traffic, in multiply-adds of the same width. */
  readonly cost: number;
  /** Its code for a call, by a name that tells it from others of the op, or why there is none. */
  code(call: Call, constants: Constants): Variant | string;
  /** Of its inputs only so many are read when it runs. */
  readonly reads?: number;
  /** The shape in which an input behind the first broadcasts to it; its own when absent. */
  dims?(call: Call, x: readonly number[], own: readonly number[]): readonly number[];
  /** It takes any number of inputs, by twos from the left. */
  readonly folds?: boolean;
  /** Its result is no float32: nothing can be done to it before it is stored. */
  readonly isTest?: boolean;
  /** One element at a time: there are no vectors for it. */
  readonly isScalar?: boolean;
}

export interface Variant {
  readonly label: string;
  readonly code: Code;
}

/** 1 where all bits of a lane are set, 0 where none is. */
export const truth = (v: Vectors, mask: Expr, lane: 4 | 8): Expr =>
  lane === 4
    ? () => v.f.i32x4_shr_u(v.push(mask), v.f.i32_const(31))
    : () => v.f.i64x2_shr_u(v.push(mask), v.f.i32_const(63));
