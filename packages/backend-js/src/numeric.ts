/** Conversions and arithmetic that JavaScript lacks. */

import { type DType, dtypes, EspalierError } from '@espalier/core';
import { isBig } from './elementwise.ts';

/** To the nearest integer, halves to the even one; keeps the sign of zero. */
export function roundHalfEven(x: number): number {
  const size = Math.abs(x);
  // From 2^52 on every double is an integer; below, adding it leaves no bits for a fraction.
  return size < 2 ** 52 ? Math.sign(x) * (size + 2 ** 52 - 2 ** 52) : x;
}

/** `base ** exponent` as C's pow: 1 to whatever power is 1, and so is -1 to an infinite one. */
export function power(base: number, exponent: number): number {
  if (base === 1 || (base === -1 && Math.abs(exponent) === Number.POSITIVE_INFINITY)) return 1;
  return base ** exponent;
}

/** The divisor of an integer division. @throws EspalierError `BAD_INPUT` when it is zero */
export function nonzero<T extends number | bigint>(divisor: T): T {
  if (divisor === 0 || divisor === 0n) throw new EspalierError('BAD_INPUT', 'divides an integer by zero');
  return divisor;
}

/** What is left of `a` when the quotient is rounded down: 0, or of the divisor's sign. */
export function floorMod(a: number, b: number): number {
  const rest = a % b;
  if (rest === 0) return b < 0 ? -0 : 0;
  return rest < 0 === b < 0 ? rest : rest + b;
}

/** The same for 64-bit integers. */
export function bigFloorMod(a: bigint, b: bigint): bigint {
  const rest = a % b;
  return rest === 0n || rest < 0n === b < 0n ? rest : rest + b;
}

/** `base ** exponent` of integers, modulo 2^64; for negative exponents the quotient 1 / base ** -exponent without its fraction. */
export function bigPower(base: bigint, exponent: bigint): bigint {
  if (exponent < 0n) {
    if (base === 1n || base === -1n) return bigPower(base, -exponent);
    return 0n / nonzero(base);
  }
  let result = 1n;
  for (let square = base; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = BigInt.asUintN(64, result * square);
    square = BigInt.asUintN(64, square * square);
  }
  return result;
}

// biome-ignore lint/suspicious/noExplicitAny: numbers or bigints, as the dtypes have it.
type Convert = (x: any) => any;

/**
 * Converts elements from one dtype to another (no strings). A float loses its fraction, NaN becomes 0, and what is beyond 32
 * bits (64 for int64 and uint64) becomes the nearest that is not; then, as between integers, high bits are discarded.
 */
export function converter(from: DType, to: DType): Convert {
  const same: Convert = (x) => x;
  if (from === to) return same;
  const [fromBig, toBig] = [isBig(from), isBig(to)];
  if (to === 'bool') return fromBig ? (x) => x !== 0n : (x) => x !== 0;
  if (dtypes[to].kind === 'float') return fromBig ? Number : same;
  if (dtypes[from].kind === 'float') return toBig ? floatToBig(to) : floatToInt(to);
  if (fromBig) return toBig ? same : (x) => Number(BigInt.asIntN(32, x));
  return toBig ? BigInt : same;
}

function floatToInt(to: DType): Convert {
  const max = dtypes[to].kind === 'int' ? 2 ** 31 - 1 : 2 ** 32 - 1;
  return (x) => Math.min(Math.max(x, -(2 ** 31)), max);
}

function floatToBig(to: DType): Convert {
  const max = to === 'int64' ? 2 ** 63 : 2 ** 64;
  const last = BigInt(max) - 1n;
  return (x) => (x >= max ? last : Number.isNaN(x) ? 0n : BigInt(Math.trunc(Math.max(x, -(2 ** 63)))));
}
