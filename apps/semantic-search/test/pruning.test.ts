import { expect, test } from 'vitest';
import { readVocabulary } from '../src/model.ts';
import { comparePruned, correlation } from '../src/pruning.ts';
import { sentences } from '../src/sentences.ts';
import { createTokenizer } from '../src/tokenizer.ts';

test('the more zeros, the less a copy agrees', async () => {
  const some = sentences.filter((_, i) => i % 40 === 0);
  const copies = await comparePruned(createTokenizer(await readVocabulary()), some, [0, 0.5, 0.9]);
  const [whole, half, tenth] = copies.map(({ agreement }) => agreement);
  expect(whole).toBeCloseTo(1, 10);
  expect(half).toBeGreaterThan(0.5);
  expect(half).toBeLessThan(0.9999);
  expect(tenth).toBeLessThan(half!);
  for (const { milliseconds, inProducts, products, sparse } of copies) {
    expect(products).toBeGreaterThan(0);
    expect(sparse).toBeLessThanOrEqual(products);
    expect(inProducts).toBeGreaterThan(0);
    expect(inProducts).toBeLessThan(milliseconds);
  }
  expect(copies[0]!.sparse).toBe(0);
}, 60_000);

test('correlation', () => {
  const x = Float64Array.of(1, 2, 3, 4);
  expect(correlation(x, Float64Array.of(10, 20, 30, 40))).toBeCloseTo(1, 12);
  expect(correlation(x, Float64Array.of(4, 3, 2, 1))).toBeCloseTo(-1, 12);
  expect(correlation(x, Float64Array.of(1, -1, -1, 1))).toBeCloseTo(0, 12);
});
