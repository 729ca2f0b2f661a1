/** Emits reductions: of elements that stand together, into one total; and of rows, into a row of totals. */

import type { FunctionBuilder, Local } from '@espalier/wasm';
import type { Body } from '../../code.ts';
import { type Expr, type V128, Vectors } from '../../vectors.ts';
import { advance, keep, repeat, WORD } from '../arguments.ts';
import { emitPass, foldBy, UNROLL } from '../row.ts';
import { emitWalk, stepsAt } from '../walk.ts';
import type { Reduction } from './functions.ts';

/** How the folded axes are told: of the first its extent and stride, how often it is walked, how many axes are around it, bytes of all this. */
const folded = ['extent', 'stride', 'times', 'axes', 'bytes', 'count'] as const;

/** The words in front of the walk of the result and the input, along the axes that stay. @param axes with the input's stride */
export function foldedArgs(axes: readonly (readonly [extent: number, stride: number])[], count: number): number[] {
  const [[extent, stride], ...outer] = axes as [(typeof axes)[number], ...typeof axes];
  const times = outer.reduce((product, [each]) => product * each, count > 0 ? 1 : 0);
  return [extent, stride, times, outer.length, WORD * (folded.length + 2 * outer.length), count, ...outer.flat()];
}

export const emitReduction =
  (reduction: Reduction, isRelaxed: boolean, isInner: boolean): Body =>
  (f, args, unit) => {
    const v = new Vectors(f, isRelaxed);
    const { passes } = reduction;
    const head = keep(f, args.get());
    const word = (name: (typeof folded)[number]): Local<'i32'> =>
      keep(f, f.i32_load(head.get(), WORD * folded.indexOf(name)));
    const [extent, stride, times, count] = [word('extent'), word('stride'), word('times'), word('count')];
    args.set(f.i32_add(args.get(), word('bytes').get()));
    const number = v.keep(() => f.f32x4_splat(f.f32_convert_i32_u(count.get())));

    /** `inner` for each row of what is folded, which begins at the pointer it is given. */
    const nest = (from: Local<'i32'>, inner: (row: Local<'i32'>) => void): void => {
      const index = keep(f, f.i32_const(0));
      f.loop((again) =>
        f.if(f.i32_lt_u(index.get(), times.get()), () => {
          inner(placeOf(f, head, from, index));
          advance(f, index, 1);
          f.br(again);
        }),
      );
    };
    const finish = (total: V128, top: V128 | undefined): V128 =>
      reduction.finish ? v.keep(reduction.finish(v, total, number, top)) : total;

    /** A total of elements that stand together, in every lane. */
    const inner = (from: Local<'i32'>): V128 => {
      let total: V128 | undefined;
      let top: V128 | undefined;
      for (const pass of passes) {
        top = total;
        const totals = Array.from({ length: UNROLL }, () => v.keep(v.bits(pass.initial)));
        nest(from, (row) =>
          emitPass(v, extent, [row], (block, at) => {
            const mine = totals[block.index]!;
            const x = v.keep(block.load(at(row)));
            // All lanes hold an element that is left: only the first is to count.
            const next = v.keep(pass.step(v, mine, x, top));
            v.set(mine, block.keepFirst(next, mine));
          }),
        );
        total = foldBy(v, totals, (a, b) => pass.join(v, a, b));
      }
      return finish(total!, top);
    };
    /** Totals of neighbours, of elements that are a stride apart. */
    const rows = (from: Local<'i32'>, vectors: number, load: (row: Local<'i32'>, i: number) => Expr): V128[] => {
      let totals: V128[] = [];
      let tops: V128[] = [];
      for (const pass of passes) {
        tops = totals;
        totals = Array.from({ length: vectors }, () => v.keep(v.bits(pass.initial)));
        nest(from, (row) => {
          const left = keep(f, extent.get());
          repeat(f, left, 1, () => {
            for (const [i, total] of totals.entries()) v.set(total, pass.step(v, total, v.keep(load(row, i)), tops[i]));
            row.set(f.i32_add(row.get(), stride.get()));
          });
        });
      }
      return totals.map((total, i) => finish(total, tops[i]));
    };

    emitWalk(f, args, unit, 2, ([to, from], left) => {
      if (isInner) {
        const [toStep, fromStep] = [0, 1].map((i) => keep(f, f.i32_load(args.get(), stepsAt(2) + WORD * i)));
        repeat(f, left, 1, () => {
          f.v128_store32_lane(to!.get(), inner(from!).get(), 0);
          to!.set(f.i32_add(to!.get(), toStep!.get()));
          from!.set(f.i32_add(from!.get(), fromStep!.get()));
        });
        return;
      }
      const move = (bytes: number): void => {
        for (const pointer of [to!, from!]) advance(f, pointer, bytes);
      };
      for (const vectors of [UNROLL, 1])
        repeat(f, left, 4 * vectors, () => {
          const totals = rows(from!, vectors, (row, i) => () => f.v128_load(row.get(), 16 * i));
          for (const [i, total] of totals.entries()) f.v128_store(to!.get(), total.get(), 16 * i);
          move(16 * vectors);
        });
      repeat(f, left, 1, () => {
        const [total] = rows(from!, 1, (row) => () => f.v128_load32_splat(row.get()));
        f.v128_store32_lane(to!.get(), total!.get(), 0);
        move(4);
      });
    });
  };

/** Where the folded row of so many begins. */
function placeOf(f: FunctionBuilder, head: Local<'i32'>, from: Local<'i32'>, index: Local<'i32'>): Local<'i32'> {
  const place = keep(f, from.get());
  const rest = keep(f, index.get());
  const axis = keep(f, f.i32_add(head.get(), f.i32_const(WORD * folded.length)));
  const left = keep(f, f.i32_load(head.get(), WORD * folded.indexOf('axes')));
  repeat(f, left, 1, () => {
    const quotient = keep(f, f.i32_div_u(rest.get(), f.i32_load(axis.get())));
    const position = keep(f, f.i32_sub(rest.get(), f.i32_mul(quotient.get(), f.i32_load(axis.get()))));
    place.set(f.i32_add(place.get(), f.i32_mul(position.get(), f.i32_load(axis.get(), WORD))));
    rest.set(quotient.get());
    advance(f, axis, 2 * WORD);
  });
  return place;
}
