/** Half floats (IEEE 754 binary16) in the low halves of lanes of 32 bits, from float32 and back. */

import type { Expr, V128, Vectors } from '../../vectors.ts';

const SIGN = 0x8000;
/** Bits of infinity, and of a NaN. */
const [INFINITE, NOT_A_NUMBER] = [0x7c00, 0x7e00];
const INFINITE_32 = 0x7f800000;
/** Bits of the fraction that float32 has beyond; by how much its exponents are larger. */
const [MORE, BIAS] = [13, 112];

const shifted = (v: Vectors, x: Expr, by: number): Expr =>
  by < 0 ? () => v.f.i32x4_shr_u(v.push(x), v.f.i32_const(-by)) : v.shiftLeft(x, by);

export function fromHalf(v: Vectors, x: V128): Expr {
  const size = v.keep(v.bin('v128_and', x, v.bits(SIGN - 1)));
  const wide = v.keep(shifted(v, size, MORE));
  // Exact, for what is below the normal range too.
  const scaled = v.mul(wide, 2 ** BIAS);
  const isLarge = v.bin('i32x4_ge_s', size, v.bits(INFINITE));
  const finite = v.keep(v.select(isLarge, v.bin('v128_or', wide, v.bits(INFINITE_32)), scaled));
  return v.bin('v128_or', finite, shifted(v, v.bin('v128_and', x, v.bits(SIGN)), 16));
}

/** To nearest, halves to even. */
export function toHalf(v: Vectors, x: V128): Expr {
  const size = v.keep(v.bin('v128_and', x, v.bits(0x7fffffff)));
  const isOdd = v.bin('v128_and', shifted(v, size, -MORE), v.bits(1));
  const rounded = v.bin('i32x4_add', v.bin('i32x4_add', size, v.bits(2 ** (MORE - 1) - 1)), isOdd);
  const normal = v.bin('i32x4_sub', shifted(v, rounded, -MORE), v.bits(BIAS << 10));
  // Of a half the last bit is worth as much as the smallest half float: adding rounds to it.
  const small = v.bin('i32x4_sub', v.add(size, 0.5), v.splat(0.5));
  const either = v.keep(v.select(v.bin('f32x4_lt', size, 2 ** -14), small, normal));
  const finite = v.keep(v.bin('i32x4_min_s', either, v.bits(INFINITE)));
  const number = v.keep(v.select(v.bin('f32x4_ne', x, x), v.bits(NOT_A_NUMBER), finite));
  return v.bin('v128_or', number, shifted(v, v.bin('v128_and', x, v.bits(-(2 ** 31))), -16));
}
