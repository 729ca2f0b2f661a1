/** TfIdfVectorizer: counts of n-grams. */

import { type Call, type HostKernel, Tensor } from '@espalier/core';
import { define } from '../define.ts';

/** Where in the output each n-gram of the pool is counted, by its items; and its weight. */
function poolOf({ attrs }: Call): Map<string, { index: number; weight: number }> {
  const items = (attrs.pool_strings ?? attrs.pool_int64s) as readonly (string | number)[];
  const starts = attrs.ngram_counts as readonly number[];
  const indexes = attrs.ngram_indexes as readonly number[];
  const weights = attrs.weights as readonly number[] | undefined;
  const pool = new Map<string, { index: number; weight: number }>();
  let id = 0;
  starts.forEach((start, i) => {
    const end = starts[i + 1] ?? items.length;
    for (let at = start; at + i < end && id < indexes.length; at += i + 1, id++)
      pool.set(JSON.stringify(items.slice(at, at + i + 1).map(String)), {
        index: indexes[id],
        weight: weights?.[id] ?? 1,
      });
  });
  return pool;
}

function* tfIdf(call: Call, [x]: readonly (Tensor | undefined)[]): Generator<void, readonly Tensor[]> {
  const { attrs } = call;
  const pool = poolOf(call);
  const length = (attrs.ngram_indexes as readonly number[]).reduce((a, b) => Math.max(a, b)) + 1;
  const [rows, columns] = x!.dims.length === 1 ? [1, x!.dims[0]] : x!.dims;
  const items = Array.from(x!.data as ArrayLike<number | bigint | string>, String);
  const output = new Float32Array(rows * length);
  const [low, high, skips] = [attrs.min_gram_length, attrs.max_gram_length, attrs.max_skip_count] as number[];
  for (let row = 0; row < rows; row++) {
    for (let n = low; n <= Math.min(high, columns); n++) {
      // Single items have nothing between them to skip.
      for (let step = 1; step <= (n === 1 ? 1 : skips + 1) && (n - 1) * step < columns; step++) {
        yield;
        for (let start = 0; start + (n - 1) * step < columns; start++) {
          const gram = Array.from({ length: n }, (_, i) => items[row * columns + start + i * step]);
          const found = pool.get(JSON.stringify(gram));
          if (!found) continue;
          const at = row * length + found.index;
          if (attrs.mode === 'TF') output[at]++;
          else if (attrs.mode === 'TFIDF') output[at] += found.weight;
          else output[at] = found.weight;
        }
      }
    }
  }
  return [new Tensor('float32', output, [...x!.dims.slice(0, -1), length])];
}

export const vectorizers: readonly HostKernel[] = [define({ op: 'TfIdfVectorizer', evaluate: tfIdf })];
