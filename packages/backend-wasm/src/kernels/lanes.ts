/** Vectors of elements of 1, 2, 4 or 8 bytes, loaded from and stored as elements of that size or a smaller one. */

import type { Local, Value } from '@espalier/wasm';
import type { Expr, V128, Vectors } from '../vectors.ts';

/** Bytes of an element. */
export type Size = 1 | 2 | 4 | 8;

/** Which of a vector's elements: all, or the first. */
export type Part = 'all' | 'one';

/** How an operand is stored. */
export interface Stored {
  readonly size: Size;
  readonly isSigned: boolean;
}

export class Lanes {
  readonly v: Vectors;
  readonly size: Size;
  /** Elements of a vector. */
  readonly count: number;

  constructor(v: Vectors, size: Size) {
    this.v = v;
    this.size = size;
    this.count = 16 / size;
  }

  /** Elements made as wide as the lanes with their sign or with zeros. @param offset in bytes from the pointer */
  load({ size, isSigned }: Stored, pointer: Local<'i32'>, offset: number, part: Part): Expr {
    return part === 'one'
      ? this.loadOne(size, isSigned, pointer, offset)
      : this.loadAll(size, isSigned, pointer, offset);
  }

  /** The first element in every place of memory where a vector of elements of `size` would be. */
  spread(to: Local<'i32'>, offset: number, size: Size, from: Local<'i32'>): void {
    const { f } = this.v;
    const splat = {
      1: 'v128_load8_splat',
      2: 'v128_load16_splat',
      4: 'v128_load32_splat',
      8: 'v128_load64_splat',
    } as const;
    f.v128_store(to.get(), f[splat[size]](from.get()), offset);
  }

  store(pointer: Local<'i32'>, offset: number, x: V128, size: Size, part: Part): void {
    const { f } = this.v;
    if (part === 'one') {
      const store = {
        1: 'v128_store8_lane',
        2: 'v128_store16_lane',
        4: 'v128_store32_lane',
        8: 'v128_store64_lane',
      } as const;
      f[store[size]](pointer.get(), x.get(), 0, offset);
      return;
    }
    if (size === this.size) {
      f.v128_store(pointer.get(), x.get(), offset);
      return;
    }
    // The low bytes of each lane side by side.
    const ratio = this.size / size;
    const bytes = Array.from({ length: 16 }, (_, i) =>
      i < 16 / ratio ? Math.floor(i / size) * this.size + (i % size) : 0,
    );
    const narrow = (): Value<'v128'> => f.i8x16_shuffle(x.get(), x.get(), bytes);
    if (ratio === 2) f.v128_store64_lane(pointer.get(), narrow(), 0, offset);
    else if (ratio === 4) f.v128_store32_lane(pointer.get(), narrow(), 0, offset);
    else f.v128_store16_lane(pointer.get(), narrow(), 0, offset);
  }

  private loadAll(size: Size, isSigned: boolean, pointer: Local<'i32'>, offset: number): Expr {
    const { f } = this.v;
    const s = isSigned ? 's' : 'u';
    const at = pointer.get;
    if (size === this.size) return () => f.v128_load(at(), offset);
    if (this.size === 4) {
      if (size === 2) return () => f[`v128_load16x4_${s}`](at(), offset);
      const half = (): Value<'v128'> => f[`i16x8_extend_low_i8x16_${s}`](f.v128_load32_zero(at(), offset));
      return () => f[`i32x4_extend_low_i16x8_${s}`](half());
    }
    if (this.size === 8) {
      if (size === 4) return () => f[`v128_load32x2_${s}`](at(), offset);
      const quarter = (): Value<'v128'> => f[`i16x8_extend_low_i8x16_${s}`](f.v128_load16_splat(at(), offset));
      const half = (): Value<'v128'> => (size === 2 ? f.v128_load32_zero(at(), offset) : quarter());
      return () => f[`i64x2_extend_low_i32x4_${s}`](f[`i32x4_extend_low_i16x8_${s}`](half()));
    }
    return () => f[`v128_load8x8_${s}`](at(), offset);
  }

  private loadOne(size: Size, isSigned: boolean, pointer: Local<'i32'>, offset: number): Expr {
    const { f } = this.v;
    const s = isSigned ? 's' : 'u';
    const at = pointer.get;
    if (size === 8) return () => f.v128_load64_zero(at(), offset);
    if (this.size === 8) {
      if (size === 4) return () => f.i64x2_splat(f[`i64_load32_${s}`](at(), offset));
      return () =>
        f.i64x2_splat(f[size === 1 ? (`i64_load8_${s}` as const) : (`i64_load16_${s}` as const)](at(), offset));
    }
    if (size === 4) return () => f.v128_load32_zero(at(), offset);
    const load = size === 1 ? (`i32_load8_${s}` as const) : (`i32_load16_${s}` as const);
    if (this.size === 4) return () => f.i32x4_splat(f[load](at(), offset));
    if (this.size === 2) return () => f.i16x8_splat(f[load](at(), offset));
    return () => f.i8x16_splat(f[load](at(), offset));
  }
}
