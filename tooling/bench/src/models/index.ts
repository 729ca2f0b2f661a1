/** The models that can be timed, and what they are fed. */

import { bindShape, type DType, type Graph, sizeOf, Tensor } from '@espalier/core';
import { type BertShape, bert, bertBase, miniLm } from './bert.ts';
import { mobileNetV2, resNet50 } from './convolutional.ts';
import { type LlamaShape, llama, tinyLlama } from './llama.ts';
import { normals, uniform } from './random.ts';

export type Sizes = Readonly<Record<string, number>>;
export type Feeds = Readonly<Record<string, Tensor>>;

export interface BenchModel {
  readonly about: string;
  /** @param layers how many of its layers; all when absent */
  build(layers?: number): Graph;
  /** What its open sizes are when nobody says otherwise. */
  readonly sizes: Sizes;
  /** Integer inputs that are not all 0 or 1: from 0 up to below this. */
  readonly vocabulary?: number;
}

const encoder = (name: string, shape: BertShape, about: string): BenchModel => ({
  about,
  build: (layers = shape.layers) => bert(name, { ...shape, layers }),
  sizes: { batch: 1, seq: 128 },
  vocabulary: shape.vocabulary,
});

const decoder = (name: string, shape: LlamaShape, about: string): BenchModel => ({
  about,
  build: (layers = shape.layers) => llama(name, { ...shape, layers }),
  sizes: { batch: 1, seq: 1, past: 127 },
});

export const models: Readonly<Record<string, BenchModel>> = {
  bert: encoder('bert', bertBase, 'BERT-base: 12 layers of 768 channels, 128 tokens'),
  minilm: encoder('minilm', miniLm, 'MiniLM-L6: 6 layers of 384 channels, 128 tokens'),
  llama: decoder('llama', tinyLlama, 'four decoder layers of a 1.1B Llama: one token after 127'),
  resnet50: {
    about: 'ResNet-50: 224 x 224 pixels',
    build: (stages) => resNet50('resnet50', { size: 224, ...(stages ? { stages } : {}) }),
    sizes: { batch: 1 },
  },
  mobilenetv2: {
    about: 'MobileNetV2: 224 x 224 pixels',
    build: (stages) => mobileNetV2('mobilenetv2', { size: 224, ...(stages ? { stages } : {}) }),
    sizes: { batch: 1 },
  },
};

/**
 * Feeds for a graph, the same every time: floats normally distributed, token ids anywhere in the vocabulary, positions that
 * follow the past, masks of ones, all other integers 0.
 * @throws EspalierError `BAD_INPUT` where a size is open
 */
export function feedsFor({ inputs }: Pick<Graph, 'inputs'>, sizes: Sizes, vocabulary = 2): Feeds {
  return Object.fromEntries(
    inputs.map(({ name, dtype, shape }) => {
      const dims = bindShape(shape, sizes);
      return [name, feed(name, dtype, dims, sizes, vocabulary)];
    }),
  );
}

function feed(name: string, dtype: DType, dims: readonly number[], sizes: Sizes, vocabulary: number): Tensor {
  const size = sizeOf(dims);
  if (dtype === 'float32') return new Tensor('float32', normals(name, size, 1), dims);
  const next = uniform(name);
  const element = (i: number): number => {
    if (/mask/.test(name)) return 1;
    if (/position/.test(name)) return (sizes['past'] ?? 0) + (i % dims.at(-1)!);
    return /ids$/.test(name) && !/type/.test(name) ? Math.floor(next() * vocabulary) : 0;
  };
  return new Tensor(
    dtype,
    Array.from({ length: size }, (_, i) => element(i)),
    dims,
  );
}
