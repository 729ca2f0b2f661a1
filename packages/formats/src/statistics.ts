/** What is in a tensor that a kernel or a format could make use of: zeros, blocks of them, patterns, repeated values. */

import { runGenerator, Slicer, type Tensor, throwIfAborted } from '@espalier/core';
import { countOf } from './bitmask.ts';
import { gridOf, visitBlocks } from './blocks.ts';
import { distinctWords } from './codebook.ts';
import { type Matrices, rowMajor } from './matrices.ts';
import { checkMatrices, nonzeroFlags, wordsOf } from './words.ts';

/** Blocks of outputs by inputs; those at the edges may be smaller. */
export interface BlockCount {
  readonly total: number;
  /** Those that are not all zero. */
  readonly nonzero: number;
}

export interface Statistics {
  readonly elements: number;
  /** Neither 0 nor -0. */
  readonly nonzeros: number;
  readonly blocks: Readonly<Record<'1x4' | '16x4', BlockCount>>;
  /** The patterns that hold: of each 4 (8) consecutive inputs at most 2 (4) are not zero. None for matrices that are narrower. */
  readonly patterns: readonly ('2:4' | '4:8')[];
  /** How many different values there are, by their bits; absent where they are more than 256. */
  readonly distinct?: number;
}

export interface StatisticsOptions {
  /** How the tensor is read as outputs and inputs; its last axis as inputs when absent. */
  readonly matrices?: Matrices;
  readonly signal?: AbortSignal;
}

const known = new WeakMap<Tensor, Map<string, Statistics>>();

/**
 * Counts once what is in a tensor, in slices that leave the event loop free; remembers it as long as the tensor lives, whose elements must
 * not change any more.
 * @throws TypeError for strings
 * @throws EspalierError `SHAPE_MISMATCH` for matrices of another tensor, `ABORTED`
 */
export async function statistics(
  tensor: Tensor,
  { matrices = rowMajor(tensor.dims), signal }: StatisticsOptions = {},
): Promise<Statistics> {
  throwIfAborted(signal);
  checkMatrices(tensor.dims, matrices);
  const { outputs, inputs, outputStride, inputStride } = matrices;
  const key = [outputs, inputs, outputStride, inputStride].join();
  const remembered = known.get(tensor) ?? new Map<string, Statistics>();
  known.set(tensor, remembered);
  let found = remembered.get(key);
  if (!found) {
    found = await runGenerator(count(tensor, matrices), new Slicer(signal));
    remembered.set(key, found);
  }
  return found;
}

const QUAD = { rows: 1, columns: 4 };
const TALL = 16;

function* count(tensor: Tensor, matrices: Matrices): Generator<void, Statistics> {
  const words = wordsOf(tensor);
  const flags = yield* nonzeroFlags(tensor.type, words);
  const distinct = (yield* distinctWords(words))?.size;
  const { down, across } = gridOf(matrices, QUAD);
  // Nonzeros of each block of 1x4: all else follows from them.
  const quads = new Uint8Array(down * across * matrices.starts.length);
  yield* visitBlocks(matrices, QUAD, (block, offset, stride, length) => {
    for (let i = 0; i < length; i++) quads[block]! += flags[offset + i * stride]!;
  });
  let [nonzeroQuads, nonzeroTall, is2of4, is4of8] = [0, 0, matrices.inputs >= 4, matrices.inputs >= 8];
  const bands = Math.ceil(down / TALL);
  for (let matrix = 0; matrix < matrices.starts.length; matrix++) {
    const start = matrix * down * across;
    for (let band = 0; band < bands; band++) {
      const tall = new Uint8Array(across);
      for (let row = band * TALL; row < Math.min(down, (band + 1) * TALL); row++) {
        for (let at = 0; at < across; at++) {
          const nonzeros = quads[start + row * across + at]!;
          if (nonzeros === 0) continue;
          nonzeroQuads++;
          tall[at] = 1;
          if (nonzeros > 2) is2of4 = false;
          const isPair = at % 2 === 0 && at + 1 < across;
          if (isPair && nonzeros + quads[start + row * across + at + 1]! > 4) is4of8 = false;
        }
      }
      nonzeroTall += countOf(tall);
      yield;
    }
  }
  return {
    elements: tensor.size,
    nonzeros: countOf(flags),
    blocks: {
      '1x4': { total: quads.length, nonzero: nonzeroQuads },
      '16x4': { total: bands * across * matrices.starts.length, nonzero: nonzeroTall },
    },
    patterns: [...(is2of4 ? (['2:4'] as const) : []), ...(is4of8 ? (['4:8'] as const) : [])],
    ...(distinct === undefined ? {} : { distinct }),
  };
}
