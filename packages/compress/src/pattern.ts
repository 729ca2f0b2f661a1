/** Patterns of zeros, by their names. */

import type { BlockShape } from '@espalier/formats';

/** `RxC`: blocks of R outputs by C consecutive inputs. `N:M`: of M consecutive inputs of an output at most N stay. */
export type PatternName = `${number}x${number}` | `${number}:${number}`;

export type Pattern = BlockShape | { readonly keep: number; readonly of: number };

/** @throws TypeError for what is neither `RxC` nor `N:M` */
export function parsePattern(text: string): Pattern {
  const [, first, sign, second] = /^([1-9]\d{0,5})([x:])([1-9]\d{0,5})$/.exec(text) ?? [];
  const [a, b] = [Number(first), Number(second)];
  if (sign === 'x') return { rows: a, columns: b };
  if (sign === ':' && a < b) return { keep: a, of: b };
  throw new TypeError(`"${text}" is no block shape: write 1x1, 1x4, 16x4 or 2:4`);
}
