// Turns sentences into vectors of length 1: those of similar meaning point in similar directions.
import { type NodeTiming, type Session, Tensor } from 'espalier';
import type { Encode } from './tokenizer.ts';

/** Sentences encoded at once. */
const BATCH = 32;

/** A session of the sentence encoder with its tokenizer. */
export interface Encoder {
  readonly session: Session;
  readonly tokenize: Encode;
}

export interface EmbedOptions {
  readonly signal?: AbortSignal;
  /** Told how many sentences are done. */
  onProgress?(done: number): void;
  /** Told what each node took. */
  onNode?(timing: NodeTiming): void;
}

/**
 * One vector of 512 numbers for each sentence, in order.
 * @throws TypeError for a sentence without any text
 */
export async function embed(
  { session, tokenize }: Encoder,
  sentences: readonly string[],
  { signal, onProgress, onNode }: EmbedOptions = {},
): Promise<Float32Array[]> {
  const rows = sentences.map((sentence, index) => ({ index, ids: tokenize(sentence) }));
  if (rows.some(({ ids }) => ids.length === 0)) throw new TypeError('a sentence without text has no meaning to encode');
  // The encoder pads a batch to its longest sentence: sentences of like length together waste least.
  rows.sort((a, b) => a.ids.length - b.ids.length);
  const vectors = new Array<Float32Array>(rows.length);
  for (let from = 0; from < rows.length; from += BATCH) {
    const batch = rows.slice(from, from + BATCH);
    const result = await session.run(feedsOf(batch.map(({ ids }) => ids)), session.outputNames, {
      ...(signal ? { signal } : {}),
      ...(onNode ? { onNode } : {}),
    });
    const { data, dims } = result[session.outputNames[0]!]!;
    batch.forEach(({ index }, row) => {
      vectors[index] = (data as Float32Array).slice(row * dims[1]!, (row + 1) * dims[1]!);
    });
    onProgress?.(from + batch.length);
  }
  return vectors;
}

/** The ids as the encoder wants them: a sparse matrix, row by row, of (sentence, position) and id. */
function feedsOf(batch: readonly (readonly number[])[]): Record<string, Tensor> {
  const values = batch.flat();
  const indices = batch.flatMap((ids, row) => ids.flatMap((_, position) => [row, position]));
  return { indices: new Tensor('int32', indices, [values.length, 2]), values: new Tensor('int32', values) };
}
