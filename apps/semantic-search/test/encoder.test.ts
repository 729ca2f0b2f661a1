import { load } from 'espalier';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Encoder, embed } from '../src/encoder.ts';
import { modelPath, readVocabulary } from '../src/model.ts';
import { nearest } from '../src/search.ts';
import { sentences } from '../src/sentences.ts';
import { createTokenizer } from '../src/tokenizer.ts';

let encoder: Encoder;
beforeAll(async () => {
  encoder = { session: await load(modelPath), tokenize: createTokenizer(await readVocabulary()) };
});
afterAll(() => encoder.session.dispose());

test('gives the vectors that tfjs gives', async () => {
  // @energetic-ai/embeddings 0.2.0 (tfjs 4.5): the first numbers of each vector.
  const expected: Record<string, readonly number[]> = {
    'That is a happy person': [0.054294497, 0.046935309, 0.057794932, 0.05826756],
    'That is a very happy person': [0.051414024, 0.045336809, 0.056421209, 0.057665702],
    'Today is a sunny day': [-0.060952723, -0.032554429, -0.007559522, -0.000752675],
    'How do I bake bread at home?': [-0.035628051, 0.035611324, -0.05751358, -0.058056831],
  };
  const vectors = await embed(encoder, Object.keys(expected));
  for (const [i, numbers] of Object.values(expected).entries()) {
    expect(vectors[i]!.length).toBe(512);
    expect(Math.hypot(...vectors[i]!)).toBeCloseTo(1, 5);
    for (const [at, number] of numbers.entries()) expect(Math.abs(vectors[i]![at]! - number)).toBeLessThan(1e-5);
  }
});

test('finds the sentence that is meant', async () => {
  const some = sentences.filter((sentence, i) => i % 20 === 0 || /password|yeast|lost the match/.test(sentence));
  const vectors = await embed(encoder, some);
  const questions = {
    'How can I protect my account from hackers?': 'Use a different password for every account.',
    'What makes a baking dough grow?': 'Bread rises because yeast turns sugar into gas.',
    'The team was defeated shortly before the end.': 'Our team lost the match in the last minute.',
  };
  const queries = await embed(encoder, Object.keys(questions));
  const answers = queries.map((query) => some[nearest(query, vectors, 1)[0]!.index]);
  expect(answers).toEqual(Object.values(questions));
});

test('gives each sentence the same vector alone and in any company', async () => {
  const texts = ['Gold does not rust.', 'The lift is broken, so we have to take the stairs.', 'Rain'];
  const progress: number[] = [];
  const together = await embed(encoder, texts, { onProgress: (done) => progress.push(done) });
  expect(progress).toEqual([3]);
  for (const [i, text] of texts.entries()) {
    const [alone] = await embed(encoder, [text]);
    alone!.forEach((value, at) => {
      expect(Math.abs(value - together[i]![at]!)).toBeLessThan(1e-5);
    });
  }
});

test('refuses a sentence without text', async () => {
  await expect(embed(encoder, ['Rain', ''])).rejects.toThrow(TypeError);
  expect(await embed(encoder, [])).toEqual([]);
});

test('has a few hundred sentences, each once', () => {
  expect(sentences.length).toBeGreaterThan(300);
  expect(new Set(sentences).size).toBe(sentences.length);
  expect(sentences.every((sentence) => /^\S.*\.$/.test(sentence))).toBe(true);
});
