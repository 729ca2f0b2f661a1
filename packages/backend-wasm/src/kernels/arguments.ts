/** Argument blocks by name: which word is where, for emitters and for those that fill them. */

import type { FunctionBuilder, Local, Value } from '@espalier/wasm';

/** Words of 32 bits. */
export const WORD = 4;

/** Loads words of an argument block that begins with these names. */
export const wordsAt =
  <N extends string>(f: FunctionBuilder, args: Local<'i32'>, names: readonly N[]) =>
  (name: N): Value<'i32'> =>
    f.i32_load(args.get(), WORD * names.indexOf(name));

/** A local that holds a value. */
export function keep(f: FunctionBuilder, value: Value<'i32'>): Local<'i32'> {
  const local = f.local('i32');
  local.set(value);
  return local;
}

/** `to = min(to, most)`, of unsigned numbers. */
export function limit(f: FunctionBuilder, to: Local<'i32'>, most: Local<'i32'>): void {
  f.if(f.i32_gt_u(to.get(), most.get()), () => to.set(most.get()));
}

export const advance = (f: FunctionBuilder, pointer: Local<'i32'>, by: number): void =>
  pointer.set(f.i32_add(pointer.get(), f.i32_const(by)));

/**
 * `body` for as long as `counter` is at least `step`, which is taken off it each time. Tested at the top: V8 keeps more of such a loop in
 * registers, which made products 1.6 times as fast.
 */
export function repeat(f: FunctionBuilder, counter: Local<'i32'>, step: number, body: () => void): void {
  f.loop((again) => {
    f.if(f.i32_ge_u(counter.get(), f.i32_const(step)), () => {
      body();
      counter.set(f.i32_sub(counter.get(), f.i32_const(step)));
      f.br(again);
    });
  });
}

/** `body` for `from` up to `to`, which is beyond it. */
export function forEach(f: FunctionBuilder, from: Local<'i32'>, to: Local<'i32'>, body: () => void): void {
  f.loop((again) => {
    body();
    from.set(f.i32_add(from.get(), f.i32_const(1)));
    f.br_if(again, f.i32_lt_u(from.get(), to.get()));
  });
}
