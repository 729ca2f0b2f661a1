/** Vectors of float32 at either width, so that an emitter is written once for AVX2 and AVX-512. */

import {
  type Address,
  type Assembler,
  BROADCAST,
  type Displacement,
  k7,
  type Mask,
  type Options,
  type Vector,
  ymm,
  zmm,
} from '@espalier/x64';

/** The last operand of an instruction, in memory. */
export type Memory = [address: Address, disp: Displacement, options: Options];

export class Vectors {
  readonly a: Assembler;
  readonly isWide: boolean;
  /** Elements of a register. */
  readonly lanes: number;
  /** Bytes of a register. */
  readonly bytes: number;

  /** @param isWide AVX-512 (F, DQ, BW, VL); else AVX2 with FMA */
  constructor(a: Assembler, isWide: boolean) {
    this.a = a;
    this.isWide = isWide;
    this.lanes = isWide ? 16 : 8;
    this.bytes = 4 * this.lanes;
  }

  /** Register `i`: 0 to 31 where wide, else 0 to 15. */
  register(i: number): Vector {
    return this.isWide ? zmm(i) : ymm(i);
  }

  /** A constant in every lane, as an operand in memory. */
  splat(value: number): Memory {
    return this.everywhere(bitsOf(value));
  }

  /** 32 bits in every lane, as an operand in memory. */
  bits(value: number): Memory {
    return this.everywhere(value);
  }

  /** A constant into every lane of a register. */
  fill(dst: Vector, value: number): void {
    if (Object.is(value, 0)) this.a.vxorps(dst, dst, dst);
    else this.a.vbroadcastss(dst, this.a.constant(Float32Array.of(value)));
  }

  /** `x = min(x, most)`; NaN stays. Clobbers `t`. */
  atMost(x: Vector, most: number, t: Vector): void {
    this.fill(t, most);
    this.a.vminps(x, t, x);
  }

  /** `x = max(x, least)`; NaN stays. Clobbers `t`. */
  atLeast(x: Vector, least: number, t: Vector): void {
    this.fill(t, least);
    this.a.vmaxps(x, t, x);
  }

  /** `dst = c[0] + c[1] x + c[2] x^2 + ...` by Horner's rule. */
  polynomial(dst: Vector, x: Vector, c: readonly number[]): void {
    this.fill(dst, c.at(-1)!);
    for (let i = c.length - 2; i >= 0; i--) this.a.vfmadd213ps(dst, x, ...this.splat(c[i]!));
  }

  /** `dst = a < limit ? less : other`, where a NaN is not less. Clobbers `t`, and k7 where wide. */
  select(dst: Vector, a: Vector, limit: Memory, less: Vector, other: Vector, t: Vector): void {
    const [address, disp, options] = limit;
    if (this.isWide) {
      this.a.vcmpps(k7, a, address, disp, LESS, options);
      this.a.vblendmps(dst, other, less, k7);
    } else {
      this.a.vcmpps(t, a, address, disp, LESS);
      this.a.vblendvps(dst, other, less, t);
    }
  }

  /** Compares with a constant by a predicate of vcmpps: into a mask where wide, else into a vector. */
  compare(dst: Vector | Mask, x: Vector, value: number, predicate: number): void {
    const [address, disp, options] = this.splat(value);
    this.a.vcmpps(dst as Vector, x, address, disp, predicate, options);
  }

  private everywhere(bits: number): Memory {
    return this.isWide
      ? [this.a.constant(Uint32Array.of(bits)), 0, BROADCAST]
      : [this.a.constant(new Uint32Array(this.lanes).fill(bits)), 0, 0];
  }
}

/** A predicate of vcmpps: ordered, no exception for quiet NaN. */
const LESS = 17;

/** A number as float32 has it. */
export const bitsOf = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]!;
