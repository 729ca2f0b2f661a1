/** Functions of one and of two elements, as code that changes a register in place. */

import type { Attributes } from '@espalier/core';
import { k7, type Vector } from '@espalier/x64';
import { emitExp, emitSigmoid, type Vectors } from '../../math/index.ts';
import { activations } from '../activations.ts';
import type { Cost } from '../elements.ts';

/** `x` becomes the result; may clobber the temporaries `t`, and k7. `rest` holds what follows the first input: a vector or a scalar in every lane. */
export type Emit = (
  v: Vectors,
  x: Vector,
  t: readonly Vector[],
  attrs: Attributes,
  rest: readonly (Vector | undefined)[],
) => void;

/** An op and its time for an element, in multiply-adds of the same width. */
export interface Pointwise {
  readonly op: string;
  readonly cost: Cost;
  readonly emit: Emit;
}

const unary = (op: string, cost: Cost, emit: Emit): Pointwise => ({ op, cost, emit });
const activation = (op: keyof typeof activations, cost: Cost): Pointwise => unary(op, cost, activations[op]!);

export const unaryOps: readonly Pointwise[] = [
  activation('Relu', [2, 2]),
  activation('LeakyRelu', [3, 3]),
  activation('HardSigmoid', [4, 5]),
  activation('HardSwish', [5, 6]),
  activation('Sigmoid', [12, 23]),
  activation('Tanh', [13, 16]),
  activation('Erf', [18, 25]),
  activation('Gelu', [20, 30]),
  unary('Swish', [15, 26], (v, x, [y, gate, ...t], attrs) => {
    v.a.vmovaps(y!, x);
    v.fill(gate!, attrs['alpha'] as number);
    v.a.vmulps(x, x, gate!);
    emitSigmoid(v, x, t);
    v.a.vmulps(x, x, y!);
  }),
  unary('Exp', [10, 17], emitExp),
  unary('Neg', [2, 2], (v, x) => v.a.vxorps(x, x, ...v.bits(0x80000000))),
  unary('Abs', [2, 2], (v, x) => v.a.vandps(x, x, ...v.bits(0x7fffffff))),
  unary('Sqrt', [8, 8], (v, x) => v.a.vsqrtps(x, x)),
  unary('Reciprocal', [5, 5], (v, x, [one]) => {
    v.fill(one!, 1);
    v.a.vdivps(x, one!, x);
  }),
];

/** The greater or the lesser, or NaN where either is. */
const extremum =
  (op: 'vmaxps' | 'vminps'): Emit =>
  ({ a, isWide }, x, [most, unordered], _, [y]) => {
    // The instruction gives its second operand where either is NaN.
    a[op](most!, x, y!);
    if (isWide) {
      a.vcmpps(k7, x, x, UNORDERED);
      a.vblendmps(x, most!, x, k7);
    } else {
      a.vcmpps(unordered!, x, x, UNORDERED);
      a.vblendvps(x, most!, x, unordered!);
    }
  };
const UNORDERED = 3;

export const binaryOps: readonly Pointwise[] = [
  { op: 'Add', cost: [2, 2], emit: ({ a }, x, _t, _attrs, [y]) => a.vaddps(x, x, y!) },
  { op: 'Sub', cost: [2, 2], emit: ({ a }, x, _t, _attrs, [y]) => a.vsubps(x, x, y!) },
  { op: 'Mul', cost: [2, 2], emit: ({ a }, x, _t, _attrs, [y]) => a.vmulps(x, x, y!) },
  { op: 'Div', cost: [5, 5], emit: ({ a }, x, _t, _attrs, [y]) => a.vdivps(x, x, y!) },
  { op: 'Max', cost: [3, 3], emit: extremum('vmaxps') },
  { op: 'Min', cost: [3, 3], emit: extremum('vminps') },
];

/** Bounds that are left out limit nothing. NaN passes, also as a bound. */
export const clip: Pointwise = {
  op: 'Clip',
  cost: [2, 2],
  emit: ({ a }, x, _t, _attrs, [min, max]) => {
    if (min !== undefined) a.vmaxps(x, min, x);
    if (max !== undefined) a.vminps(x, max, x);
  },
};
