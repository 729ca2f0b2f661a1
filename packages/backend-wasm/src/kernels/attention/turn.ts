/** Keys in a panel: eight rows of a matrix made columns. */

import type { Func, Local, ModuleBuilder } from '@espalier/wasm';
import { Vectors } from '../../vectors.ts';
import { advance, keep, repeat } from '../arguments.ts';

/** Keys of a panel. */
export const KEYS = 8;

/** To, from, rows that there are, elements of a row, bytes from row to row. Columns beyond the rows repeat the last. */
export function emitTurn(module: ModuleBuilder): Func<readonly ['i32', 'i32', 'i32', 'i32', 'i32']> {
  return module.func(['i32', 'i32', 'i32', 'i32', 'i32'], undefined, (f, to, from, rows, size, pitch) => {
    const v = new Vectors(f, false);
    const last = keep(f, f.i32_sub(rows.get(), f.i32_const(1)));
    const row = (i: number): Local<'i32'> => {
      const index = f.select(f.i32_const(i), last.get(), f.i32_lt_u(f.i32_const(i), last.get()));
      return keep(f, f.i32_add(f.i32_mul(index, pitch.get()), from.get()));
    };
    const pointers = Array.from({ length: KEYS }, (_, i) => row(i));
    repeat(f, size, 4, () => {
      for (let half = 0; half < KEYS; half += 4) {
        const [a, b, c, d] = pointers.slice(half, half + 4).map((pointer) => v.keep(() => f.v128_load(pointer.get())));
        const pair = (x: typeof a, y: typeof a, from: readonly number[]) =>
          v.keep(() => f.i8x16_shuffle(x!.get(), y!.get(), from));
        const [ab, cd] = [pair(a, b, LOW), pair(c, d, LOW)];
        const [ab2, cd2] = [pair(a, b, HIGH), pair(c, d, HIGH)];
        const columns = [pair(ab, cd, FIRST), pair(ab, cd, SECOND), pair(ab2, cd2, FIRST), pair(ab2, cd2, SECOND)];
        for (const [i, column] of columns.entries()) f.v128_store(to.get(), column.get(), 4 * KEYS * i + 4 * half);
      }
      for (const pointer of pointers) advance(f, pointer, 16);
      advance(f, to, 4 * 4 * KEYS);
    });
    repeat(f, size, 1, () => {
      for (const [i, pointer] of pointers.entries()) f.f32_store(to.get(), f.f32_load(pointer.get()), 4 * i);
      for (const pointer of pointers) advance(f, pointer, 4);
      advance(f, to, 4 * KEYS);
    });
  });
}

const lanes = (...order: readonly number[]): number[] => order.flatMap((lane) => [0, 1, 2, 3].map((i) => 4 * lane + i));
/** Lanes of two vectors, those of the second from 4 on. */
const LOW = lanes(0, 4, 1, 5);
const HIGH = lanes(2, 6, 3, 7);
const FIRST = lanes(0, 1, 4, 5);
const SECOND = lanes(2, 3, 6, 7);
