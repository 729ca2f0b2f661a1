/** Emits copies: bytes side by side, and elements with strides. */

import type { Func, FunctionBuilder, Local, ModuleBuilder } from '@espalier/wasm';
import type { Body } from '../../code.ts';
import { advance, keep, repeat, WORD } from '../arguments.ts';
import { emitWalk, stepsAt } from '../walk.ts';

/** How the elements of a piece are copied: bytes side by side, or elements of so many bytes. */
export const ways = ['bytes', 1, 2, 4, 8] as const;
export type Way = (typeof ways)[number];

/** Before the walk of a piece: the unit behind its last, bytes to the next piece, its first unit, its way. */
export const PIECE_WORDS = 4;

/** From this many bytes on, a call to the engine's own copy pays. */
const LONG = 512;

/** To, from, how many bytes. */
export function emitCopyBytes(module: ModuleBuilder): Func<readonly ['i32', 'i32', 'i32']> {
  return module.func(['i32', 'i32', 'i32'], undefined, (f, to, from, left) => {
    f.if(f.i32_ge_u(left.get(), f.i32_const(LONG)), () => {
      f.memory_copy(to.get(), from.get(), left.get());
      f.return();
    });
    const move = (bytes: number, body: () => void): void =>
      repeat(f, left, bytes, () => {
        body();
        advance(f, to, bytes);
        advance(f, from, bytes);
      });
    move(16, () => void f.v128_store(to.get(), f.v128_load(from.get())));
    move(4, () => void f.i32_store(to.get(), f.i32_load(from.get())));
    move(1, () => void f.i32_store8(to.get(), f.i32_load8_u(from.get())));
  });
}

function copyElement(f: FunctionBuilder, size: Exclude<Way, 'bytes'>, to: Local<'i32'>, from: Local<'i32'>): void {
  if (size === 8) f.i64_store(to.get(), f.i64_load(from.get()));
  else if (size === 4) f.i32_store(to.get(), f.i32_load(from.get()));
  else if (size === 2) f.i32_store16(to.get(), f.i32_load16_u(from.get()));
  else f.i32_store8(to.get(), f.i32_load8_u(from.get()));
}

/** All pieces of a copy: each unit finds its own. */
export function emitCopies(module: ModuleBuilder): Body {
  const copyBytes = emitCopyBytes(module);
  const copies = ways.map((way) =>
    module.func(['i32', 'i32'], undefined, (f, args, unit) => {
      emitWalk(f, args, unit, 2, ([to, from], count) => {
        if (way === 'bytes') {
          f.call(copyBytes, to!.get(), from!.get(), count.get());
          return;
        }
        const [toStep, fromStep] = [0, 1].map((i) => keep(f, f.i32_load(args.get(), stepsAt(2) + WORD * i)));
        repeat(f, count, 1, () => {
          copyElement(f, way, to!, from!);
          to!.set(f.i32_add(to!.get(), toStep!.get()));
          from!.set(f.i32_add(from!.get(), fromStep!.get()));
        });
      });
    }),
  );
  return (f, args, unit) => {
    f.loop((next) => {
      f.if(f.i32_ge_u(unit.get(), f.i32_load(args.get())), () => {
        args.set(f.i32_add(args.get(), f.i32_load(args.get(), WORD)));
        f.br(next);
      });
    });
    unit.set(f.i32_sub(unit.get(), f.i32_load(args.get(), 2 * WORD)));
    const way = keep(f, f.i32_load(args.get(), 3 * WORD));
    advance(f, args, PIECE_WORDS * WORD);
    for (const [i, copy] of copies.entries())
      f.if(f.i32_eq(way.get(), f.i32_const(i)), () => f.call(copy, args.get(), unit.get()));
  };
}
