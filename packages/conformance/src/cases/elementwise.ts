/** Ops that work element by element; those of several operands broadcast. */

import { dtypes } from '@espalier/core';
import fc from 'fast-check';
import { exact, type Tolerance, ulps } from '../tolerance.ts';
import { anything, awayFromZero, special, uniform, type Values } from '../values.ts';
import {
  attributes,
  broadcast,
  type Case,
  type CaseContext,
  edge,
  extents,
  family,
  fixed,
  type OpCases,
  trim,
} from './define.ts';

interface Elementwise {
  readonly tolerance: Tolerance;
  /** Of every operand, or of each. */
  readonly values: Values | readonly Values[];
  readonly attrs?: Parameters<typeof attributes>[0];
  /** False for combinations of dtypes that the op does not have. */
  takes?(types: CaseContext['types']): boolean;
}

/** Rows for ops whose operands are all that their schemas list, and broadcast together. */
function elementwise(ops: readonly string[], { tolerance, values, attrs = {}, takes }: Elementwise): OpCases[] {
  const valuesOf = (i: number): Values => (typeof values === 'function' ? values : values[i]!);
  return family(ops, {
    tolerance,
    cases: ({ schema, types }) => {
      if (takes && !takes(types)) return undefined;
      const isVariadic = schema.inputs.at(-1)!.variadic !== undefined;
      const counts = isVariadic ? [2, 1, 3, 4] : [schema.inputs.length];
      const operands = counts.map((count) => (count === 1 ? alone : broadcast(count)));
      return fc.record({ shapes: fc.oneof(...operands), attrs: attributes(attrs, schema) }).map(
        ({ shapes: { shapes, sizes, linked }, attrs }): Case => ({
          inputs: shapes.map((shape, i) => ({ shape, values: valuesOf(i) })),
          attrs,
          sizes,
          linked,
        }),
      );
    },
    bench: ({ schema }) => ({
      inputs: schema.inputs.map((_, i) => ({ shape: ['rows', 'columns'], values: valuesOf(i) })),
      attrs: Object.fromEntries(Object.entries(attrs).map(([name, [first]]) => [name, first!])),
      sizes: { rows: fixed(1024), columns: fixed(1024) },
    }),
  });
}

const alone = extents().map(({ shape, sizes }) => ({ shapes: [shape], shape, sizes, linked: [] }));
const isFloat = (dtype: string | undefined): boolean => dtype?.includes('float') === true;

/** Wraps around for integers, whatever they are. */
const arithmetic = special(anything);
const real = special(uniform(-20, 20), 'finite');
const whole: Values = (context) => Array.from(uniform(0, 4)(context) as ArrayLike<number>, Math.floor);

const plain: readonly OpCases[] = [
  ...elementwise(['Abs', 'Neg'], { tolerance: ulps(0), values: special(uniform(-100, 100)) }),
  ...elementwise(['Sign'], { tolerance: ulps(0), values: special(uniform(-100, 100), 'infinite') }),
  ...elementwise(['Ceil', 'Floor', 'Round'], { tolerance: ulps(0), values: special(uniform(-9, 9)) }),
  ...elementwise(['Not', 'BitwiseNot', 'And', 'Or', 'Xor', 'BitwiseAnd', 'BitwiseOr', 'BitwiseXor'], {
    tolerance: exact,
    values: anything,
  }),
  ...elementwise(['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual', 'IsNaN', 'Where', 'StringConcat'], {
    tolerance: exact,
    values: anything,
  }),
  ...elementwise(['IsInf'], {
    tolerance: exact,
    values: anything,
    attrs: { detect_negative: [0, 1], detect_positive: [0, 1] },
  }),
  ...elementwise(['BitShift'], {
    tolerance: exact,
    values: [uniform(0, 127), uniform(0, 7)],
    attrs: { direction: ['LEFT', 'RIGHT'] },
  }),
  ...elementwise(['Add', 'Sub', 'Mul'], { tolerance: ulps(1), values: arithmetic }),
  ...elementwise(['Sum', 'Mean'], { tolerance: ulps(8, 16), values: uniform(-4, 4) }),
  ...elementwise(['Max', 'Min'], { tolerance: ulps(0), values: special(anyInteger(), 'infinite') }),
  ...elementwise(['Div'], {
    tolerance: ulps(1),
    values: [special(uniform(-100, 100)), special(awayFromZero(1, 100))],
  }),
  ...elementwise(['Mod'], {
    tolerance: ulps(1),
    values: [uniform(-100, 100), awayFromZero(1, 100)],
    attrs: { fmod: [0, 1] },
    takes: ({ T }) => !isFloat(T),
  }).map((row): OpCases => ({ ...row, cases: modCases(row) })),
];

/** Without NaN: integers of the whole range, and moderate floats. */
function anyInteger(): Values {
  return (context) => (isFloat(context.dtype) ? uniform(-100, 100)(context) : anything(context));
}

/** Floats have only the C function. */
function modCases(row: OpCases): OpCases['cases'] {
  return (context) => {
    if (!isFloat(context.types['T'])) return row.cases(context);
    return broadcast(2).map(({ shapes, sizes, linked }) => ({
      inputs: [
        { shape: shapes[0]!, values: uniform(-100, 100) },
        { shape: shapes[1]!, values: awayFromZero(1, 100) },
      ],
      attrs: { fmod: 1 },
      sizes,
      linked,
    }));
  };
}

const functions: readonly OpCases[] = [
  ...elementwise(['Sqrt'], { tolerance: ulps(1), values: special(uniform(0, 100)) }),
  ...elementwise(['Reciprocal'], { tolerance: ulps(1), values: special(awayFromZero(0.01, 100)) }),
  ...elementwise(['Exp'], { tolerance: ulps(16), values: special(uniform(-20, 20)) }),
  ...elementwise(['Log'], { tolerance: ulps(16, 1 / 4), values: special(uniform(0.001, 100)) }),
  ...elementwise(['Sin', 'Cos'], { tolerance: ulps(16, 1), values: uniform(-20, 20) }),
  ...elementwise(['Tan'], { tolerance: ulps(64, 1 / 4), values: uniform(-1.5, 1.5) }),
  ...elementwise(['Asin', 'Acos', 'Atanh'], { tolerance: ulps(32, 1 / 4), values: uniform(-0.95, 0.95) }),
  ...elementwise(['Atan', 'Asinh'], { tolerance: ulps(32, 1 / 4), values: uniform(-20, 20) }),
  ...elementwise(['Acosh'], { tolerance: ulps(32, 1), values: uniform(1.1, 20) }),
  ...elementwise(['Sinh', 'Cosh'], { tolerance: ulps(32, 1 / 4), values: uniform(-5, 5) }),
  ...elementwise(['Tanh', 'Erf', 'Sigmoid'], { tolerance: ulps(16, 1 / 4), values: special(real, 'infinite') }),
  ...elementwise(['Pow'], {
    tolerance: ulps(64),
    values: [uniform(0.25, 4), uniform(-3, 3)],
    takes: ({ T, T1 }) => isFloat(T) && isFloat(T1),
  }).map((row): OpCases => ({ ...row, cases: powCases(row) })),
];

/** Powers with an integer on either side are of whole numbers, not negative. */
function powCases(row: OpCases): OpCases['cases'] {
  return (context) =>
    row.cases(context) ??
    broadcast(2).map(({ shapes, sizes, linked }) => ({
      inputs: shapes.map((shape) => ({ shape, values: whole })),
      sizes,
      linked,
    }));
}

const activations: readonly OpCases[] = [
  ...elementwise(['Relu'], { tolerance: ulps(0), values: special(anyInteger(), 'infinite') }),
  ...elementwise(['ThresholdedRelu'], { tolerance: ulps(0), values: real, attrs: { alpha: [0.5, 2, -1] } }),
  ...elementwise(['LeakyRelu'], {
    tolerance: ulps(2),
    values: special(real, 'infinite'),
    attrs: { alpha: [0.125, -0.5, 2] },
  }),
  ...elementwise(['HardSigmoid'], {
    tolerance: ulps(4, 1 / 4),
    values: special(real, 'infinite'),
    attrs: { alpha: [0.5, 0.125], beta: [0.25, 0] },
  }),
  ...elementwise(['HardSwish'], { tolerance: ulps(4, 1 / 4), values: uniform(-20, 20) }),
  ...elementwise(['Elu', 'Celu'], { tolerance: ulps(32, 1 / 4), values: real, attrs: { alpha: [0.5, 2] } }),
  ...elementwise(['Selu'], {
    tolerance: ulps(32, 1 / 4),
    values: uniform(-20, 20),
    attrs: { alpha: [2], gamma: [0.5] },
  }),
  ...elementwise(['Softplus', 'Softsign', 'Mish'], { tolerance: ulps(32, 1 / 4), values: uniform(-20, 20) }),
  ...elementwise(['Gelu'], {
    tolerance: ulps(32, 1 / 4),
    values: uniform(-20, 20),
    attrs: { approximate: ['none', 'tanh'] },
  }),
  ...elementwise(['Swish'], { tolerance: ulps(32, 1 / 4), values: uniform(-20, 20), attrs: { alpha: [0.5, 1.5] } }),
  ...elementwise(['Shrink'], { tolerance: ulps(1), values: uniform(-9, 9), attrs: { bias: [1, 2], lambd: [1, 3] } }),
  {
    op: 'PRelu',
    tolerance: ulps(2),
    // The slope broadcasts to the first operand, never the other way.
    cases: () =>
      fc
        .record({ x: extents(), missing: fc.nat(5), ones: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }) })
        .map(({ x: { shape, sizes }, missing, ones }) => ({
          inputs: [
            { shape, values: uniform(-9, 9) },
            { shape: shape.map((d, i) => (ones[i] ? 1 : d)).slice(missing), values: uniform(-4, 4), weight: true },
          ],
          sizes,
        })),
  },
  {
    op: 'Clip',
    tolerance: ulps(0),
    cases: () =>
      fc.record({ x: extents(), low: fc.boolean(), high: fc.boolean() }).map(({ x: { shape, sizes }, low, high }) => ({
        inputs: trim([
          { shape, values: special(uniform(-9, 9), 'infinite') },
          low ? { shape: [], values: uniform(-6, 2) } : undefined,
          high ? { shape: [], values: uniform(2, 6) } : undefined,
        ]),
        sizes,
      })),
  },
];

const strings: readonly OpCases[] = [
  ...elementwise(['RegexFullMatch'], {
    tolerance: exact,
    values: anything,
    attrs: { pattern: ['a', '[a-z ]*', 'A.b'] },
  }),
  {
    op: 'StringSplit',
    tolerance: exact,
    cases: ({ schema }) =>
      fc
        .record({ x: extents(), attrs: attributes({ delimiter: ['', 'a', ' '], maxsplit: [1, 2] }, schema) })
        .map(({ x: { shape, sizes }, attrs }) => ({ inputs: [{ shape, values: anything }], attrs, sizes })),
  },
  {
    op: 'StringNormalizer',
    tolerance: exact,
    cases: ({ schema }) =>
      fc
        .record({
          size: edge(1),
          isRow: fc.boolean(),
          attrs: attributes(
            {
              case_change_action: ['LOWER', 'UPPER', 'NONE'],
              is_case_sensitive: [0, 1],
              stopwords: [['a'], ['A B', 'espalier']],
            },
            schema,
          ),
        })
        .map(({ size, isRow, attrs }) => ({
          inputs: [{ shape: isRow ? [1, 'words'] : ['words'], values: anything }],
          attrs,
          sizes: { words: size },
        })),
  },
];

const casts: readonly OpCases[] = ['Cast', 'CastLike'].map((op) => ({
  op,
  tolerance: ulps(1),
  cases: ({ types: { T1, T2 } }) => {
    const values = castValues(T1!, T2!);
    if (!values) return undefined;
    return extents().map(({ shape, sizes }) => ({
      inputs: [{ shape, values }, ...(op === 'CastLike' ? [{ shape: [1], values: uniform(0, 1) }] : [])],
      attrs: op === 'Cast' ? { to: dtypes[T2!].onnx } : {},
      sizes,
    }));
  },
}));

/** Values that both dtypes have: what lies beyond is left open by the op, and so is how floats are written. */
function castValues(from: string, to: string): Values | undefined {
  const numerals: Values = (context) => {
    const some = Array.from(uniform(0, 7)({ ...context, dtype: 'int32' }), String);
    return isFloat(to) ? some.map((text) => (text === '7' ? 'NaN' : text === '6' ? '-INF' : text)) : some;
  };
  if (from === 'string') return to === 'string' ? anything : to === 'bool' ? undefined : numerals;
  if (to === 'string') return isFloat(from) ? undefined : anything;
  if (!isFloat(from) || isFloat(to)) return anything;
  if (to === 'bool') return special(uniform(-2, 2), 'infinite');
  const bits = dtypes[to as 'int8'].bits;
  const most = bits === 4 ? 7 : 100;
  return to.startsWith('u') ? uniform(0, most) : uniform(-most, most);
}

export const elementwiseCases: readonly OpCases[] = [...plain, ...functions, ...activations, ...strings, ...casts];
