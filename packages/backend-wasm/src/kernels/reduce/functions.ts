/** What is folded together, of float32 and of int32. */

import type { DType } from '@espalier/core';
import { exp, log } from '../../math/index.ts';
import type { Expr, V128, Vectors } from '../../vectors.ts';

/** One walk over all that is folded. */
export interface Pass {
  /** Bits of the total of nothing; an element with these bits changes nothing. */
  readonly initial: number;
  /** The total with an element, which is ready to be used more than once. @param top what the pass before made */
  step(v: Vectors, total: V128, x: V128, top: V128 | undefined): Expr;
  /** The total of two. */
  join(v: Vectors, a: V128, b: V128): Expr;
}

export interface Reduction {
  readonly op: string;
  readonly dtype: DType;
  /** Multiply-adds of an element. */
  readonly cost: number;
  readonly passes: readonly Pass[];
  /** What becomes of the total of `count` elements, which is a float32. */
  finish?(v: Vectors, total: V128, count: V128, top: V128 | undefined): Expr;
}

const bits = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0]!;

type Binary = Parameters<Vectors['bin']>[0];
const pass = (op: Binary, initial = 0, before: (v: Vectors, x: V128) => Expr = (_, x) => x): Pass => ({
  initial,
  step: (v, total, x) => v.bin(op, total, before(v, x)),
  join: (v, a, b) => v.bin(op, a, b),
});
const sum = /* @__PURE__ */ pass('f32x4_add');
const absolute = /* @__PURE__ */ pass('f32x4_add', 0, (v, x) => v.un('f32x4_abs', x));
const join: Pass['join'] = (v, a, b) => v.add(a, b);
const squares: Pass = { initial: 0, step: (v, total, x) => v.madd(x, x, total), join };
// These give NaN where either operand is.
const most = /* @__PURE__ */ pass('f32x4_max', /* @__PURE__ */ bits(Number.NEGATIVE_INFINITY));
const least = /* @__PURE__ */ pass('f32x4_min', /* @__PURE__ */ bits(Number.POSITIVE_INFINITY));
/** Infinities and NaN say all there is to say: only a finite top helps. */
const finite = (v: Vectors, top: V128): Expr => {
  const difference = v.keep(v.sub(top, top));
  return v.bin('v128_and', top, v.bin('f32x4_eq', difference, difference));
};
const powers: Pass = {
  initial: 0,
  step: (v, total, x, top) => v.add(total, exp(v, v.sub(x, finite(v, top!)))),
  join,
};

const float = (op: string, cost: number, passes: readonly Pass[], finish?: Reduction['finish']): Reduction => ({
  ...{ op, dtype: 'float32', cost, passes },
  ...(finish ? { finish } : {}),
});
const integer = (op: string, name: Binary, initial: number, before?: (v: Vectors, x: V128) => Expr): Reduction => ({
  ...{ op, dtype: 'int32', cost: 2, passes: [pass(name, initial, before)] },
});
const mean: Reduction['finish'] = (v, total, count) => v.div(total, count);

export const reductions = (): readonly Reduction[] => [
  float('ReduceSum', 2, [sum]),
  float('ReduceMean', 2, [sum], mean),
  float('GlobalAveragePool', 2, [sum], mean),
  float('GlobalMaxPool', 4, [most]),
  float('ReduceMax', 4, [most]),
  float('ReduceMin', 4, [least]),
  float('ReduceProd', 2, [pass('f32x4_mul', bits(1))]),
  float('ReduceL1', 2, [absolute]),
  float('ReduceL2', 2, [squares], (v, total) => v.un('f32x4_sqrt', total)),
  float('ReduceSumSquare', 2, [squares]),
  float('ReduceLogSum', 2, [sum], log),
  float('ReduceLogSumExp', 30, [most, powers], (v, total, _, top) => v.add(log(v, total), finite(v, top!))),
  integer('ReduceSum', 'i32x4_add', 0),
  integer('ReduceProd', 'i32x4_mul', 1),
  integer('ReduceMax', 'i32x4_max_s', -(2 ** 31)),
  integer('ReduceMin', 'i32x4_min_s', 2 ** 31 - 1),
  integer('ReduceL1', 'i32x4_add', 0, (v, x) => v.un('i32x4_abs', x)),
  integer('ReduceSumSquare', 'i32x4_add', 0, (v, x) => v.bin('i32x4_mul', x, x)),
];
