/** Rows that index tuples name: read from there, or written there. Indices are checked as they are used. */

import { indexedWords } from '@espalier/lowering';
import type { ModuleBuilder } from '@espalier/wasm';
import type { Body } from '../../code.ts';
import { advance, keep, limit, WORD, wordsAt } from '../arguments.ts';
import { emitCopyBytes } from './copy.ts';

export interface Indexed {
  /** Bytes of an index. */
  readonly size: 4 | 8;
  readonly way: 'gather' | 'scatter';
}

/**
 * The argument block goes on with each part of a tuple: its extent, its stride in bytes, its axis. A status is the axis plus one, then the extent, then
 * the index.
 */
export function emitIndexed(module: ModuleBuilder, { size, way }: Indexed): Body {
  const copy = emitCopyBytes(module);
  return (f, args, unit) => {
    const word = wordsAt(f, args, indexedWords);
    const at = keep(f, f.i32_mul(unit.get(), word('unit')));
    const end = keep(f, f.i32_add(at.get(), word('unit')));
    limit(f, end, keep(f, word('rows')));
    const [part, left] = [f.local('i32'), f.local('i32')];
    const [index, extent] = [f.local('i64'), f.local('i64')];
    f.loop((next) => {
      f.block((skip) => {
        const batch = keep(f, f.i32_div_u(at.get(), word('perBatch')));
        const tuple = f.i32_mul(f.i32_rem_u(at.get(), word('perBatch')), f.i32_mul(word('parts'), f.i32_const(size)));
        const first = keep(f, f.i32_add(f.i32_add(tuple, word('indices')), f.i32_mul(batch.get(), word('indexBatch'))));
        const place = keep(f, f.i32_add(word('table'), f.i32_mul(batch.get(), word('tableBatch'))));
        part.set(f.i32_add(args.get(), f.i32_const(WORD * indexedWords.length)));
        left.set(word('parts'));
        f.block((found) => {
          f.br_if(found, f.i32_eqz(left.get()));
          f.loop((again) => {
            index.set(size === 8 ? f.i64_load(first.get()) : f.i64_load32_s(first.get()));
            extent.set(f.i64_load32_u(part.get()));
            f.if(f.i64_lt_s(index.get(), f.i64_const(0n)), () => index.set(f.i64_add(index.get(), extent.get())));
            f.if(f.i64_ge_u(index.get(), extent.get()), () => {
              const status = keep(f, word('status'));
              f.i64_store(status.get(), size === 8 ? f.i64_load(first.get()) : f.i64_load32_s(first.get()), 8);
              f.i32_store(status.get(), f.i32_load(part.get()), 4);
              f.i32_store(status.get(), f.i32_add(f.i32_load(part.get(), 2 * WORD), f.i32_const(1)));
              f.br(skip);
            });
            const bytes = f.i32_mul(f.i32_wrap_i64(index.get()), f.i32_load(part.get(), WORD));
            place.set(f.i32_add(bytes, place.get()));
            advance(f, first, size);
            advance(f, part, 3 * WORD);
            f.br_if(again, left.tee(f.i32_sub(left.get(), f.i32_const(1))));
          });
        });
        const row = keep(f, f.i32_add(word('list'), f.i32_mul(at.get(), word('row'))));
        const [to, from] = way === 'gather' ? [row, place] : [place, row];
        f.call(copy, to.get(), from.get(), word('row'));
      });
      advance(f, at, 1);
      f.br_if(next, f.i32_lt_u(at.get(), end.get()));
    });
  };
}
