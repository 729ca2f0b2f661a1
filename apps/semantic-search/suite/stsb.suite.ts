// How well the encoder's cosines agree with what people say of the likeness of sentences: STS benchmark, its dev set.
import { readFileSync } from 'node:fs';
import { fixtureTest } from '@espalier/fixtures';
import { load } from 'espalier';
import { describe, expect } from 'vitest';
import { embed } from '../src/encoder.ts';
import { modelPath, readVocabulary } from '../src/model.ts';
import { createTokenizer } from '../src/tokenizer.ts';

const DATA = 'data/stsb-en-dev.csv';
/** What tfjs (@energetic-ai/embeddings 0.2.0) reaches on its 1,500 pairs. */
const EXPECTED = 0.782647;

describe('STS benchmark', () => {
  fixtureTest(
    `Pearson's r of ${DATA} is tfjs's`,
    [DATA],
    async (file) => {
      const pairs = parseCsv(readFileSync(file!, 'utf8'));
      expect(pairs.length).toBe(1500);
      const tokenize = createTokenizer(await readVocabulary());
      await using session = await load(modelPath);
      const vectors = await embed(
        { session, tokenize },
        pairs.flatMap(([a, b]) => [a!, b!]),
      );
      const cosines = pairs.map((_, i) => cosine(vectors[2 * i]!, vectors[2 * i + 1]!));
      const judged = pairs.map((pair) => Number(pair[2]));
      expect(pearson(cosines, judged)).toBeCloseTo(EXPECTED, 5);
    },
    900_000,
  );
});

/** Lines of fields, some in quotes in which quotes are doubled (RFC 4180). */
function parseCsv(text: string): string[][] {
  return text
    .trimEnd()
    .split(/\r?\n/)
    .map((line) =>
      Array.from(line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g), ([, quoted, plain]) =>
        quoted === undefined ? plain! : quoted.replaceAll('""', '"'),
      ),
    );
}

function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, i) => sum + x * b[i]!, 0);
}

function pearson(x: readonly number[], y: readonly number[]): number {
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  const [dx, dy] = [x.map((v) => v - mx), y.map((v) => v - my)];
  const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
  return dot(dx, dy) / Math.sqrt(dot(dx, dx) * dot(dy, dy));
}
