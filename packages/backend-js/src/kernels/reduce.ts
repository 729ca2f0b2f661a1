/** Reductions along axes. */

import { type DType, dtypes, type HostKernel, integerRange, type Phase, reducedAxes, sizeOf } from '@espalier/core';
import { type Grouping, groupBy, visitGroups } from '../axes.ts';
import { define, each, type Operand, type Operands } from '../define.ts';
import { type Floats, floating } from '../float.ts';

/** Folds `count` elements from `at` on, `step` apart, into `total`; `top` is the greatest of their group, where asked for. */
type Fold = (total: number, x: Floats, at: number, count: number, step: number, top: number) => number;

interface Reduction {
  readonly op: string;
  /** Of nothing. */
  readonly initial: number | ((dtype: DType) => number);
  readonly fold: Fold;
  readonly needsTop?: boolean;
  finish?(total: number, count: number, top: number): number;
  /** For integers of 64 bits, where the result is one exactly. */
  readonly exact?: {
    fold(total: bigint, x: bigint): bigint;
    finish?(total: bigint, count: bigint): bigint;
  };
}

/** The least value of a dtype, or the greatest. */
const least = (dtype: DType): number =>
  dtypes[dtype].kind === 'float' ? Number.NEGATIVE_INFINITY : integerRange(dtype)[0];
const greatest = (dtype: DType): number =>
  dtypes[dtype].kind === 'float' ? Number.POSITIVE_INFINITY : integerRange(dtype)[1];

const sum: Fold = (total, x, at, count, step) => {
  for (let i = 0; i < count; i++, at += step) total += x[at];
  return total;
};
const sumOfSizes: Fold = (total, x, at, count, step) => {
  for (let i = 0; i < count; i++, at += step) total += Math.abs(x[at]);
  return total;
};
const sumOfSquares: Fold = (total, x, at, count, step) => {
  for (let i = 0; i < count; i++, at += step) total += x[at] * x[at];
  return total;
};
const sumOfExponentials: Fold = (total, x, at, count, step, top) => {
  for (let i = 0; i < count; i++, at += step) total += Math.exp(x[at] - top);
  return total;
};
const product: Fold = (total, x, at, count, step) => {
  for (let i = 0; i < count; i++, at += step) total *= x[at];
  return total;
};
// A NaN wins, and stays.
const max: Fold = (best, x, at, count, step) => {
  for (let i = 0; i < count; i++, at += step) if (x[at] > best || Number.isNaN(x[at])) best = x[at];
  return best;
};
const min: Fold = (best, x, at, count, step) => {
  for (let i = 0; i < count; i++, at += step) if (x[at] < best || Number.isNaN(x[at])) best = x[at];
  return best;
};

const select = (first: boolean, a: bigint, b: bigint): bigint => (first ? a : b);
const plus = (total: bigint, x: bigint): bigint => total + x;

const reductions: readonly Reduction[] = [
  { op: 'ReduceSum', initial: 0, fold: sum, exact: { fold: plus } },
  {
    op: 'ReduceMean',
    initial: 0,
    fold: sum,
    finish: (total, count) => total / count,
    exact: { fold: plus, finish: (total, count) => (count === 0n ? 0n : total / count) },
  },
  { op: 'ReduceMax', initial: least, fold: max, exact: { fold: (best, x) => select(x > best, x, best) } },
  { op: 'ReduceMin', initial: greatest, fold: min, exact: { fold: (best, x) => select(x < best, x, best) } },
  { op: 'ReduceProd', initial: 1, fold: product, exact: { fold: (total, x) => total * x } },
  { op: 'ReduceL1', initial: 0, fold: sumOfSizes, exact: { fold: (total, x) => total + (x < 0n ? -x : x) } },
  { op: 'ReduceL2', initial: 0, fold: sumOfSquares, finish: Math.sqrt },
  { op: 'ReduceLogSum', initial: 0, fold: sum, finish: Math.log },
  {
    op: 'ReduceLogSumExp',
    initial: 0,
    fold: sumOfExponentials,
    needsTop: true,
    finish: (total, _, top) => Math.log(total) + top,
  },
  { op: 'ReduceSumSquare', initial: 0, fold: sumOfSquares, exact: { fold: (total, x) => total + x * x } },
];

function initialOf(r: Reduction, dtype: DType): number {
  return typeof r.initial === 'number' ? r.initial : r.initial(dtype);
}

function reduceFloats(r: Reduction, x: Operand, y: Operand, by: Grouping): Phase[] {
  const { data, before } = floating(x);
  const totals = new Float64Array(by.groups).fill(initialOf(r, x.dtype));
  const tops = new Float64Array(by.groups);
  const phases = [...before];
  if (r.needsTop) {
    tops.fill(Number.NEGATIVE_INFINITY);
    phases.push(
      visitGroups(by, (group, at, count, step) => {
        tops[group] = max(tops[group], data, at, count, step, 0);
      }),
      // Infinities say all there is to say without help.
      each(by.groups, (from, to) => {
        for (let i = from; i < to; i++) if (!Number.isFinite(tops[i])) tops[i] = 0;
      }),
    );
  }
  phases.push(
    visitGroups(by, (group, at, count, step) => {
      totals[group] = r.fold(totals[group], data, at, count, step, tops[group]);
    }),
  );
  const { kind, bits } = dtypes[y.dtype];
  const isBig = kind !== 'float' && bits === 64;
  const store = (from: number, to: number): void => {
    for (let i = from; i < to; i++) {
      const value = r.finish ? r.finish(totals[i], by.count, tops[i]) : totals[i];
      y.data[i] = isBig ? BigInt(Number.isFinite(value) ? Math.trunc(value) : 0) : value;
    }
  };
  return [...phases, each(by.groups, store)];
}

function reduceBig(
  r: Reduction,
  { fold, finish }: NonNullable<Reduction['exact']>,
  x: Operand,
  y: Operand,
  by: Grouping,
): Phase[] {
  const data: BigInt64Array = x.data;
  const initial = BigInt(initialOf(r, x.dtype));
  // The greatest of 64 bits is no float; one less than the power of two is what is meant.
  const fits = r.op === 'ReduceMin' ? initial - 1n : initial;
  const fill = (from: number, to: number): void => y.data.fill(fits, from, to);
  const visit = visitGroups(by, (group, at, count, step) => {
    let total: bigint = y.data[group];
    for (let i = 0; i < count; i++) total = fold(total, data[at + i * step]);
    y.data[group] = total;
  });
  const end = (from: number, to: number): void => {
    if (finish) for (let i = from; i < to; i++) y.data[i] = finish(y.data[i], BigInt(by.count));
  };
  return [each(by.groups, fill), visit, each(by.groups, end)];
}

function reduce(r: Reduction, { inputs: [x, axes], outputs: [y], attrs }: Operands): Phase[] {
  const given = axes ? Array.from(axes.data as BigInt64Array, Number) : [];
  const by = groupBy(x!.dims, reducedAxes(given, x!.dims.length, attrs['noop_with_empty_axes'] === 1));
  const isBig = x!.data instanceof BigInt64Array || x!.data instanceof BigUint64Array;
  return isBig && r.exact ? reduceBig(r, r.exact, x!, y!, by) : reduceFloats(r, x!, y!, by);
}

export const reducing: readonly HostKernel[] = reductions.map((r) =>
  define({ op: r.op, macs: ([x]) => sizeOf(x!), compute: (io) => reduce(r, io) }),
);
