/** Mathematical functions of one element. */

import type { HostKernel } from '@espalier/core';
import { unary } from '../elementwise.ts';
import { erf } from '../erf.ts';
import { roundHalfEven } from '../numeric.ts';

export const math: readonly HostKernel[] = [
  unary('Abs', { number: Math.abs, bigint: (x) => (x < 0n ? -x : x) }),
  unary('Neg', { number: (x) => -x, bigint: (x) => -x }),
  unary('Sign', { number: Math.sign, bigint: (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n) }),
  unary('Ceil', { number: Math.ceil }),
  unary('Floor', { number: Math.floor }),
  unary('Round', { number: roundHalfEven }),
  unary('Sqrt', { number: Math.sqrt }),
  unary('Reciprocal', { number: (x) => 1 / x }),
  unary('Exp', { number: Math.exp }),
  unary('Log', { number: Math.log }),
  unary('Erf', { number: erf }),
  unary('Sin', { number: Math.sin }),
  unary('Cos', { number: Math.cos }),
  unary('Tan', { number: Math.tan }),
  unary('Asin', { number: Math.asin }),
  unary('Acos', { number: Math.acos }),
  unary('Atan', { number: Math.atan }),
  unary('Sinh', { number: Math.sinh }),
  unary('Cosh', { number: Math.cosh }),
  unary('Tanh', { number: Math.tanh }),
  unary('Asinh', { number: Math.asinh }),
  unary('Acosh', { number: Math.acosh }),
  unary('Atanh', { number: Math.atanh }),
  unary('Not', { number: (x) => x === 0 }),
  unary('BitwiseNot', { number: (x) => ~x, bigint: (x) => ~x }),
  unary('IsNaN', { number: Number.isNaN }),
  unary('IsInf', ({ detect_negative, detect_positive }) => ({
    number: (x) =>
      (x === Number.POSITIVE_INFINITY && detect_positive !== 0) ||
      (x === Number.NEGATIVE_INFINITY && detect_negative !== 0),
  })),
];
