/** One-shot magnitude pruning: the weights that are nearest to zero become zero. */

import {
  dtypes,
  EspalierError,
  type Graph,
  inferGraph,
  onnxOps,
  runGenerator,
  Slicer,
  Tensor,
  throwIfAborted,
  writeNibble,
} from '@espalier/core';
import { type BlockShape, rowMajor, visitBlocks, type Weight, weightsOf } from '@espalier/formats';
import { blockScores, magnitudesOf, scalesOf, sizesOf } from './magnitude.ts';
import { type PatternName, parsePattern } from './pattern.ts';
import { type Scored, smallest } from './smallest.ts';

export interface PruneOptions {
  /** The share of weights that become zero, from 0 to 1. `N:M` says it itself. */
  readonly sparsity?: number;
  /** Weights become zero together in blocks of so many outputs by so many consecutive inputs, or in `N:M`; singly, `1x1`, when absent. */
  readonly block?: PatternName;
  /** Names of the nodes to prune; all products and convolutions when absent. */
  readonly nodes?: readonly string[];
  /** `layer` (the default): each weight has that share of zeros. `global`: all together have, so that some keep more than others. */
  readonly scope?: 'layer' | 'global';
  readonly signal?: AbortSignal;
}

/**
 * A graph in which the constant weights of MatMul, Gemm and Conv with the smallest magnitudes are zero: of blocks the mean counts, of
 * equal ones the first goes first. The result has that share of zeros, or as near to it as whole blocks come; zeros that were there count
 * among them. Blocks at the edges of a matrix may be smaller.
 *
 * Weights behind Transpose and DequantizeLinear (where 0 stands for zero) are pruned too; biases, convolutions of one channel a group,
 * weights that something else reads as well, and bodies of control flow are left. All other tensors are shared with `graph`. The same graph
 * and options always give the same result. Accuracy is likely to suffer where a model was not trained for it.
 * @throws TypeError for options that make no sense together
 * @throws EspalierError `NOT_FOUND` for a node that is not there, `BAD_GRAPH` where there is nothing to prune, `ABORTED`
 */
export async function prune(graph: Graph, options: PruneOptions): Promise<Graph> {
  const { block = '1x1', scope = 'layer', nodes, signal } = options;
  const pattern = parsePattern(block);
  const sparsity = checkSparsity(options, 'keep' in pattern ? 1 - pattern.keep / pattern.of : undefined);
  if (scope !== 'layer' && scope !== 'global') throw new TypeError(`scope must be layer or global, not "${scope}"`);
  if (scope === 'global' && 'keep' in pattern)
    throw new TypeError(`${block} has the same share of zeros everywhere: leave out scope "global"`);
  throwIfAborted(signal);
  inferGraph(graph, onnxOps);
  const weights = chosen(graph, nodes);
  const slicer = new Slicer(signal);
  const groups = scope === 'global' ? [weights] : weights.map((weight) => [weight]);
  const constants = new Map(graph.constants);
  for (const group of groups) {
    const pruned = await runGenerator(
      'keep' in pattern ? pruneGroups(graph, group[0]!, pattern) : pruneBlocks(graph, group, pattern, sparsity),
      slicer,
    );
    for (const [i, { name }] of group.entries()) constants.set(name, pruned[i]!);
  }
  return { ...graph, constants };
}

function checkSparsity({ sparsity, block }: PruneOptions, implied: number | undefined): number {
  if (sparsity === undefined && implied !== undefined) return implied;
  if (typeof sparsity !== 'number' || !(sparsity >= 0 && sparsity <= 1))
    throw new TypeError(`sparsity must be a share from 0 to 1, not ${sparsity}`);
  if (implied !== undefined && sparsity !== implied)
    throw new TypeError(`${block} makes ${implied} of the weights zero, not ${sparsity}: leave out sparsity`);
  return sparsity;
}

/** The weights to prune. */
function chosen(graph: Graph, names: readonly string[] | undefined): Weight[] {
  const prunable = weightsOf(graph).filter((weight) => !weight.isShared && scalesOf(graph, weight));
  if (names === undefined) {
    if (prunable.length > 0) return prunable;
    throw new EspalierError(
      'BAD_GRAPH',
      `"${graph.name}" has no product or convolution with constant weights of its own`,
    );
  }
  const wanted = new Set(names);
  for (const name of names) {
    const node = graph.nodes.find((each) => each.name === name);
    if (!node) throw new EspalierError('NOT_FOUND', `"${graph.name}" has no node "${name}" to prune`, { node: name });
    const weight = prunable.find(({ nodes }) => nodes.includes(node));
    if (!weight)
      throw new EspalierError(
        'BAD_GRAPH',
        `${name} (${node.op}) has no constant matrix of weights of its own to prune`,
        {
          node: name,
        },
      );
    const other = weight.nodes.find((each) => !wanted.has(each.name));
    if (other)
      throw new EspalierError('BAD_GRAPH', `${name} has the same weights as ${other.name}: name both, or neither`, {
        node: name,
      });
  }
  return prunable.filter(({ nodes }) => nodes.some(({ name }) => wanted.has(name)));
}

type Pruning = Generator<void, Tensor[]>;

function* pruneBlocks(graph: Graph, weights: readonly Weight[], shape: BlockShape, sparsity: number): Pruning {
  const isSingle = shape.rows * shape.columns === 1;
  const parts: Scored[] = [];
  let elements = 0;
  for (const weight of weights) {
    const magnitudes = yield* magnitudesOf(weight, scalesOf(graph, weight)!);
    const scores = isSingle ? magnitudes : yield* blockScores(weight, shape, magnitudes);
    parts.push({ scores, size: sizesOf(weight.matrices, shape) });
    elements += weight.tensor.size;
  }
  const marks = yield* smallest(parts, sparsity * elements);
  const pruned: Tensor[] = [];
  for (const [i, { tensor, matrices }] of weights.entries()) {
    const copy = copyOf(tensor);
    const isMarked = marks[i]!;
    // Single elements are counted as they lie.
    yield* visitBlocks(isSingle ? rowMajor(tensor.dims) : matrices, shape, (block, offset, stride, count) => {
      if (isMarked[block] === 1) for (let j = 0; j < count; j++) copy.clear(offset + j * stride);
    });
    pruned.push(copy.tensor);
  }
  return pruned;
}

/** Of each `of` consecutive inputs the `keep` largest stay, of equal ones the last; so does NaN. */
function* pruneGroups(graph: Graph, weight: Weight, { keep, of }: { keep: number; of: number }): Pruning {
  const { tensor, matrices } = weight;
  const magnitudes = yield* magnitudesOf(weight, scalesOf(graph, weight)!);
  const copy = copyOf(tensor);
  const { starts, outputs, inputs, outputStride, inputStride } = matrices;
  for (const start of starts) {
    for (let first = 0; first < inputs; first += of) {
      const count = Math.min(of, inputs - first);
      for (let output = 0; output < outputs; output++) {
        const offset = start + output * outputStride + first * inputStride;
        for (let gone = keep; gone < count; gone++) {
          let least = -1;
          for (let at = offset; at < offset + count * inputStride; at += inputStride)
            if (magnitudes[at]! >= 0 && (least < 0 || magnitudes[at]! < magnitudes[least]!)) least = at;
          if (least < 0) break;
          copy.clear(least);
          magnitudes[least] = Number.NaN;
        }
      }
      yield;
    }
  }
  return [copy.tensor];
}

interface Copy {
  readonly tensor: Tensor;
  /** Makes an element zero. */
  clear(index: number): void;
}

function copyOf({ type, bytes, dims }: Tensor): Copy {
  const copied = bytes.slice();
  const tensor = Tensor.fromBytes(type, copied, dims);
  if (dtypes[type].bits === 4) return { tensor, clear: (index) => writeNibble(copied, index, 0) };
  const data = tensor.data as { [index: number]: number };
  return {
    tensor,
    clear: (index) => {
      data[index] = 0;
    },
  };
}
