/** Magnitudes of weights: what pruning goes by. */

import {
  dtypes,
  elements,
  float16Values,
  fromBFloat16,
  type Graph,
  readNibble,
  sizeOf,
  type Tensor,
} from '@espalier/core';
import { type BlockShape, gridOf, spans, visitBlocks, type Weight } from '@espalier/formats';

/** Scales of integers along an axis; one for all where there is one. */
interface Scales {
  readonly values: readonly number[];
  /** Elements between neighbours along the axis. */
  readonly step: number;
}

/** What the integers of a weight are multiplied by; undefined where they do not stand for multiples of it: where zero is not 0, or unknown. */
export function scalesOf(graph: Graph, { tensor, dequantize }: Weight): Scales | undefined {
  if (!dequantize) return dtypes[tensor.type].kind === 'float' ? { values: [1], step: 1 } : undefined;
  const [, scaleName = '', zeroName = ''] = dequantize.inputs;
  const scale = graph.constants.get(scaleName);
  const zero = zeroName === '' ? undefined : graph.constants.get(zeroName);
  const isSymmetric = zeroName === '' || (zero && elements(zero).every((x) => Number(x) === 0));
  if (!scale || !isSymmetric || dequantize.attrs['block_size']) return undefined;
  return { values: elements(scale).map((x) => Math.abs(Number(x))), step: stepOf(tensor, dequantize.attrs['axis']) };
}

function stepOf({ dims }: Tensor, axis: unknown): number {
  const at = typeof axis === 'number' ? axis : 1;
  return sizeOf(dims.slice((at < 0 ? at + dims.length : at) + 1));
}

/** The magnitude of each element, in the order of the tensor. NaN is larger than all. */
export function* magnitudesOf({ tensor }: Weight, { values, step }: Scales): Generator<void, Float32Array> {
  const magnitudes = new Float32Array(tensor.size);
  const read = readerOf(tensor);
  for (const [from, to] of spans(tensor.size)) {
    for (let i = from; i < to; i++) {
      const scale = values.length === 1 ? values[0]! : values[Math.floor(i / step) % values.length]!;
      magnitudes[i] = Math.abs(read(i)) * scale;
    }
    yield;
  }
  return magnitudes;
}

function readerOf(tensor: Tensor): (i: number) => number {
  const data = tensor.data as ArrayLike<number>;
  if (dtypes[tensor.type].bits === 4) return (i) => readNibble(tensor.bytes, i, tensor.type === 'int4');
  if (tensor.type === 'bfloat16') return (i) => fromBFloat16(data[i]!);
  if (tensor.type !== 'float16') return (i) => data[i]!;
  const halves = float16Values();
  return (i) => halves[data[i]!]!;
}

/** The mean magnitude of each block. */
export function* blockScores(
  { matrices }: Weight,
  shape: BlockShape,
  magnitudes: Float32Array,
): Generator<void, Float32Array> {
  const { down, across } = gridOf(matrices, shape);
  const scores = new Float32Array(down * across * matrices.starts.length);
  yield* visitBlocks(matrices, shape, (block, offset, stride, count) => {
    let sum = scores[block]!;
    for (let i = 0; i < count; i++) sum += magnitudes[offset + i * stride]!;
    scores[block] = sum;
  });
  const size = sizesOf(matrices, shape);
  for (const [from, to] of spans(scores.length)) {
    for (let block = from; block < to; block++) scores[block]! /= size(block);
    yield;
  }
  return scores;
}

/** How many elements a block has: fewer at the edges. */
export function sizesOf(matrices: Weight['matrices'], shape: BlockShape): (block: number) => number {
  const { rows, columns } = shape;
  const { down, across } = gridOf(matrices, shape);
  const [height, width] = [matrices.outputs - (down - 1) * rows, matrices.inputs - (across - 1) * columns];
  if (height === rows && width === columns) return () => rows * columns;
  return (block) => {
    const column = block % across;
    const row = Math.floor(block / across) % down;
    return (row === down - 1 ? height : rows) * (column === across - 1 ? width : columns);
  };
}
