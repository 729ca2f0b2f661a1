/** `nm`: of every M consecutive elements of a row N are stored, and where they stand: 2:4, 4:8. */

import { EspalierError, type Tensor, type TypedArray } from '@espalier/core';
import { decode, type Encoded, type EncodeOptions, encode } from './encoded.ts';
import { check, emptyWords, fromWords, wordsIn } from './words.ts';

export interface Nm extends Encoded {
  readonly n: number;
  readonly m: number;
  /** `n` for each group, ascending: which of its `m` elements are stored. Groups at the end of a row are filled up with zeros. */
  readonly coordinates: Uint8Array;
  readonly values: TypedArray;
}

export const nm = {
  /**
   * @throws TypeError for strings, and where not 1 <= n < m <= 256
   * @throws EspalierError `BAD_INPUT` for a tensor that has more than `n` nonzeros in a group
   */
  async encode(tensor: Tensor, { n, m }: { n: number; m: number }, options: EncodeOptions = {}): Promise<Nm> {
    checkPattern(n, m);
    return encode(tensor, options, function* ({ type, dims, matrices, rows, columns, words, flags }) {
      const groups = Math.ceil(columns / m);
      const values = emptyWords(type, rows * groups * n);
      const coordinates = new Uint8Array(rows * groups * n);
      let used = 0;
      for (let row = 0; row < rows; row++) {
        for (let first = 0; first < columns; first += m) {
          const isNonzero = (at: number): boolean => first + at < columns && flags[row * columns + first + at] === 1;
          let zeros = n;
          for (let at = 0; at < m; at++) if (isNonzero(at)) zeros--;
          if (zeros < 0)
            throw new EspalierError(
              'BAD_INPUT',
              `row ${row} is not ${n}:${m}: it has ${n - zeros} nonzeros from column ${first} on`,
            );
          for (let at = 0; at < m; at++) {
            if (!isNonzero(at) && zeros-- <= 0) continue;
            if (isNonzero(at)) values[used] = words[row * columns + first + at]!;
            coordinates[used++] = at;
          }
        }
        yield;
      }
      const format = { name: 'nm', levels: [{ kind: 'dense' }, { kind: 'nm', n, m }] } as const;
      return { format, type, dims, matrices, n, m, coordinates, values: fromWords(type, values) };
    });
  },

  /** @throws EspalierError `BAD_INPUT` where its parts do not fit each other */
  async decode(encoded: Nm): Promise<Tensor> {
    const { type, n, m, coordinates } = encoded;
    checkPattern(n, m);
    return decode(encoded, function* (words, columns) {
      const groups = Math.ceil(columns / m);
      const stored = (words.length / Math.max(1, columns)) * groups * n;
      check(coordinates.length === stored, `it has not ${stored} coordinates`);
      const values = wordsIn(type, encoded.values, stored);
      for (let row = 0, used = 0; used < stored; row++) {
        for (let first = 0; first < columns; first += m)
          for (let i = 0; i < n; i++, used++) {
            const at = coordinates[used]!;
            check(at < m, `coordinate ${used} is ${at}`);
            if (first + at < columns) words[row * columns + first + at] = values[used]!;
          }
        yield;
      }
    });
  },
};

function checkPattern(n: number, m: number): void {
  if (!(Number.isInteger(n) && Number.isInteger(m) && n >= 1 && n < m && m <= 256))
    throw new TypeError(`${n}:${m} is no pattern: write 2:4 or 4:8`);
}
