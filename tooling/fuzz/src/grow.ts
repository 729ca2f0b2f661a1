/** Grows a graph from choices: idioms of models and around them, over sizes that kernels find hard. */

import type { Case } from './case.ts';
import type { Source } from './choices.ts';
import { Grower, type Idiom } from './grower.ts';
import { choice, operand, pair, unary } from './idioms/elementwise.ts';
import { gather, integers, places, scatter, table } from './idioms/indices.ts';
import { attention, normalization, recurrent, residual, softmax } from './idioms/layers.ts';
import { halfProduct, product, variableProduct } from './idioms/products.ts';
import { dynamic, narrowWeights, quantized, quantizedPictures, quantizedProduct } from './idioms/quantized.ts';
import { cumulative, pieces, rearrange, reduction, transpose } from './idioms/shapes.ts';
import { convolution, pool, squares, transposedConvolution } from './idioms/windows.ts';

const MOST_NODES = 12;

const idioms: readonly Idiom[] = [
  unary,
  operand,
  product,
  pair,
  softmax,
  normalization,
  transpose,
  reduction,
  rearrange,
  pieces,
  gather,
  choice,
  variableProduct,
  quantized,
  dynamic,
  attention,
  recurrent,
  product,
  convolution,
  pool,
  narrowWeights,
  convolution,
  quantizedPictures,
  transposedConvolution,
  cumulative,
  places,
  scatter,
  table,
  integers,
  halfProduct,
  quantizedPictures,
  quantizedProduct,
  residual,
  squares,
];

export function growCase(source: Source): Case {
  const grower = new Grower(source);
  const count = 1 + source.below(MOST_NODES);
  for (let i = 0; i < count; i++) grower.grow(idioms);
  const { nodes, inputs, constants, bindings, seed, limits } = grower;
  const used = new Set(nodes.flatMap((node) => node.inputs));
  const open = nodes.flatMap((node) => node.outputs).filter((name) => !used.has(name));
  const outputs = open.length > 0 ? open : [inputs[0]!.name];
  return { graph: { name: 'fuzz', inputs, outputs, nodes, constants }, bindings, seed, limits };
}
