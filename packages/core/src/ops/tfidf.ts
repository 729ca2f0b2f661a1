/** TfIdfVectorizer: counts of n-grams. */

import type { Inference } from '../schema.ts';
import { attr, op, params, schemas } from './define.ts';

function infer(c: Inference): void {
  const shape = c.shape(0);
  if (shape.length !== 1 && shape.length !== 2) c.fail(`takes an input of 1 or 2 axes, not ${shape.length}`);
  const indexes = c.ints('ngram_indexes');
  if (indexes.length === 0 || indexes.some((i) => i < 0)) c.fail('its ngram_indexes must be a list of numbers >= 0');
  const hasStrings = c.attrs.pool_strings !== undefined;
  if (hasStrings === (c.attrs.pool_int64s !== undefined)) c.fail('needs either pool_strings or pool_int64s');
  if (hasStrings !== (c.input(0).dtype === 'string')) c.fail(`looks for ${hasStrings ? 'strings' : 'numbers'}`);
  if (!['TF', 'IDF', 'TFIDF'].includes(c.string('mode')))
    c.fail(`its mode "${c.string('mode')}" is not TF, IDF or TFIDF`);
  const [low, high, skips] = [c.int('min_gram_length'), c.int('max_gram_length'), c.int('max_skip_count')];
  if (low < 1 || high < low || skips < 0) c.fail(`looks for n-grams of ${low} to ${high} with ${skips} skips`);
  const counts = c.ints('ngram_counts');
  if (counts.some((start, i) => start < (counts[i - 1] ?? 0))) c.fail(`its ngram_counts [${counts}] do not ascend`);
  const weights = c.attrs.weights as readonly number[] | undefined;
  if (weights && weights.length !== indexes.length)
    c.fail(`has ${weights.length} weights for ${indexes.length} n-grams`);
  const length = indexes.reduce((a, b) => Math.max(a, b)) + 1;
  c.output(0, [...shape.slice(0, -1), length]);
}

export const tfIdf = schemas(() => [
  op('TfIdfVectorizer', [9], {
    types: { T: ['string', 'int32', 'int64'] },
    outputs: params('Y:float32'),
    attributes: {
      max_gram_length: attr.required('int'),
      max_skip_count: attr.required('int'),
      min_gram_length: attr.required('int'),
      mode: attr.required('string'),
      ngram_counts: attr.required('ints'),
      ngram_indexes: attr.required('ints'),
      pool_int64s: attr.ints(),
      pool_strings: { type: 'strings' },
      weights: { type: 'floats' },
    },
    infer,
  }),
]);
