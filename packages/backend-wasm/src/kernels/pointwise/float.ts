/** Functions of float32. */

import type { Call, Constants } from '@espalier/core';
import { exp, log, sigmoid } from '../../math/index.ts';
import type { Expr, V128, Vectors } from '../../vectors.ts';
import { activations } from '../activations.ts';
import { type Code, type Pointwise, truth, type Variant } from './op.ts';

const op = (op: string, cost: number, code: Code, more: Partial<Pointwise> = {}): Pointwise => ({
  op,
  of: 'f32',
  types: { T: ['float32'] },
  lane: 4,
  cost,
  code: () => ({ label: '', code }),
  ...more,
});
const activation = (name: keyof typeof activations, cost: number): Pointwise =>
  op(name, cost, (v, x, _, attrs) => activations[name]!(v, x, attrs));

const rounding = { Round: 'f32x4_nearest', Floor: 'f32x4_floor', Ceil: 'f32x4_ceil' } as const;
const comparisons = {
  Equal: 'f32x4_eq',
  Less: 'f32x4_lt',
  LessOrEqual: 'f32x4_le',
  Greater: 'f32x4_gt',
  GreaterOrEqual: 'f32x4_ge',
} as const;

/** Powers with an exponent that is known and small. */
const powers: Readonly<Record<number, (v: Vectors, x: V128) => Expr>> = {
  [-2]: (v, x) => v.div(1, v.mul(x, x)),
  [-1]: (v, x) => v.div(1, x),
  [-0.5]: (v, x) => v.div(1, root(v, x)),
  0.5: (v, x) => root(v, x),
  1: (_, x) => x,
  2: (v, x) => v.mul(x, x),
  3: (v, x) => v.mul(x, v.mul(x, x)),
  4(v, x) {
    const square = v.keep(v.mul(x, x));
    return v.mul(square, square);
  },
};

/** Unlike the root, a power of half is no number below zero at all: -0 gives 0, and -inf gives inf. */
function root(v: Vectors, x: V128): Expr {
  const isInfinite = v.bin('f32x4_lt', x, -3.4028234663852886e38);
  return v.un('f32x4_sqrt', v.select(isInfinite, v.un('f32x4_abs', x), v.add(x, 0)));
}

function power({ inputs }: Call, constants: Constants): Variant | string {
  const tensor = constants[1]?.tensor;
  const exponent = tensor?.size === 1 ? Number(tensor.data[0]) : undefined;
  const code = exponent === undefined ? undefined : powers[exponent];
  if (!code || inputs[1]!.dtype === 'float16' || inputs[1]!.dtype === 'bfloat16')
    return `its exponent is not one of ${Object.keys(powers).join(', ')}`;
  return { label: `${exponent}`, code };
}

export const floatOps = (): readonly Pointwise[] => [
  activation('Relu', 2),
  activation('LeakyRelu', 4),
  activation('HardSigmoid', 4),
  activation('HardSwish', 6),
  activation('Sigmoid', 20),
  activation('Tanh', 18),
  activation('Erf', 42),
  activation('Gelu', 48),
  activation('Elu', 22),
  activation('Softplus', 40),
  activation('Mish', 24),
  op('Swish', 22, (v, x, _, attrs) => v.mul(x, sigmoid(v, v.mul(x, attrs['alpha'] as number)))),
  op('Exp', 19, exp),
  op('Log', 22, log),
  op('Neg', 2, (v, x) => v.un('f32x4_neg', x)),
  op('Abs', 2, (v, x) => v.un('f32x4_abs', x)),
  op('Sqrt', 6, (v, x) => v.un('f32x4_sqrt', x)),
  op('Reciprocal', 5, (v, x) => v.div(1, x)),
  ...(Object.keys(rounding) as (keyof typeof rounding)[]).map((name) => op(name, 2, (v, x) => v.un(rounding[name], x))),
  op('Add', 2, (v, x, [y]) => v.add(x, y!)),
  op('Sub', 2, (v, x, [y]) => v.sub(x, y!)),
  op('Mul', 2, (v, x, [y]) => v.mul(x, y!)),
  op('Div', 5, (v, x, [y]) => v.div(x, y!)),
  op('PRelu', 3, (v, x, [slope]) => v.select(v.bin('f32x4_lt', x, 0), v.mul(x, slope!), x)),
  // WebAssembly's own minimum and maximum give NaN where either operand is.
  op('Max', 5, (v, x, [y]) => v.bin('f32x4_max', x, y!), { folds: true }),
  op('Min', 5, (v, x, [y]) => v.bin('f32x4_min', x, y!), { folds: true }),
  op('Sum', 2, (v, x, [y]) => v.add(x, y!), { folds: true }),
  // Bounds that are left out limit nothing. NaN passes, also as a bound.
  op('Clip', 2, (v, x, [min, max]) => {
    const low = min ? v.atLeast(x, min) : x;
    return max ? v.atMost(low, max) : low;
  }),
  op('Pow', 4, (_, x) => x, { types: { T: ['float32'], T1: ['float32', 'int32', 'int64'] }, reads: 1, code: power }),
  op('IsNaN', 2, (v, x) => truth(v, v.bin('f32x4_ne', x, x), 4), { types: { T1: ['float32'] }, isTest: true }),
  ...(Object.keys(comparisons) as (keyof typeof comparisons)[]).map((name) =>
    op(name, 2, (v, x, [y]) => truth(v, v.bin(comparisons[name], x, y!), 4), { isTest: true }),
  ),
];
