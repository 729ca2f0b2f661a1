/** Reductions, and ops that look along an axis. */

import { type DType, dtypes } from '@espalier/core';
import fc from 'fast-check';
import { exact, sums, type Tolerance, ulps } from '../tolerance.ts';
import { exactly, special, uniform, type Values } from '../values.ts';
import {
  attributes,
  type Case,
  type Extents,
  edge,
  extents,
  family,
  fixed,
  type OpCases,
  type Sizes,
  trim,
} from './define.ts';

const perResult: Tolerance = sums(({ inputs: [x], outputs: [y] }) => x!.size / Math.max(1, y!.size));
const isFloat = (dtype: DType | undefined): boolean => dtype !== undefined && dtypes[dtype].kind === 'float';

interface Reduction {
  readonly tolerance: Tolerance;
  readonly values: Values;
  /** False where the result over nothing is not defined. */
  readonly ofNothing?: boolean;
}

function reduction(op: string, { tolerance, values, ofNothing = true }: Reduction): OpCases {
  return {
    op,
    tolerance,
    cases: ({ schema }) =>
      fc
        .record({
          x: extents({ least: ofNothing ? 0 : 1 }),
          chosen: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
          fromEnd: fc.boolean(),
          given: fc.constantFrom('axes', 'axes', 'none', 'empty'),
          attrs: attributes({ keepdims: [0, 1], noop_with_empty_axes: [0, 1] }, schema),
        })
        .map(({ x: { shape, sizes }, chosen, fromEnd, given, attrs }): Case => {
          const rank = shape.length;
          const all = shape.flatMap((_, axis) => (chosen[axis] ? [fromEnd ? axis - rank : axis] : []));
          const axes = given === 'axes' && rank > 0 ? all : [];
          return {
            inputs: trim([
              { shape, values },
              given === 'none' ? undefined : { shape: [axes.length], values: exactly(...axes) },
            ]),
            attrs,
            sizes,
          };
        }),
    bench: () => ({
      inputs: [
        { shape: ['rows', 'columns'], values },
        { shape: [1], values: exactly(-1) },
      ],
      sizes: { rows: fixed(1024), columns: fixed(1024) },
    }),
  };
}

/** Roots and logarithms of integers are cut off, so only whole floats of them are compared. */
const moderate = uniform(-4, 4);
const positive = uniform(0.25, 4);
const floatsOnly = (row: OpCases): OpCases => ({
  ...row,
  cases: (context) => (isFloat(context.types['T']) ? row.cases(context) : undefined),
});

interface AlongAxis extends Extents {
  readonly axis: number;
}

/** An operand of at least one axis, and one of its axes, counted from either end. */
export function alongAxis(least: number, minRank = 1): fc.Arbitrary<AlongAxis> {
  return fc
    .record({ x: extents({ minRank, least }), axis: fc.nat(4), fromEnd: fc.boolean() })
    .map(({ x, axis, fromEnd }) => {
      const rank = x.shape.length;
      return { ...x, axis: (axis % rank) - (fromEnd ? rank : 0) };
    });
}

const wide = { rows: fixed(1024), columns: fixed(1024) };
const tied: Values = (context) =>
  (isFloat(context.dtype) ? special(uniform(-9, 9), 'infinite') : uniform(0, 5))(context);

const cumulative: OpCases = {
  op: 'CumSum',
  tolerance: sums(({ inputs: [x] }) => Math.max(1, ...x!.dims)),
  cases: ({ schema }) =>
    fc
      .record({
        x: alongAxis(0),
        scalar: fc.boolean(),
        attrs: attributes({ exclusive: [0, 1], reverse: [0, 1] }, schema),
      })
      .map(({ x: { shape, sizes, axis }, scalar, attrs }) => ({
        inputs: [
          { shape, values: uniform(-9, 9) },
          { shape: scalar ? [] : [1], values: exactly(axis) },
        ],
        attrs,
        sizes,
      })),
};

const topK: OpCases = {
  op: 'TopK',
  tolerance: exact,
  cases: ({ schema }) =>
    fc
      .record({ x: alongAxis(1), k: edge(0), attrs: attributes({ largest: [0, 1] }, schema) })
      .map(({ x: { shape, sizes, axis }, k, attrs }) => {
        const name = shape.at(axis)!;
        const K = Math.min(k[0]!, ...sizes[name]!);
        return {
          inputs: [
            { shape, values: tied },
            { shape: [1], values: exactly(K) },
          ],
          attrs: { ...attrs, axis },
          sizes,
        };
      }),
};

const sortedOnce: Sizes = wide;

export const reduceCases: readonly OpCases[] = [
  ...['ReduceSum', 'ReduceL1', 'ReduceSumSquare'].map((op) =>
    reduction(op, { tolerance: perResult, values: moderate }),
  ),
  reduction('ReduceMean', { tolerance: perResult, values: moderate, ofNothing: false }),
  reduction('ReduceProd', { tolerance: ulps(4096), values: uniform(0.9, 1.1) }),
  ...['ReduceMax', 'ReduceMin'].map((op) => reduction(op, { tolerance: ulps(0), values: tied })),
  floatsOnly(reduction('ReduceL2', { tolerance: perResult, values: moderate })),
  floatsOnly(reduction('ReduceLogSum', { tolerance: ulps(256, 1), values: positive })),
  floatsOnly(reduction('ReduceLogSumExp', { tolerance: ulps(256, 8), values: moderate })),
  ...family(['ArgMax', 'ArgMin'], {
    tolerance: exact,
    cases: ({ schema }) =>
      fc
        .record({ x: alongAxis(1), attrs: attributes({ keepdims: [0, 1], select_last_index: [0, 1] }, schema) })
        .map(({ x: { shape, sizes, axis }, attrs }) => ({
          inputs: [{ shape, values: tied }],
          attrs: { ...attrs, axis },
          sizes,
        })),
    bench: () => ({ inputs: [{ shape: ['rows', 'columns'], values: tied }], attrs: { axis: -1 }, sizes: sortedOnce }),
  }),
  cumulative,
  topK,
];
