/** Blocks of matrices: so many outputs by so many inputs, those at the edges smaller. */

import type { Matrices } from './matrices.ts';

export interface BlockShape {
  /** Outputs. */
  readonly rows: number;
  /** Inputs. */
  readonly columns: number;
}

/** Elements between two points where a walk may pause. */
const PIECE = 16_384;

/** How many blocks there are down the outputs and across the inputs of each matrix. */
export function gridOf({ outputs, inputs }: Matrices, { rows, columns }: BlockShape): { down: number; across: number } {
  return { down: Math.ceil(outputs / rows), across: Math.ceil(inputs / columns) };
}

/**
 * Visits every element, in the order in which they lie as far as blocks allow, in runs of `count` that are `stride` apart and belong to
 * one block. Blocks are numbered row by row, matrix by matrix. Yields every now and then.
 */
export function* visitBlocks(
  matrices: Matrices,
  shape: BlockShape,
  visit: (block: number, offset: number, stride: number, count: number) => void,
): Generator<void, void> {
  const { starts, outputs, inputs, outputStride, inputStride } = matrices;
  const { down, across } = gridOf(matrices, shape);
  const byOutput = { extent: outputs, stride: outputStride, size: shape.rows, step: across };
  const byInput = { extent: inputs, stride: inputStride, size: shape.columns, step: 1 };
  const [outer, inner] = inputStride <= outputStride ? [byOutput, byInput] : [byInput, byOutput];
  let visited = 0;
  for (const [matrix, start] of starts.entries()) {
    for (let i = 0; i < outer.extent; i++) {
      let block = matrix * down * across + Math.floor(i / outer.size) * outer.step;
      const offset = start + i * outer.stride;
      for (let j = 0; j < inner.extent; j += inner.size, block += inner.step)
        visit(block, offset + j * inner.stride, inner.stride, Math.min(inner.size, inner.extent - j));
      visited += inner.extent;
      if (visited < PIECE) continue;
      visited = 0;
      yield;
    }
  }
}

/** Spans of numbers below `total` that take well under a slice each. */
export function* spans(total: number): Generator<readonly [from: number, to: number], void> {
  for (let from = 0; from < total; from += PIECE) yield [from, Math.min(total, from + PIECE)];
}
