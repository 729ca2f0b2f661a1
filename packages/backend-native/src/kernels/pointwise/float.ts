/** Functions of float32. */

import type { Call, Constants } from '@espalier/core';
import { k7, type Vector, ZERO } from '@espalier/x64';
import { emitCosine, emitExp, emitLog, emitSigmoid, emitSine, type Vectors } from '../../math/index.ts';
import { activations } from '../activations.ts';
import type { Cost } from '../elements.ts';
import { type Emit, emitBool, emitCompare, type Pointwise, predicates } from './op.ts';

const op = (op: string, cost: Cost, emit: Emit, more: Partial<Pointwise> = {}): Pointwise => ({
  op,
  of: 'f32',
  types: { T: ['float32'] },
  lane: 4,
  cost,
  code: () => emit,
  ...more,
});
const activation = (name: keyof typeof activations, cost: Cost): Pointwise => op(name, cost, activations[name]!);

/** How vroundps rounds, without the inexact exception. */
const rounding = { Round: 8, Floor: 9, Ceil: 10 } as const;

/** The greater or the lesser, or NaN where either is. */
const extremum =
  (name: 'vmaxps' | 'vminps'): Emit =>
  ({ a, isWide }, x, [most, unordered], _, [y]) => {
    // The instruction gives its second operand where either is NaN.
    a[name](most!, x, y!);
    if (isWide) {
      a.vcmpps(k7, x, x, predicates.unordered);
      a.vblendmps(x, most!, x, k7);
    } else {
      a.vcmpps(unordered!, x, x, predicates.unordered);
      a.vblendvps(x, most!, x, unordered!);
    }
  };

const comparison =
  (name: keyof typeof predicates): Emit =>
  (v, x, _t, _attrs, [y]) => {
    emitCompare(v, x, y!, name);
    emitBool(v, x, 4);
  };

/** Bounds that are left out limit nothing. NaN passes, also as a bound. */
const clip: Emit = ({ a }, x, _t, _attrs, [min, max]) => {
  if (min !== undefined) a.vmaxps(x, min, x);
  if (max !== undefined) a.vminps(x, max, x);
};

const reciprocal = (v: Vectors, x: Vector, one: Vector): void => {
  v.fill(one, 1);
  v.a.vdivps(x, one, x);
};

/** Powers with an exponent that is known and small. */
const powers: Readonly<Record<number, Emit>> = {
  [-2]: (v, x, [one]) => {
    v.a.vmulps(x, x, x);
    reciprocal(v, x, one!);
  },
  [-1]: (v, x, [one]) => reciprocal(v, x, one!),
  [-0.5]: (v, x, [one]) => {
    v.a.vsqrtps(x, x);
    reciprocal(v, x, one!);
  },
  0.5: ({ a }, x) => a.vsqrtps(x, x),
  1: () => {},
  2: ({ a }, x) => a.vmulps(x, x, x),
  3: ({ a }, x, [square]) => {
    a.vmulps(square!, x, x);
    a.vmulps(x, x, square!);
  },
  4: ({ a }, x) => {
    a.vmulps(x, x, x);
    a.vmulps(x, x, x);
  },
};

/** Unlike the root, a power of half is no number below zero at all: -0 gives 0, and -inf gives inf. */
function power({ inputs }: Call, constants: Constants): Emit | string {
  const tensor = constants[1]?.tensor;
  const exponent = tensor?.size === 1 ? Number(tensor.data[0]) : undefined;
  const emit = exponent === undefined ? undefined : powers[exponent];
  if (!emit || inputs[1]!.dtype === 'float16' || inputs[1]!.dtype === 'bfloat16')
    return `its exponent is not one of ${Object.keys(powers).join(', ')}`;
  if (!Number.isInteger(exponent))
    return (v, x, t, attrs, rest) => {
      const { a } = v;
      a.vaddps(x, x, ...v.splat(0));
      const [least, size] = t.slice(-2) as [Vector, Vector];
      v.fill(least, -3.4028234663852886e38);
      a.vandps(size, x, ...v.bits(0x7fffffff));
      if (v.isWide) {
        a.vcmpps(k7, x, least, predicates.Less);
        a.vmovaps(x, size, k7);
      } else {
        a.vcmpps(least, x, least, predicates.Less);
        a.vblendvps(x, x, size, least);
      }
      emit(v, x, t, attrs, rest);
    };
  return emit;
}

export const floatOps: readonly Pointwise[] = [
  activation('Relu', [2, 2]),
  activation('LeakyRelu', [3, 3]),
  activation('HardSigmoid', [4, 5]),
  activation('HardSwish', [5, 6]),
  activation('Sigmoid', [12, 23]),
  activation('Tanh', [13, 16]),
  activation('Erf', [9.6, 15]),
  activation('Gelu', [11, 18]),
  activation('Elu', [18, 33]),
  activation('Softplus', [50, 74]),
  activation('Mish', [22, 45]),
  op('Swish', [15, 26], (v, x, [y, gate, ...t], attrs) => {
    v.a.vmovaps(y!, x);
    v.fill(gate!, attrs['alpha'] as number);
    v.a.vmulps(x, x, gate!);
    emitSigmoid(v, x, t);
    v.a.vmulps(x, x, y!);
  }),
  op('Exp', [10, 17], emitExp),
  op('Log', [19, 23], emitLog),
  op('Sin', [34, 80], emitSine),
  op('Cos', [34, 80], emitCosine),
  op('Neg', [2, 2], (v, x) => v.a.vxorps(x, x, ...v.bits(0x80000000))),
  op('Abs', [2, 2], (v, x) => v.a.vandps(x, x, ...v.bits(0x7fffffff))),
  op('Sqrt', [8, 8], ({ a }, x) => a.vsqrtps(x, x)),
  op('Reciprocal', [5, 5], (v, x, [one]) => reciprocal(v, x, one!)),
  ...(Object.keys(rounding) as (keyof typeof rounding)[]).map((name) =>
    op(name, [2, 2], ({ a, isWide }, x) => {
      if (isWide) a.vrndscaleps(x, x, rounding[name]);
      else a.vroundps(x, x, rounding[name]);
    }),
  ),
  op('Add', [2, 2], ({ a }, x, _t, _attrs, [y]) => a.vaddps(x, x, y!)),
  op('Sub', [2, 2], ({ a }, x, _t, _attrs, [y]) => a.vsubps(x, x, y!)),
  op('Mul', [2, 2], ({ a }, x, _t, _attrs, [y]) => a.vmulps(x, x, y!)),
  op('Div', [5, 5], ({ a }, x, _t, _attrs, [y]) => a.vdivps(x, x, y!)),
  op('PRelu', [3, 3], (v, x, [scaled, t], _, [slope]) => {
    v.a.vmulps(scaled!, x, slope!);
    v.select(x, x, v.splat(0), scaled!, x, t!);
  }),
  op('ThresholdedRelu', [3, 3], (v, x, [limit], attrs) => {
    v.fill(limit!, attrs['alpha'] as number);
    if (v.isWide) {
      v.a.vcmpps(k7, limit!, x, predicates.Less);
      v.a.vmovaps(x, x, k7 | ZERO);
    } else {
      v.a.vcmpps(limit!, limit!, x, predicates.Less);
      v.a.vandps(x, x, limit!);
    }
  }),
  op('Max', [3, 3], extremum('vmaxps'), { folds: true }),
  op('Min', [3, 3], extremum('vminps'), { folds: true }),
  op('Sum', [2, 2], ({ a }, x, _t, _attrs, [y]) => a.vaddps(x, x, y!), { folds: true }),
  op('Clip', [2, 2], clip),
  op('Pow', [4, 4], () => {}, { types: { T: ['float32'], T1: ['float32', 'int32', 'int64'] }, reads: 1, code: power }),
  op(
    'IsNaN',
    [2, 2],
    (v, x) => {
      emitCompare(v, x, x, 'unordered');
      emitBool(v, x, 4);
    },
    { types: { T1: ['float32'] } },
  ),
  ...(['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual'] as const).map((name) =>
    op(name, [2, 2], comparison(name)),
  ),
];
