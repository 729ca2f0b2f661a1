/** Emits windows that slide over planes, each plane by itself: rows of the result, a few vectors at a time. */

import type { EpilogueStep } from '@espalier/core';
import type { PlaneOperand } from '@espalier/lowering';
import type { FunctionBuilder, Local, Value } from '@espalier/wasm';
import type { Body } from '../../code.ts';
import { type Expr, type V128, Vectors } from '../../vectors.ts';
import { advance, forEach, keep, limit, repeat, WORD, wordsAt } from '../arguments.ts';
import { doSteps } from '../epilogue.ts';

/** What is made of what a window sees. */
export type Fold = 'product' | 'greatest' | 'mean';

/** What code depends on. */
export interface Shape {
  readonly isRelaxed: boolean;
  readonly fold: Fold;
  readonly taps: number;
  /** Columns from one window to the next. */
  readonly stride: number;
  /** Planes of the result for each of the input. */
  readonly multiplier: number;
  readonly steps: readonly EpilogueStep[];
  readonly operands: readonly PlaneOperand[];
}

/**
 * The argument block: where operands are; rows of the result, of a unit, of a plane's slice, and slices of a plane; columns, channels of an
 * image; bytes from window to window along the outer axes, and from plane to plane. Behind it where the epilogue's operands are, bytes to each
 * tap, and for a mean how many elements windows have along columns, rows and slices, as float32.
 */
export const windowWords = [
  'x',
  'y',
  'weights',
  'total',
  'unit',
  'rows',
  'slices',
  'columns',
  'channels',
  'rowStep',
  'sliceStep',
  'planeStep',
] as const;
type Word = (typeof windowWords)[number];

/** Vectors of the result in a round of the main loop. */
const UNROLL = 4;
/** Taps that are written out. */
const MOST_UNROLLED = 25;

export const emitWindows =
  (shape: Shape): Body =>
  (f, args, unit) => {
    const { fold, taps, stride, multiplier, steps, operands } = shape;
    const v = new Vectors(f, shape.isRelaxed);
    const load = wordsAt(f, args, windowWords);
    const word = (name: Word): Local<'i32'> => keep(f, load(name));
    const tapsAt = WORD * (windowWords.length + operands.length);
    const countsAt = tapsAt + WORD * taps;
    const columns = word('columns');
    const row = keep(f, f.i32_mul(unit.get(), load('unit')));
    const end = keep(f, f.i32_add(row.get(), load('unit')));
    limit(f, end, word('total'));
    forEach(f, row, end, () => {
      const above = keep(f, f.i32_div_u(row.get(), load('rows')));
      const inSlice = keep(f, f.i32_sub(row.get(), f.i32_mul(above.get(), load('rows'))));
      const plane = keep(f, f.i32_div_u(above.get(), load('slices')));
      const slice = keep(f, f.i32_sub(above.get(), f.i32_mul(plane.get(), load('slices'))));
      const channel = keep(f, f.i32_rem_u(plane.get(), load('channels')));
      const from = keep(f, load('x'));
      const source = multiplier === 1 ? plane : keep(f, f.i32_div_u(plane.get(), f.i32_const(multiplier)));
      for (const [position, step] of [
        [source, 'planeStep'],
        [slice, 'sliceStep'],
        [inSlice, 'rowStep'],
      ] as const)
        from.set(f.i32_add(from.get(), f.i32_mul(position.get(), load(step))));
      const offset = keep(f, f.i32_mul(f.i32_mul(row.get(), columns.get()), f.i32_const(4)));
      const to = keep(f, f.i32_add(load('y'), offset.get()));
      const weights =
        fold === 'product' && keep(f, f.i32_add(load('weights'), f.i32_mul(channel.get(), f.i32_const(4 * taps))));
      const places = operands.map(({ per }, i) => {
        const start = f.i32_load(args.get(), WORD * (windowWords.length + i));
        if (per === 'tensor') return keep(f, start);
        if (per === 'element') return keep(f, f.i32_add(start, offset.get()));
        return keep(f, f.i32_add(start, f.i32_shl(channel.get(), f.i32_const(2))));
      });
      // How many elements the windows of a row have, but for what differs from column to column.
      const counts = fold === 'mean' && keep(f, f.i32_add(args.get(), f.i32_const(countsAt)));
      const rowCount =
        counts &&
        v.keep(() => {
          const at = (first: readonly Local<'i32'>[], index: Local<'i32'>): Value<'v128'> => {
            let words: Value<'i32'> = index.get();
            for (const before of first) words = f.i32_add(words, before.get());
            return f.v128_load32_splat(f.i32_add(f.i32_shl(words, f.i32_const(2)), counts.get()));
          };
          return f.f32x4_mul(at([columns], inSlice), at([columns, word('rows')], slice));
        });

      const compute = (vectors: number, isOne: boolean): void => {
        const sums = Array.from({ length: vectors }, () => v.keep(fold === 'greatest' ? Number.NEGATIVE_INFINITY : 0));
        eachTap(f, shape, keep(f, f.i32_add(args.get(), f.i32_const(tapsAt))), weights, (tapOffset, weightAt) => {
          const pointer = keep(f, f.i32_add(tapOffset, from.get()));
          const weight = weightAt && v.keep(() => f.v128_load32_splat(weightAt.pointer.get(), weightAt.offset));
          for (const [i, sum] of sums.entries()) {
            const x = isOne ? () => f.v128_load32_splat(pointer.get()) : elements(v, pointer, i, stride);
            if (weight) v.set(sum, v.madd(x, weight, sum));
            else v.set(sum, v.bin(fold === 'mean' ? 'f32x4_add' : 'f32x4_max', sum, x));
          }
        });
        for (const [i, sum] of sums.entries()) {
          const at = (pointer: Local<'i32'>): Expr =>
            isOne ? () => f.v128_load32_splat(pointer.get()) : () => f.v128_load(pointer.get(), 16 * i);
          if (counts && rowCount) v.set(sum, v.div(sum, v.mul(rowCount, at(counts))));
          const result = doSteps(v, steps, sum, (input) => {
            const operand = operands.findIndex((each) => each.input === input);
            if (operand < 0) return undefined;
            const place = places[operand]!;
            return operands[operand]!.per === 'element' ? at(place) : () => f.v128_load32_splat(place.get());
          });
          if (isOne) f.v128_store32_lane(to.get(), result.get(), 0);
          else f.v128_store(to.get(), result.get(), 16 * i);
        }
      };
      const moving = [to, ...(counts ? [counts] : []), ...places.filter((_, i) => operands[i]!.per === 'element')];
      const move = (by: number): void => {
        for (const pointer of moving) advance(f, pointer, 4 * by);
        advance(f, from, 4 * by * stride);
      };
      const left = keep(f, columns.get());
      for (const vectors of [UNROLL, 1])
        repeat(f, left, 4 * vectors, () => {
          compute(vectors, false);
          move(4 * vectors);
        });
      f.if(left.get(), () =>
        f.if(
          f.i32_lt_u(columns.get(), f.i32_const(4)),
          () =>
            repeat(f, left, 1, () => {
              compute(1, true);
              move(1);
            }),
          // Some once more: the row's last vector.
          () => {
            const back = keep(f, f.i32_shl(f.i32_sub(left.get(), f.i32_const(4)), f.i32_const(2)));
            for (const pointer of moving) pointer.set(f.i32_add(pointer.get(), back.get()));
            from.set(f.i32_add(from.get(), f.i32_mul(back.get(), f.i32_const(stride))));
            compute(1, false);
          },
        ),
      );
    });
  };

/** `body` for each tap, with bytes to it and its weight. */
function eachTap(
  f: FunctionBuilder,
  { taps }: Shape,
  tap: Local<'i32'>,
  weights: Local<'i32'> | false,
  body: (offset: Value<'i32'>, weight: { readonly pointer: Local<'i32'>; readonly offset: number } | undefined) => void,
): void {
  if (taps <= MOST_UNROLLED) {
    for (let i = 0; i < taps; i++)
      body(f.i32_load(tap.get(), WORD * i), weights ? { pointer: weights, offset: 4 * i } : undefined);
    return;
  }
  const weight = weights && keep(f, weights.get());
  const left = keep(f, f.i32_const(taps));
  repeat(f, left, 1, () => {
    body(f.i32_load(tap.get()), weight ? { pointer: weight, offset: 0 } : undefined);
    advance(f, tap, WORD);
    if (weight) advance(f, weight, 4);
  });
}

const EVENS = /* @__PURE__ */ [0, 2, 4, 6].flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte));

/** What the windows of vector `index` see with a tap. */
function elements({ f }: Vectors, pointer: Local<'i32'>, index: number, stride: number): Expr {
  const at = 16 * stride * index;
  if (stride === 1) return () => f.v128_load(pointer.get(), at);
  if (stride === 2)
    return () => f.i8x16_shuffle(f.v128_load(pointer.get(), at), f.v128_load(pointer.get(), at + 16), EVENS);
  return () => {
    const x: V128 = f.local('v128');
    x.set(f.v128_load32_zero(pointer.get(), at));
    for (const lane of [1, 2, 3]) x.set(f.v128_load32_lane(pointer.get(), x.get(), lane, at + 4 * stride * lane));
    return x.get();
  };
}
