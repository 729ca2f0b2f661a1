/** Filters in blocks: each step by step, with the weights of all its filters for one channel and tap next to each other. */

import type { NativeBuffer } from '../../memory.ts';

/**
 * Copies the filters of one group, rows of `depth` weights, into fresh memory, which is zero; yields after each block.
 * @param width weights of a step in memory; as many as the block has filters when absent
 */
export function* packFilters(
  filters: Float32Array,
  depth: number,
  blocks: readonly number[],
  width: number | undefined,
  to: NativeBuffer,
  offset: number,
): Generator<void, number> {
  const packed = new Float32Array(to.view.buffer, to.view.byteOffset, to.bytes / 4);
  let write = offset;
  let first = 0;
  for (const rows of blocks) {
    const step = width ?? rows;
    for (let row = 0; row < rows; row++) {
      const read = (first + row) * depth;
      for (let k = 0; k < depth; k++) packed[write + k * step + row] = filters[read + k]!;
    }
    first += rows;
    write += depth * step;
    yield;
  }
  return write;
}
