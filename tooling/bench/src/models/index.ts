/** The models that can be timed, and what they are fed. */

import { bindShape, type DType, type Graph, sizeOf, Tensor, toFloat16 } from '@espalier/core';
import { type BertShape, bert, bertBase, miniLm } from './bert.ts';
import { mobileNetV2, resNet50 } from './convolutional.ts';
import { type LlamaShape, llama, tinyLlama } from './llama.ts';
import { normals, uniform } from './random.ts';

export type Sizes = Readonly<Record<string, number>>;
export type Feeds = Readonly<Record<string, Tensor>>;

export interface Feeding {
  /** What open sizes are when nobody says otherwise. */
  readonly sizes: Sizes;
  /** Token ids are from 0 up to below this. */
  readonly vocabulary?: number;
  /** Other integers that are not all 0: from the first up to below the second, by the name of the input. */
  readonly integers?: Readonly<Record<string, readonly [number, number]>>;
}

export interface BenchModel extends Feeding {
  readonly about: string;
  /** @param layers how many of its layers; all when absent */
  build(layers?: number): Graph;
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
export function feedsFor({ inputs }: Pick<Graph, 'inputs'>, feeding: Feeding): Feeds {
  return Object.fromEntries(
    inputs.map(({ name, dtype, shape }) => {
      const dims = bindShape(shape, feeding.sizes);
      return [name, feed(name, dtype, dims, feeding)];
    }),
  );
}

function feed(
  name: string,
  dtype: DType,
  dims: readonly number[],
  { sizes, vocabulary = 2, integers }: Feeding,
): Tensor {
  const size = sizeOf(dims);
  if (dtype === 'float32') return new Tensor('float32', normals(name, size, 1), dims);
  if (dtype === 'float16') return new Tensor('float16', Uint16Array.from(normals(name, size, 1), toFloat16), dims);
  const next = uniform(name);
  const [least, below] = integers?.[name] ?? [0, 1];
  const element = (i: number): number => {
    if (integers?.[name]) return least + Math.floor(next() * (below - least));
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
