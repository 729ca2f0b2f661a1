/** Filters of 3 x 3, transformed: [positions][blocks][channels][filters of the block]. */

import type { NativeBuffer } from '../../memory.ts';
import { filterTransform, type Side, spanOf, TAPS } from './points.ts';

/** Fills the buffer; yields after each block. */
export function* packTransforms(
  side: Side,
  weights: Float32Array,
  channels: number,
  blocks: readonly number[],
  to: NativeBuffer,
): Generator<void, void> {
  const packed = new Float32Array(to.view.buffer, to.view.byteOffset, to.bytes / 4);
  const transform = filterTransform(side);
  const positions = spanOf(side) ** 2;
  const one = new Float64Array(positions);
  const filters = blocks.reduce((sum, rows) => sum + rows, 0);
  let first = 0;
  for (const rows of blocks) {
    for (let row = 0; row < rows; row++)
      for (let channel = 0; channel < channels; channel++) {
        transform(weights, ((first + row) * channels + channel) * TAPS ** 2, one);
        for (let i = 0; i < positions; i++) packed[(i * filters + first) * channels + channel * rows + row] = one[i]!;
      }
    first += rows;
    yield;
  }
}
