/** Emits what gathers patches: a panel of neighbouring pixels of the result, of which each row is what they see with one tap in one channel. */

import type { FunctionBuilder, Local, ModuleBuilder } from '@espalier/wasm';
import { advance, keep, repeat, WORD, wordsAt } from '../arguments.ts';
import type { MakePanel } from '../matmul/emit.ts';

export interface Patches {
  readonly channels: number;
  readonly taps: number;
  /** Vectors of a panel. */
  readonly vectors: number;
}

/**
 * Pixels of an image, their number along the inner axes, bytes from one to the next along each axis and from channel to channel; then of
 * each tap bytes from where its window begins.
 */
export const patchWords = ['pixels', 'columns', 'rows', 'columnStep', 'rowStep', 'planeStep', 'channelStep'] as const;
const TAPS = WORD * patchWords.length;
/** Taps that are written out. */
const MOST_UNROLLED = 16;

export function emitGather(module: ModuleBuilder, { channels, taps, vectors }: Patches): MakePanel {
  return module.func(['i32', 'i32', 'i32', 'i32'], undefined, (f, to, x, panel, args) => {
    const load = wordsAt(f, args, patchWords);
    const word = (name: (typeof patchWords)[number]): Local<'i32'> => keep(f, load(name));
    const [columns, rows, channelStep] = [word('columns'), word('rows'), word('channelStep')];
    const steps = (['columnStep', 'rowStep', 'planeStep'] as const).map(word);
    const last = keep(f, f.i32_sub(load('pixels'), f.i32_const(1)));
    const pixel = keep(f, f.i32_mul(panel.get(), f.i32_const(4 * vectors)));
    const column = keep(f, f.i32_rem_u(pixel.get(), columns.get()));
    const row = keep(f, f.i32_div_u(pixel.get(), columns.get()));
    const plane = keep(f, f.i32_div_u(row.get(), rows.get()));
    row.set(f.i32_rem_u(row.get(), rows.get()));
    const place = (): Local<'i32'> => {
      const at = keep(f, x.get());
      for (const [axis, position] of [column, row, plane].entries())
        at.set(f.i32_add(at.get(), f.i32_mul(position.get(), steps[axis]!.get())));
      return at;
    };
    // Beyond the last pixel it is gathered again.
    const next = (): void => {
      const carry = (from: Local<'i32'>, most: Local<'i32'>, into: Local<'i32'>): void =>
        f.if(f.i32_eq(from.get(), most.get()), () => {
          from.set(f.i32_const(0));
          advance(f, into, 1);
        });
      f.if(f.i32_lt_u(pixel.get(), last.get()), () => {
        advance(f, pixel, 1);
        advance(f, column, 1);
        carry(column, columns, row);
        carry(row, rows, plane);
      });
    };
    const left = keep(f, f.i32_const(vectors));
    repeat(f, left, 1, () => {
      const places = [0, 1, 2, 3].map(() => {
        const at = place();
        next();
        return at;
      });
      const target = keep(f, to.get());
      const gather = (store: (offset: Local<'i32'> | undefined, at: number) => void, moving: Local<'i32'>[]): void => {
        const leftChannels = keep(f, f.i32_const(channels));
        repeat(f, leftChannels, 1, () => {
          eachTap(f, taps, args, target, 16 * vectors, store);
          for (const pointer of moving) pointer.set(f.i32_add(pointer.get(), channelStep.get()));
        });
      };
      const from = (pointer: Local<'i32'>, offset: Local<'i32'> | undefined) =>
        offset ? f.i32_add(pointer.get(), offset.get()) : pointer.get();
      const apart = keep(f, f.i32_const(0));
      for (const [i, at] of places.entries())
        apart.set(f.i32_or(apart.get(), f.i32_xor(at.get(), f.i32_add(places[0]!.get(), f.i32_const(4 * i)))));
      f.if(
        f.i32_eqz(apart.get()),
        () =>
          gather(
            (offset, at) => void f.v128_store(target.get(), f.v128_load(from(places[0]!, offset)), at),
            [places[0]!],
          ),
        () =>
          gather((offset, at) => {
            const lanes = keep4(f, places, (pointer) => from(pointer, offset));
            f.v128_store(target.get(), lanes.get(), at);
          }, places),
      );
      advance(f, to, 16);
    });
  });
}

/** A vector of four elements from four places. */
function keep4(
  f: FunctionBuilder,
  places: readonly Local<'i32'>[],
  from: (pointer: Local<'i32'>) => ReturnType<Local<'i32'>['get']>,
): Local<'v128'> {
  const lanes = f.local('v128');
  lanes.set(f.v128_load32_zero(from(places[0]!)));
  for (const lane of [1, 2, 3]) lanes.set(f.v128_load32_lane(from(places[lane]!), lanes.get(), lane));
  return lanes;
}

/** `store` for each tap, with its offset, at so many bytes from `target`, which moves on. */
function eachTap(
  f: FunctionBuilder,
  taps: number,
  args: Local<'i32'>,
  target: Local<'i32'>,
  pitch: number,
  store: (offset: Local<'i32'> | undefined, at: number) => void,
): void {
  if (taps === 1) store(undefined, 0);
  else if (taps <= MOST_UNROLLED)
    for (let tap = 0; tap < taps; tap++) store(keep(f, f.i32_load(args.get(), TAPS + WORD * tap)), pitch * tap);
  else {
    const tap = keep(f, args.get());
    const left = keep(f, f.i32_const(taps));
    repeat(f, left, 1, () => {
      store(keep(f, f.i32_load(tap.get(), TAPS)), 0);
      advance(f, tap, WORD);
      advance(f, target, pitch);
    });
    return;
  }
  advance(f, target, pitch * taps);
}
