/** Sentences: MiniLM with int8 weights against onnxruntime-node and people's judgement of similarity (STS-B). */

import { readFileSync } from 'node:fs';
import { fixtureTest } from '@espalier/fixtures';
import { distance, type PeerSession, peerSession } from '@espalier/peers';
import { Tokenizer } from '@huggingface/tokenizers';
import { type Session, Tensor } from 'espalier';
import { expect } from 'vitest';
import { readCsv } from '../src/data.ts';
import { openModel } from '../src/open.ts';

const WIDTH = 384;
/** The scalar backend would need over five minutes for all 1,500 pairs. */
const PAIRS = 300;
const BATCH = 20;

function longs(rows: readonly (readonly number[])[], length: number, padding: number): Tensor {
  const data = rows.flatMap((row) => [...row, ...new Array<number>(length - row.length).fill(padding)]);
  return new Tensor('int64', BigInt64Array.from(data, BigInt), [rows.length, length]);
}

function feedsOf(ids: readonly (readonly number[])[]): Record<string, Tensor> {
  const length = Math.max(...ids.map((row) => row.length));
  const ones = ids.map((row) => row.map(() => 1));
  return {
    input_ids: longs(ids, length, 0),
    attention_mask: longs(ones, length, 0),
    token_type_ids: longs(
      ids.map((row) => row.map(() => 0)),
      length,
      0,
    ),
  };
}

/** The mean over a sentence's tokens, of length 1. */
function pool(hidden: Tensor, ids: readonly (readonly number[])[]): Float64Array[] {
  const data = hidden.data as Float32Array;
  const length = hidden.dims[1]!;
  return ids.map((row, i) => {
    const mean = new Float64Array(WIDTH);
    for (let t = 0; t < row.length; t++)
      for (let c = 0; c < WIDTH; c++) mean[c]! += data[(i * length + t) * WIDTH + c]!;
    const norm = Math.hypot(...mean);
    return mean.map((x) => x / norm);
  });
}

const cosine = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

function pearson(x: readonly number[], y: readonly number[]): number {
  const mean = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
  const [mx, my] = [mean(x), mean(y)];
  const sum = (f: (i: number) => number): number => x.reduce((total, _, i) => total + f(i), 0);
  const dx = (i: number): number => x[i]! - mx;
  const dy = (i: number): number => y[i]! - my;
  return sum((i) => dx(i) * dy(i)) / Math.sqrt(sum((i) => dx(i) ** 2) * sum((i) => dy(i) ** 2));
}

class Encoder {
  worst = 0;
  private readonly tokenizer: Tokenizer;
  private readonly session: Session;
  private readonly peer: PeerSession;

  constructor(tokenizer: Tokenizer, session: Session, peer: PeerSession) {
    this.tokenizer = tokenizer;
    this.session = session;
    this.peer = peer;
  }

  static async open(model: string, tokenizer: string): Promise<Encoder> {
    return new Encoder(
      new Tokenizer(JSON.parse(readFileSync(tokenizer, 'utf8')), {}),
      await openModel(model),
      await peerSession(model),
    );
  }

  ids(sentence: string): number[] {
    return Array.from(this.tokenizer.encode(sentence).ids, Number);
  }

  async encode(sentences: readonly string[]): Promise<Float64Array[]> {
    const ids = sentences.map((sentence) => this.ids(sentence));
    const feeds = feedsOf(ids);
    const { last_hidden_state: hidden } = await this.session.run(feeds);
    this.worst = Math.max(this.worst, distance(hidden!, (await this.peer.run(feeds)).last_hidden_state!));
    return pool(hidden!, ids);
  }
}

fixtureTest(
  'MiniLM: known sentences have their known vectors and cosines',
  ['models/minilm-l6-v2_int8w.onnx', 'models/minilm-l6-v2_tokenizer.json'],
  async (model, tokenizer) => {
    const encoder = await Encoder.open(model!, tokenizer!);
    expect(encoder.ids('That is a happy person')).toEqual([101, 2008, 2003, 1037, 3407, 2711, 102]);
    const [happy, very, sunny] = await encoder.encode([
      'That is a happy person',
      'That is a very happy person',
      'Today is a sunny day',
    ]);
    for (const [i, x] of [-0.038858, 0.091281, 0.052297, -0.034371].entries()) expect(happy![i]!).toBeCloseTo(x, 4);
    expect(cosine(happy!, very!)).toBeCloseTo(0.941746, 4);
    expect(cosine(happy!, sunny!)).toBeCloseTo(0.26079, 4);
    expect(encoder.worst).toBeLessThan(1e-4);
  },
);

fixtureTest(
  `MiniLM: similarity of the first ${PAIRS} pairs of STS-B, each vector as onnxruntime has it`,
  ['models/minilm-l6-v2_int8w.onnx', 'models/minilm-l6-v2_tokenizer.json', 'data/stsb-en-dev.csv'],
  async (model, tokenizer, csv) => {
    const encoder = await Encoder.open(model!, tokenizer!);
    const pairs = readCsv(csv!).slice(0, PAIRS);
    const cosines: number[] = [];
    for (let from = 0; from < pairs.length; from += BATCH) {
      const part = pairs.slice(from, from + BATCH);
      const vectors = await encoder.encode(part.flatMap(([a, b]) => [a!, b!]));
      part.forEach((_, i) => void cosines.push(cosine(vectors[2 * i]!, vectors[2 * i + 1]!)));
    }
    const correlation = pearson(
      cosines,
      pairs.map(([, , score]) => Number(score)),
    );
    console.log(
      `minilm: Pearson ${correlation.toFixed(4)} over ${pairs.length} pairs, at most ${encoder.worst.toExponential(1)} from onnxruntime`,
    );
    expect(encoder.worst).toBeLessThan(1e-4);
    expect(correlation).toBeGreaterThan(0.85);
  },
);
