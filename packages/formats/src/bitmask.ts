/** `bitmask`: a bit for each element, and the values of those that are not zero. */

import type { Format, Tensor, TypedArray } from '@espalier/core';
import { spans } from './blocks.ts';
import { decode, type Encoded, type EncodeOptions, encode } from './encoded.ts';
import { check, emptyWords, fromWords, wordsIn } from './words.ts';

export interface Bitmask extends Encoded {
  /** Bit `i % 8` of byte `i >> 3` is 1 where element `i`, row by row, is not zero. */
  readonly mask: Uint8Array;
  readonly values: TypedArray;
}

const format: Format = { name: 'bitmask', levels: [{ kind: 'dense' }, { kind: 'bitmask' }] };

export const bitmask = {
  /** @throws TypeError for strings */
  encode: (tensor: Tensor, options: EncodeOptions = {}): Promise<Bitmask> =>
    encode(tensor, options, function* ({ type, dims, matrices, words, flags }) {
      const mask = new Uint8Array(Math.ceil(words.length / 8));
      const values = emptyWords(type, countOf(flags));
      let used = 0;
      for (const [from, to] of spans(words.length)) {
        for (let i = from; i < to; i++) {
          if (flags[i] === 0) continue;
          mask[i >> 3]! |= 1 << (i & 7);
          values[used++] = words[i]!;
        }
        yield;
      }
      return { format, type, dims, matrices, mask, values: fromWords(type, values) };
    }),

  /** @throws EspalierError `BAD_INPUT` where its parts do not fit each other */
  decode: (encoded: Bitmask): Promise<Tensor> =>
    decode(encoded, function* (words) {
      const { type, mask } = encoded;
      check(mask.length === Math.ceil(words.length / 8), `it has no bit for each of ${words.length} elements`);
      let nonzeros = 0;
      for (let i = 0; i < words.length; i++) nonzeros += (mask[i >> 3]! >> (i & 7)) & 1;
      const values = wordsIn(type, encoded.values, nonzeros);
      let used = 0;
      for (const [from, to] of spans(words.length)) {
        for (let i = from; i < to; i++) if ((mask[i >> 3]! >> (i & 7)) & 1) words[i] = values[used++]!;
        yield;
      }
    }),
};

/** How many flags are set. */
export function countOf(flags: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < flags.length; i++) count += flags[i]!;
  return count;
}
