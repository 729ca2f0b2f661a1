/** Functions of two or more elements: arithmetic, comparison, logic, bits, choice. */

import { dtypes, type HostKernel } from '@espalier/core';
import { broadcast } from '../broadcast.ts';
import { define, each } from '../define.ts';
import { binary, isBig, variadic } from '../elementwise.ts';
import { bigFloorMod, bigPower, converter, floorMod, nonzero, power } from '../numeric.ts';
import { stringOp } from '../strings.ts';

export const binaryOps: readonly HostKernel[] = [
  binary('Add', { number: (a, b) => a + b, bigint: (a, b) => a + b }),
  binary('Sub', { number: (a, b) => a - b, bigint: (a, b) => a - b }),
  binary('Mul', { number: (a, b) => a * b, integer: Math.imul, bigint: (a, b) => a * b }),
  binary('Div', {
    number: (a, b) => a / b,
    integer: (a, b) => Math.trunc(a / nonzero(b)),
    bigint: (a, b) => a / nonzero(b),
  }),
  binary('Mod', ({ fmod }) =>
    fmod === 0
      ? {
          number: floorMod,
          integer: (a, b) => floorMod(a, nonzero(b)),
          bigint: (a, b) => bigFloorMod(a, nonzero(b)),
        }
      : { number: (a, b) => a % b, integer: (a, b) => a % nonzero(b), bigint: (a, b) => a % nonzero(b) },
  ),
  binary('Pow', (_, [base, exponent]) => {
    if (dtypes[exponent!].kind === 'float') {
      const convert = converter('float64', base!);
      return {
        number: power,
        integer: (a, b) => convert(power(a, b)),
        bigint: (a, b) => convert(power(Number(a), b)),
      };
    }
    return {
      number: isBig(exponent!) ? (a, b) => power(a, Number(b)) : power,
      integer: (a, b) => Number(BigInt.asIntN(32, bigPower(BigInt(a), BigInt(b)))),
      bigint: (a, b) => bigPower(a, BigInt(b)),
    };
  }),
  binary('And', { number: (a, b) => a !== 0 && b !== 0 }),
  binary('Or', { number: (a, b) => a !== 0 || b !== 0 }),
  binary('Xor', { number: (a, b) => (a !== 0) !== (b !== 0) }),
  binary('BitwiseAnd', { number: (a, b) => a & b, bigint: (a, b) => a & b }),
  binary('BitwiseOr', { number: (a, b) => a | b, bigint: (a, b) => a | b }),
  binary('BitwiseXor', { number: (a, b) => a ^ b, bigint: (a, b) => a ^ b }),
  binary('BitShift', ({ direction }, [dtype]) => {
    const { bits, kind } = dtypes[dtype!];
    const inRange = (b: number | bigint): boolean => b >= 0 && b < bits;
    if (direction === 'LEFT')
      return { number: (a, b) => (inRange(b) ? a << b : 0), bigint: (a, b) => (inRange(b) ? a << b : 0n) };
    const right = kind === 'int' ? (a: number, b: number) => a >> b : (a: number, b: number) => a >>> b;
    return {
      number: (a, b) => (inRange(b) ? right(a, b) : a < 0 ? -1 : 0),
      bigint: (a, b) => (inRange(b) ? a >> b : a < 0n ? -1n : 0n),
    };
  }),
  binary('Equal', { number: (a, b) => a === b }),
  binary('Less', { number: (a, b) => a < b }),
  binary('LessOrEqual', { number: (a, b) => a <= b }),
  binary('Greater', { number: (a, b) => a > b }),
  binary('GreaterOrEqual', { number: (a, b) => a >= b }),
  variadic('Max', { number: Math.max, bigint: (a, b) => (a - b < 0n ? b : a) }),
  variadic('Min', { number: Math.min, bigint: (a, b) => (a - b > 0n ? b : a) }),
  variadic('Sum', { number: (a, b) => a + b }),
  variadic('Mean', { number: (a, b) => a + b }, (sum, count) => sum / count),
  define({
    op: 'Where',
    raw: true,
    compute: ({ inputs: [condition, x, y], outputs: [z] }) => {
      const [choice, left, right, to] = [condition!.data, x!.data, y!.data, z!.data];
      const { steps, rows } = broadcast(z!.dims, condition!.dims, x!.dims, y!.dims);
      const [stepC, stepX, stepY] = steps as [number, number, number];
      return each(z!.size, (from, end) => {
        rows(from, end, (at, count, [c, i, j]) => {
          for (let k = 0; k < count; k++)
            to[at + k] = choice[c! + k * stepC] !== 0 ? left[i! + k * stepX] : right[j! + k * stepY];
        });
      });
    },
  }),
  stringOp({ op: 'Equal', types: { T: ['string'] }, element: () => (a, b) => a === b }),
  stringOp({ op: 'Where', types: { T: ['string'] }, element: () => (condition, x, y) => (condition ? x : y) }),
];
