/** Sets weights of a graph to zero in a pattern: which ones is drawn at random, as the weights are. */

import { EspalierError, type Graph, type Node, Tensor } from '@espalier/core';
import { wordsOf } from './random.ts';

/** `RxC`: blocks of R outputs by C consecutive inputs. `N:M`: of M consecutive inputs of an output N stay. */
export type Block =
  | { readonly rows: number; readonly columns: number }
  | { readonly keep: number; readonly of: number };

/** @throws EspalierError `BAD_INPUT` for what is neither `RxC` nor `N:M` */
export function parseBlock(text: string): Block {
  const [, first, sign, second] = /^([1-9]\d*)([x:])([1-9]\d*)$/.exec(text) ?? [];
  const [a, b] = [Number(first), Number(second)];
  if (sign === 'x') return { rows: a, columns: b };
  if (sign === ':' && a < b) return { keep: a, of: b };
  throw new EspalierError('BAD_INPUT', `"${text}" is no block shape: write 1x1, 1x4, 16x4 or 2:4`);
}

/** Which inputs of which ops are weights that are pruned. */
const weightInputs = new Map([
  ['MatMul', 1],
  ['Gemm', 1],
  ['Conv', 1],
]);

/**
 * Zeros in the weights of products and convolutions of more than one input; what is left over at the edges of blocks stays.
 * @param sparsity share of the blocks that become zeros; `N:M` says its own
 */
export function prune(graph: Graph, sparsity: number, block: Block): Graph {
  const constants = new Map(graph.constants);
  for (const node of graph.nodes) {
    const name = node.inputs[weightInputs.get(node.op) ?? -1] ?? '';
    const weight = graph.constants.get(name);
    const layout = weight?.type === 'float32' ? layoutOf(node, weight.dims) : undefined;
    if (weight && layout) constants.set(name, pruned(name, weight, layout, sparsity, block));
  }
  return { ...graph, constants };
}

/** A weight as matrices of outputs by inputs: the elements between neighbours, and where each matrix begins. */
interface Layout {
  readonly outputs: number;
  readonly inputs: number;
  readonly outputStride: number;
  readonly inputStride: number;
  readonly starts: readonly number[];
}

function layoutOf({ op, attrs }: Node, dims: readonly number[]): Layout | undefined {
  const [a = 1, b = 1, ...kernel] = dims;
  if (op === 'Conv') {
    // A matrix for each place of the kernel: neighbours are input channels.
    const places = kernel.reduce((product, extent) => product * extent, 1);
    const starts = Array.from({ length: places }, (_, i) => i);
    return b === 1 ? undefined : { outputs: a, inputs: b, outputStride: b * places, inputStride: places, starts };
  }
  if (dims.length !== 2) return undefined;
  return op === 'Gemm' && attrs['transB'] === 1
    ? { outputs: a, inputs: b, outputStride: b, inputStride: 1, starts: [0] }
    : { outputs: b, inputs: a, outputStride: 1, inputStride: b, starts: [0] };
}

function pruned(name: string, weight: Tensor, layout: Layout, sparsity: number, block: Block): Tensor {
  const data = (weight.data as Float32Array).slice();
  const word = wordsOf(`${name} zeros`);
  const { outputs, inputs, outputStride, inputStride, starts } = layout;
  const zero = (start: number, row: number, column: number): void => {
    data[start + row * outputStride + column * inputStride] = 0;
  };
  for (const start of starts) {
    if ('keep' in block) {
      for (let row = 0; row < outputs; row++)
        for (let column = 0; column + block.of <= inputs; column += block.of)
          for (const i of sample(word, block.of, block.of - block.keep)) zero(start, row, column + i);
      continue;
    }
    const [down, across] = [Math.floor(outputs / block.rows), Math.floor(inputs / block.columns)];
    for (const index of sample(word, down * across, Math.round(sparsity * down * across))) {
      const [row, column] = [Math.floor(index / across) * block.rows, (index % across) * block.columns];
      for (let i = 0; i < block.rows; i++) for (let j = 0; j < block.columns; j++) zero(start, row + i, column + j);
    }
  }
  return new Tensor('float32', data, weight.dims);
}

/** `count` of the numbers below `of`, each set as likely, ascending (Knuth, The Art of Computer Programming, 3.4.2, S). */
function* sample(word: () => number, of: number, count: number): Generator<number> {
  let wanted = count;
  for (let i = 0; wanted > 0; i++) {
    if ((word() / 2 ** 32) * (of - i) >= wanted) continue;
    yield i;
    wanted--;
  }
}
