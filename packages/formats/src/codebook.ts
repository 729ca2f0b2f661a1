/** `codebook`: the few values that a tensor has, and for each element which of them it is. */

import { EspalierError, type Format, readNibble, type Tensor, type TypedArray, writeNibble } from '@espalier/core';
import { spans } from './blocks.ts';
import { decode, type Encoded, type EncodeOptions, encode } from './encoded.ts';
import { check, emptyWords, fromWords, type Words, wordsIn } from './words.ts';

/** A byte tells so many values apart. */
export const MOST_VALUES = 256;
const NIBBLE_VALUES = 16;

/** Lossless: values differ where their bits do. */
export interface Codebook extends Encoded {
  /** Bits of an index: 4 for at most sixteen values (two to a byte, low half first), else 8. */
  readonly bits: 4 | 8;
  readonly indices: Uint8Array;
  /** How many values there are. */
  readonly size: number;
  /** In the order in which they come first. */
  readonly values: TypedArray;
}

const format: Format = { name: 'codebook', levels: [{ kind: 'dense' }, { kind: 'dense' }] };

export const codebook = {
  /**
   * @throws TypeError for strings
   * @throws EspalierError `BAD_INPUT` for a tensor of more than 256 different values
   */
  encode: (tensor: Tensor, options: EncodeOptions = {}): Promise<Codebook> =>
    encode(tensor, options, function* ({ type, dims, matrices, words }) {
      const found = yield* distinctWords(words);
      if (!found)
        throw new EspalierError('BAD_INPUT', `a codebook has at most ${MOST_VALUES} values: this tensor has more`);
      const size = found.size;
      const values = emptyWords(type, size);
      for (const [word, index] of found) values[index] = word;
      const bits = size <= NIBBLE_VALUES ? 4 : 8;
      const indices = new Uint8Array(bits === 4 ? Math.ceil(words.length / 2) : words.length);
      for (const [from, to] of spans(words.length)) {
        for (let i = from; i < to; i++) {
          const index = found.get(words[i]!)!;
          if (bits === 4) writeNibble(indices, i, index);
          else indices[i] = index;
        }
        yield;
      }
      return { format, type, dims, matrices, bits, indices, size, values: fromWords(type, values) };
    }),

  /** @throws EspalierError `BAD_INPUT` where its parts do not fit each other */
  decode: (encoded: Codebook): Promise<Tensor> =>
    decode(encoded, function* (words) {
      const { type, bits, indices, size } = encoded;
      const values = wordsIn(type, encoded.values, size);
      const stored = bits === 4 ? Math.ceil(words.length / 2) : words.length;
      check(indices.length === stored, `it has no index for each of ${words.length} elements`);
      for (const [from, to] of spans(words.length)) {
        for (let i = from; i < to; i++) {
          const index = bits === 4 ? readNibble(indices, i, false) : indices[i]!;
          check(index < size, `index ${i} is ${index}`);
          words[i] = values[index]!;
        }
        yield;
      }
    }),
};

/** Each word that there is, numbered as they come; undefined where there are more than a codebook holds. */
export function* distinctWords(words: Words): Generator<void, Map<number | bigint, number> | undefined> {
  const found = new Map<number | bigint, number>();
  let last: number | bigint | undefined;
  for (const [from, to] of spans(words.length)) {
    for (let i = from; i < to; i++) {
      const word = words[i]!;
      if (word === last) continue;
      last = word;
      if (found.has(word)) continue;
      if (found.size === MOST_VALUES) return undefined;
      found.set(word, found.size);
    }
    yield;
  }
  return found;
}
