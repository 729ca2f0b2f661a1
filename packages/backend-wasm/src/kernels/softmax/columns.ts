/** Softmax along an axis that is not the innermost: four neighbours at a time, or one. */

import type { Local } from '@espalier/wasm';
import type { Body } from '../../code.ts';
import { expOfNegative, log } from '../../math/index.ts';
import { type Expr, type V128, Vectors } from '../../vectors.ts';
import { keep, limit, wordsAt } from '../arguments.ts';
import type { Softmax } from './rows.ts';

/** Stripes of four neighbours; how many make a unit, and a matrix; elements along the axis and behind it. */
export const stripeWords = ['stripes', 'unit', 'perMatrix', 'extent', 'inner', 'from', 'to'] as const;

export const emitSoftmaxColumns =
  ({ isRelaxed, isLog }: Softmax): Body =>
  (f, args, unit) => {
    const v = new Vectors(f, isRelaxed);
    const word = wordsAt(f, args, stripeWords);
    const stripe = keep(f, f.i32_mul(unit.get(), word('unit')));
    const end = keep(f, f.i32_add(stripe.get(), word('unit')));
    limit(f, end, keep(f, word('stripes')));
    const inner = keep(f, word('inner'));
    const pitch = keep(f, f.i32_mul(inner.get(), f.i32_const(4)));
    const [from, to] = [f.local('i32'), f.local('i32')];
    const compute = (load: (p: Local<'i32'>) => Expr, store: (p: Local<'i32'>, x: V128) => void): void => {
      const pass = (body: (from: Local<'i32'>, to: Local<'i32'>) => void): void => {
        const [source, target, left] = [keep(f, from.get()), keep(f, to.get()), keep(f, word('extent'))];
        f.loop((again) => {
          body(source, target);
          for (const pointer of [source, target]) pointer.set(f.i32_add(pointer.get(), pitch.get()));
          f.br_if(again, left.tee(f.i32_sub(left.get(), f.i32_const(1))));
        });
      };
      const top = v.keep(Number.NEGATIVE_INFINITY);
      pass((source) => v.set(top, v.bin('f32x4_pmax', top, load(source))));
      const sum = v.keep(0);
      pass((source, target) => {
        const power = v.keep(expOfNegative(v, v.sub(load(source), top)));
        if (!isLog) store(target, power);
        v.set(sum, v.add(sum, power));
      });
      const share = v.keep(isLog ? log(v, sum) : v.div(1, sum));
      pass((source, target) => {
        const result = isLog ? v.sub(v.sub(load(source), top), share) : v.mul(load(target), share);
        store(target, v.keep(result));
      });
    };
    f.loop((again) => {
      const matrix = keep(f, f.i32_div_u(stripe.get(), word('perMatrix')));
      const column = keep(f, f.i32_mul(f.i32_rem_u(stripe.get(), word('perMatrix')), f.i32_const(4)));
      const before = f.i32_mul(f.i32_mul(matrix.get(), word('extent')), inner.get());
      const offset = keep(f, f.i32_mul(f.i32_add(before, column.get()), f.i32_const(4)));
      from.set(f.i32_add(word('from'), offset.get()));
      to.set(f.i32_add(word('to'), offset.get()));
      const left = keep(f, f.i32_sub(inner.get(), column.get()));
      f.if(
        f.i32_ge_u(left.get(), f.i32_const(4)),
        () =>
          compute(
            (p) => () => f.v128_load(p.get()),
            (p, x) => void f.v128_store(p.get(), x.get()),
          ),
        () =>
          f.loop((next) => {
            compute(
              (p) => () => f.v128_load32_splat(p.get()),
              (p, x) => void f.v128_store32_lane(p.get(), x.get(), 0),
            );
            for (const pointer of [from, to]) pointer.set(f.i32_add(pointer.get(), f.i32_const(4)));
            f.br_if(next, left.tee(f.i32_sub(left.get(), f.i32_const(1))));
          }),
      );
      stripe.set(f.i32_add(stripe.get(), f.i32_const(1)));
      f.br_if(again, f.i32_lt_u(stripe.get(), end.get()));
    });
  };
