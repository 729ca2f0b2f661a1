/** Expressions of vectors: functions that write code when they are used, so that they nest and can be used again. */

import type { FunctionBuilder, Instructions, Local, Value } from '@espalier/wasm';

export type V128 = Local<'v128'>;
/** A local, a float32 in every lane, or code that leaves a vector. */
export type Expr = V128 | number | (() => Value<'v128'>);

type Unary = {
  [K in keyof Instructions]: Instructions[K] extends (x: Value<'v128'>) => Value<'v128'> ? K : never;
}[keyof Instructions];
type Binary = {
  [K in keyof Instructions]: Instructions[K] extends (x: Value<'v128'>, y: Value<'v128'>) => Value<'v128'> ? K : never;
}[keyof Instructions];

export class Vectors {
  readonly f: FunctionBuilder;
  /** Multiplications and additions may be one instruction. */
  readonly isRelaxed: boolean;

  constructor(f: FunctionBuilder, isRelaxed: boolean) {
    this.f = f;
    this.isRelaxed = isRelaxed;
  }

  /** Leaves the vector on the stack. */
  push(x: Expr): Value<'v128'> {
    if (typeof x === 'number') return this.splat(x).get();
    return typeof x === 'function' ? x() : x.get();
  }

  /** The vector in a local of its own. */
  keep(x: Expr): V128 {
    const local = this.f.local('v128');
    local.set(this.push(x));
    return local;
  }

  set(local: V128, x: Expr): void {
    local.set(this.push(x));
  }

  /** A float32 in every lane. */
  splat(value: number): V128 {
    return this.f.v128_constant(new Float32Array(4).fill(value));
  }

  /** 32 bits in every lane. */
  bits(value: number): V128 {
    return this.f.v128_constant(new Int32Array(4).fill(value));
  }

  /** An instruction of one vector, or of two. */
  un(name: Unary, x: Expr): Expr {
    return () => (this.f[name] as (x: Value<'v128'>) => Value<'v128'>)(this.push(x));
  }

  bin(name: Binary, x: Expr, y: Expr): Expr {
    return () => (this.f[name] as (x: Value<'v128'>, y: Value<'v128'>) => Value<'v128'>)(this.push(x), this.push(y));
  }

  add(x: Expr, y: Expr): Expr {
    return this.bin('f32x4_add', x, y);
  }

  sub(x: Expr, y: Expr): Expr {
    return this.bin('f32x4_sub', x, y);
  }

  mul(x: Expr, y: Expr): Expr {
    return this.bin('f32x4_mul', x, y);
  }

  div(x: Expr, y: Expr): Expr {
    return this.bin('f32x4_div', x, y);
  }

  /** `x y + z` */
  madd(x: Expr, y: Expr, z: Expr): Expr {
    if (!this.isRelaxed) return this.add(z, this.mul(x, y));
    return () => this.f.f32x4_relaxed_madd(this.push(x), this.push(y), this.push(z));
  }

  /** `z - x y` */
  nmadd(x: Expr, y: Expr, z: Expr): Expr {
    if (!this.isRelaxed) return this.sub(z, this.mul(x, y));
    return () => this.f.f32x4_relaxed_nmadd(this.push(x), this.push(y), this.push(z));
  }

  /** `min(x, most)`; NaN stays. */
  atMost(x: Expr, most: Expr): Expr {
    return this.bin('f32x4_pmin', x, most);
  }

  /** `max(x, least)`; NaN stays. */
  atLeast(x: Expr, least: Expr): Expr {
    return this.bin('f32x4_pmax', x, least);
  }

  /** In each lane `yes` where all bits of `mask` are set, `no` where none is. */
  select(mask: Expr, yes: Expr, no: Expr): Expr {
    return () => this.f.v128_bitselect(this.push(yes), this.push(no), this.push(mask));
  }

  /** `c[0] + c[1] x + c[2] x^2 + ...` by Horner's rule. */
  polynomial(x: V128, c: readonly number[]): Expr {
    let sum: Expr = c.at(-1)!;
    for (let i = c.length - 2; i >= 0; i--) sum = this.madd(sum, x, c[i]!);
    return sum;
  }

  shiftLeft(x: Expr, bits: number): Expr {
    return () => this.f.i32x4_shl(this.push(x), this.f.i32_const(bits));
  }
}
