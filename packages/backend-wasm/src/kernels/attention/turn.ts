/** Keys in a panel: eight rows of a matrix made columns. */

import type { Func, Local, ModuleBuilder } from '@espalier/wasm';
import { Vectors } from '../../vectors.ts';
import { advance, keep, repeat } from '../arguments.ts';
import { type Square, turned } from '../square.ts';

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
        const rows = pointers.slice(half, half + 4).map((pointer) => v.keep(() => f.v128_load(pointer.get())));
        const columns = turned(v, rows as unknown as Square);
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
