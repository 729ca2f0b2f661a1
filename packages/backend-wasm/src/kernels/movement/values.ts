/** Small tensors whose elements follow from sizes, or from a first element and a step. */

import type { Body } from '../../code.ts';
import { advance, keep, WORD } from '../arguments.ts';

/** Bytes of an element. */
type Size = 4 | 8;

/** Arguments: how many integers, where to, then they as two words each. */
export const emitWords =
  (size: Size): Body =>
  (f, args) => {
    const [left, to] = [keep(f, f.i32_load(args.get())), keep(f, f.i32_load(args.get(), WORD))];
    f.loop((again) => {
      if (size === 8) f.i64_store(to.get(), f.i64_load(args.get(), 2 * WORD));
      else f.i32_store(to.get(), f.i32_load(args.get(), 2 * WORD));
      advance(f, args, 2 * WORD);
      advance(f, to, size);
      f.br_if(again, left.tee(f.i32_sub(left.get(), f.i32_const(1))));
    });
  };

/** Arguments: how many integers, where to, where the first is, where the step is. */
export const emitCount =
  (size: Size): Body =>
  (f, args) => {
    const [left, to, start, delta] = [0, 1, 2, 3].map((i) => keep(f, f.i32_load(args.get(), WORD * i)));
    const [value, step] = [f.local('i64'), f.local('i64')];
    value.set(size === 8 ? f.i64_load(start!.get()) : f.i64_load32_s(start!.get()));
    step.set(size === 8 ? f.i64_load(delta!.get()) : f.i64_load32_s(delta!.get()));
    f.loop((again) => {
      if (size === 8) f.i64_store(to!.get(), value.get());
      else f.i64_store32(to!.get(), value.get());
      value.set(f.i64_add(value.get(), step.get()));
      advance(f, to!, size);
      f.br_if(again, left!.tee(f.i32_sub(left!.get(), f.i32_const(1))));
    });
  };
