/** What is folded together, of float32 and of int32. */

import type { DType } from '@espalier/core';
import { k7, type Vector } from '@espalier/x64';
import { emitExp, emitLog, type Vectors } from '../../math/index.ts';
import type { Cost } from '../elements.ts';

/** `total` becomes the fold of itself and `x`; may clobber `x`, the temporaries and k7. */
export type Step = (v: Vectors, total: Vector, x: Vector, t: readonly Vector[], top: Vector) => void;

/** One walk over all that is folded. */
export interface Pass {
  /** Bits of the total of nothing. */
  readonly initial: number;
  /** Bits of an element that changes nothing. */
  readonly neutral: number;
  readonly step: Step;
  /** Folds totals. */
  readonly join: Step;
}

export interface Reduction {
  readonly op: string;
  readonly dtype: DType;
  readonly cost: Cost;
  /** What the first of two makes is the `top` of the second. */
  readonly passes: readonly Pass[];
  /** `total` becomes the result; `count` holds how many elements there were, as float32. */
  readonly finish?: (v: Vectors, total: Vector, t: readonly Vector[], top: Vector, count: Vector) => void;
}

const bits = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]!;
const plus: Step = ({ a }, total, x) => a.vaddps(total, total, x);

/** A NaN wins, and stays. */
const extremum =
  (name: 'vmaxps' | 'vminps'): Step =>
  ({ a, isWide }, total, x, [t]) => {
    // The instruction gives its second operand where either is NaN.
    if (isWide) {
      a.vcmpps(k7, total, total, ORDERED);
      a[name](total, total, x, k7);
    } else {
      const [ordered] = [t!];
      a.vcmpps(ordered, total, total, ORDERED);
      a[name](x, total, x);
      a.vblendvps(total, total, x, ordered);
    }
  };
const ORDERED = 7;

const pass = (step: Step, join = step, initial = 0, neutral = initial): Pass => ({ step, join, initial, neutral });
const sum = pass(plus);
const most = pass(extremum('vmaxps'), undefined, bits(Number.NEGATIVE_INFINITY));
const least = pass(extremum('vminps'), undefined, bits(Number.POSITIVE_INFINITY));
const squares = pass(({ a }, total, x) => a.vfmadd231ps(total, x, x), plus);
const sizes = pass((v, total, x) => {
  v.a.vandps(x, x, ...v.bits(0x7fffffff));
  v.a.vaddps(total, total, x);
}, plus);
const product = pass(({ a }, total, x) => a.vmulps(total, total, x), undefined, bits(1));
const powers = pass(
  (v, total, x, t, top) => {
    v.a.vsubps(x, x, top);
    emitExp(v, x, t);
    v.a.vaddps(total, total, x);
  },
  plus,
  0,
  bits(Number.NEGATIVE_INFINITY),
);

const float = (op: string, cost: Cost, passes: readonly Pass[], finish?: Reduction['finish']): Reduction => ({
  op,
  dtype: 'float32',
  cost,
  passes,
  ...(finish ? { finish } : {}),
});

type IntegerOp = 'vpaddd' | 'vpmulld' | 'vpmaxsd' | 'vpminsd';
const integer = (op: string, name: IntegerOp, initial: number, before?: 'vpabsd' | 'square'): Reduction => {
  const join: Step = ({ a }, total, x) => a[name](total, total, x);
  const step: Step = (v, total, x, t, top) => {
    if (before === 'vpabsd') v.a.vpabsd(x, x);
    if (before === 'square') v.a.vpmulld(x, x, x);
    join(v, total, x, t, top);
  };
  return { op, dtype: 'int32', cost: [1, 1], passes: [pass(step, join, initial)] };
};

const mean: Reduction['finish'] = ({ a }, total, _t, _top, count) => a.vdivps(total, total, count);

export const reductions: readonly Reduction[] = [
  float('ReduceSum', [1, 1], [sum]),
  float('ReduceMean', [1, 1], [sum], mean),
  float('GlobalAveragePool', [1, 1], [sum], mean),
  float('GlobalMaxPool', [2, 3], [most]),
  float('ReduceMax', [2, 3], [most]),
  float('ReduceMin', [2, 3], [least]),
  float('ReduceProd', [1, 1], [product]),
  float('ReduceL1', [1, 1], [sizes]),
  float('ReduceL2', [1, 1], [squares], ({ a }, total) => a.vsqrtps(total, total)),
  float('ReduceSumSquare', [1, 1], [squares]),
  float('ReduceLogSum', [1, 1], [sum], (v, total, t) => emitLog(v, total, t)),
  float('ReduceLogSumExp', [12, 20], [most, powers], (v, total, t, top) => {
    emitLog(v, total, t);
    v.a.vaddps(total, total, top);
  }),
  integer('ReduceSum', 'vpaddd', 0),
  integer('ReduceProd', 'vpmulld', 1),
  integer('ReduceMax', 'vpmaxsd', -(2 ** 31)),
  integer('ReduceMin', 'vpminsd', 2 ** 31 - 1),
  integer('ReduceL1', 'vpaddd', 0, 'vpabsd'),
  integer('ReduceSumSquare', 'vpaddd', 0, 'square'),
];

/** How what the attribute `reduction` of scatters names changes a value, for dtypes whose elements it can. */
export const scattered: readonly { readonly name: string; readonly dtype: DType; readonly step: Step }[] = [
  ['add', 'ReduceSum'],
  ['mul', 'ReduceProd'],
  ['max', 'ReduceMax'],
  ['min', 'ReduceMin'],
].flatMap(([name, op]) =>
  reductions
    .filter((each) => each.op === op)
    .map(({ dtype, passes }) => ({ name: name!, dtype, step: passes[0]!.step })),
);
