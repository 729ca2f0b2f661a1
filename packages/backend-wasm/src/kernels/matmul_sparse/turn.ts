/** Emits what turns rows of activations into panels of tokens: one word of 32 bits of each token after the other, word by word along K. */

import type { Local } from '@espalier/wasm';
import type { Emit } from '../../code.ts';
import { type V128, Vectors } from '../../vectors.ts';
import { advance, keep, limit, repeat, wordsAt } from '../arguments.ts';
import { type Square, turned } from '../square.ts';
import { PITCH, TOKENS } from './pack.ts';

export interface Turn {
  /** Words are two numbers of 16 bits, each of which gets a line of its own. */
  readonly areHalves: boolean;
}

/** Where from, rows, their words, where to. */
export const turnWords = ['from', 'rows', 'words', 'to'] as const;

/** A unit is a panel. */
export const emitTurn: Emit<Turn> =
  (_, { areHalves }) =>
  (f, args, unit) => {
    const v = new Vectors(f, false);
    const word = wordsAt(f, args, turnWords);
    const words = keep(f, word('words'));
    const pitch = keep(f, f.i32_shl(words.get(), f.i32_const(2)));
    const first = keep(f, f.i32_mul(unit.get(), f.i32_const(TOKENS)));
    const last = keep(f, f.i32_sub(word('rows'), f.i32_const(1)));
    const panel = keep(f, f.i32_add(word('to'), f.i32_mul(unit.get(), f.i32_mul(words.get(), f.i32_const(PITCH)))));
    // Tokens that are not there repeat the last.
    const rowOf = (token: Local<'i32'>, i: number): Local<'i32'> => {
      const row = keep(f, f.i32_add(f.i32_add(first.get(), token.get()), f.i32_const(i)));
      limit(f, row, last);
      return keep(f, f.i32_add(word('from'), f.i32_mul(row.get(), pitch.get())));
    };
    /** Tokens whose words become vectors. */
    const step = areHalves ? 8 : 4;
    const token = keep(f, f.i32_const(0));
    f.loop((again) => {
      const to = keep(f, f.i32_add(panel.get(), f.i32_mul(token.get(), f.i32_const(areHalves ? 2 : 4))));
      const rows = Array.from({ length: step }, (_, i) => rowOf(token, i));
      const left = keep(f, words.get());
      const squareOf = (from: number): Square =>
        turned(v, rows.slice(from, from + 4).map((row) => v.keep(() => f.v128_load(row.get()))) as unknown as Square);
      const pick = (x: V128, y: V128, order: readonly number[]) => f.i8x16_shuffle(x.get(), y.get(), order);
      repeat(f, left, 4, () => {
        const columns = squareOf(0);
        if (areHalves)
          for (const [i, other] of squareOf(4).entries()) {
            f.v128_store(to.get(), pick(columns[i]!, other, EVEN), PITCH * i);
            f.v128_store(to.get(), pick(columns[i]!, other, ODD), PITCH * i + PITCH / 2);
          }
        else for (const [i, column] of columns.entries()) f.v128_store(to.get(), column.get(), PITCH * i);
        for (const row of rows) advance(f, row, 16);
        advance(f, to, 4 * PITCH);
      });
      repeat(f, left, 1, () => {
        for (const [i, row] of rows.entries())
          if (areHalves) {
            f.i32_store16(to.get(), f.i32_load16_u(row.get()), 2 * i);
            f.i32_store16(to.get(), f.i32_load16_u(row.get(), 2), 2 * i + PITCH / 2);
          } else f.i32_store(to.get(), f.i32_load(row.get()), 4 * i);
        for (const row of rows) advance(f, row, 4);
        advance(f, to, PITCH);
      });
      advance(f, token, step);
      const isMore = keep(f, f.i32_le_u(f.i32_add(first.get(), token.get()), last.get()));
      f.br_if(again, f.i32_and(f.i32_lt_u(token.get(), f.i32_const(TOKENS)), isMore.get()));
    });
  };

const halves = (from: number): number[] => Array.from({ length: 8 }, (_, i) => [4 * i + from, 4 * i + from + 1]).flat();
const EVEN = /* @__PURE__ */ halves(0);
const ODD = /* @__PURE__ */ halves(2);
