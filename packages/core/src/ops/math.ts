/** Mathematical functions of one element. */

import { floats, ints, numbers, signedInts } from '../dtype.ts';
import type { OpSchema } from '../schema.ts';
import { attr, op, params, sameShape, schemas } from './define.ts';
import { element, elementwise } from './elementwise.ts';

/** A function of floats that has been there since opset 1, and lost a hint to executors in opset 6. */
const oldFunction = (name: string): OpSchema => op(name, [1, 6, 13], { widened: [13], types: { T: floats } });
/** One that came later and has only been given more dtypes in opset `widened`. */
const newFunction = (name: string, since: number, widened: number): OpSchema =>
  op(name, [since, widened], { widened: [widened], types: { T: floats } });

const floatTest = {
  types: { T1: floats, T2: ['bool'] },
  inputs: params('X:T1'),
  outputs: params('Y:T2'),
  infer: (c) => c.output(0, c.shape(0), { dtype: 'bool' }),
} satisfies Partial<OpSchema>;

export const math = schemas(() => [
  op('Abs', [1, 6, 13], { widened: [13], types: { T: numbers }, infer: elementwise(element.abs) }),
  op('Neg', [1, 6, 13], { widened: [13], types: { T: [...floats, ...signedInts] }, infer: elementwise(element.neg) }),
  op('Sign', [9, 13], { widened: [13], types: { T: numbers } }),
  ...['Ceil', 'Floor', 'Sqrt', 'Reciprocal', 'Exp', 'Log', 'Tanh'].map(oldFunction),
  newFunction('Erf', 9, 13),
  newFunction('Round', 11, 22),
  ...['Sin', 'Cos', 'Tan', 'Asin', 'Acos', 'Atan'].map((name) => newFunction(name, 7, 22)),
  ...['Sinh', 'Cosh', 'Asinh', 'Acosh', 'Atanh'].map((name) => newFunction(name, 9, 22)),
  op('Not', [1], { types: { T: ['bool'] }, infer: elementwise(element.not) }),
  op('BitwiseNot', [18], { types: { T: ints }, infer: sameShape }),
  op('IsNaN', [9, 13, 20], { ...floatTest, widened: [13, 20] }),
  op('IsInf', [10, 20], {
    ...floatTest,
    widened: [20],
    attributes: { detect_negative: attr.int(1), detect_positive: attr.int(1) },
  }),
]);
