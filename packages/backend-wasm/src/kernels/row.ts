/** Loops over rows of float32: whole vectors four at a time, then one at a time, then the elements that are left. */

import type { FunctionBuilder, Local } from '@espalier/wasm';
import type { Expr, V128, Vectors } from '../vectors.ts';
import { advance, keep, limit, repeat, WORD } from './arguments.ts';

/** Vectors that a round of the main loop takes, each with an accumulator of its own where there is one. */
export const UNROLL = 4;

/** A vector's worth of a row, at the same place in every operand. */
export interface Block {
  /** 0 to {@link UNROLL} - 1. */
  readonly index: number;
  /** Of an element that is left, in every lane. */
  load(pointer: Local<'i32'>): Expr;
  /** Bytes, each in a lane of 32 bits. */
  loadBytes(pointer: Local<'i32'>): Expr;
  store(pointer: Local<'i32'>, x: V128): void;
  /** Lanes beyond the row made zero. */
  clear(x: Expr): Expr;
  /** Lanes beyond the row from `rest`. */
  keepFirst(x: Expr, rest: Expr): Expr;
}

/** An operand, whose elements have four bytes where nothing else is said. */
export type Operand = Local<'i32'> | { readonly pointer: Local<'i32'>; readonly bytes: number };

/** Runs `body` over `columns` elements that each of `operands` begins at; `at` tells how far their pointers have come. */
export function emitPass(
  v: Vectors,
  columns: Local<'i32'>,
  operands: readonly Operand[],
  body: (block: Block, at: (pointer: Local<'i32'>) => Local<'i32'>) => void,
): void {
  const { f } = v;
  const left = keep(f, columns.get());
  const moving = operands.map((operand) => {
    const { pointer, bytes } = 'pointer' in operand ? operand : { pointer: operand, bytes: 4 };
    return { start: pointer, place: keep(f, pointer.get()), bytes };
  });
  const at = (pointer: Local<'i32'>): Local<'i32'> => moving.find(({ start }) => start === pointer)!.place;
  for (const vectors of [UNROLL, 1])
    repeat(f, left, 4 * vectors, () => {
      for (let index = 0; index < vectors; index++) body(wholeBlock(v, index), at);
      for (const { place, bytes } of moving) advance(f, place, 4 * vectors * bytes);
    });
  repeat(f, left, 1, () => {
    body(oneBlock(v), at);
    for (const { place, bytes } of moving) advance(f, place, bytes);
  });
}

const wholeBlock = ({ f }: Vectors, index: number): Block => ({
  index,
  load: (pointer) => () => f.v128_load(pointer.get(), 16 * index),
  loadBytes: (pointer) => () =>
    f.i32x4_extend_low_i16x8_u(f.i16x8_extend_low_i8x16_u(f.v128_load32_zero(pointer.get(), 4 * index))),
  store: (pointer, x) => void f.v128_store(pointer.get(), x.get(), 16 * index),
  clear: (x) => x,
  keepFirst: (x) => x,
});

const oneBlock = (v: Vectors): Block => ({
  index: 0,
  load: (pointer) => () => v.f.v128_load32_splat(pointer.get()),
  loadBytes: (pointer) => () => v.f.i32x4_splat(v.f.i32_load8_u(pointer.get())),
  store: (pointer, x) => void v.f.v128_store32_lane(pointer.get(), x.get(), 0),
  clear: (x) => v.bin('v128_and', x, v.f.v128_constant(FIRST)),
  keepFirst: (x, rest) => v.select(v.f.v128_constant(FIRST), x, rest),
});

const FIRST = /* @__PURE__ */ Int32Array.of(-1, 0, 0, 0);

/** The accumulators of a pass, all at one value. */
export function accumulators(v: Vectors, start: Expr): readonly V128[] {
  return Array.from({ length: UNROLL }, () => v.keep(start));
}

/** What an operation of float32 makes of all lanes of accumulators, in every lane. */
export const fold = (v: Vectors, sums: readonly V128[], op: 'f32x4_add' | 'f32x4_pmax' | 'f32x4_pmin'): V128 =>
  foldBy(v, sums, (a, b) => v.bin(op, a, b));

export function foldBy(v: Vectors, [first, ...rest]: readonly V128[], join: (a: V128, b: V128) => Expr): V128 {
  let all = first!;
  for (const other of rest) all = v.keep(join(all, other));
  for (const order of [SWAP_PAIRS, SWAP_NEIGHBOURS]) {
    const whole = all;
    all = v.keep(
      join(
        whole,
        v.keep(() => v.f.i8x16_shuffle(whole.get(), whole.get(), order)),
      ),
    );
  }
  return all;
}

const lanes = (...order: readonly number[]): number[] => order.flatMap((lane) => [0, 1, 2, 3].map((i) => 4 * lane + i));
const SWAP_PAIRS = /* @__PURE__ */ lanes(2, 3, 0, 1);
const SWAP_NEIGHBOURS = /* @__PURE__ */ lanes(1, 0, 3, 2);

/** Where a unit's rows are in the argument block: rows, rows of a unit, elements of a row, then pointers. */
const POINTERS = 3 * WORD;

/**
 * A kernel over rows, those of a unit one after the other: `body` computes one, of `columns` elements; the first `moving` of the pointers
 * that are arguments point to it, `fixed` more to what all rows share.
 */
export function emitRows(
  f: FunctionBuilder,
  args: Local<'i32'>,
  unit: Local<'i32'>,
  moving: number,
  fixed: number,
  body: (columns: Local<'i32'>, pointers: readonly Local<'i32'>[]) => void,
): void {
  const each = keep(f, f.i32_load(args.get(), WORD));
  const first = keep(f, f.i32_mul(unit.get(), each.get()));
  const left = keep(f, f.i32_sub(f.i32_load(args.get()), first.get()));
  limit(f, left, each);
  const columns = keep(f, f.i32_load(args.get(), 2 * WORD));
  const pitch = keep(f, f.i32_mul(columns.get(), f.i32_const(4)));
  const pointers = Array.from({ length: moving + fixed }, (_, i) => {
    const start = f.i32_load(args.get(), POINTERS + WORD * i);
    return keep(f, i < moving ? f.i32_add(start, f.i32_mul(first.get(), pitch.get())) : start);
  });
  f.loop((again) => {
    body(columns, pointers);
    for (const pointer of pointers.slice(0, moving)) pointer.set(f.i32_add(pointer.get(), pitch.get()));
    f.br_if(again, left.tee(f.i32_sub(left.get(), f.i32_const(1))));
  });
}
