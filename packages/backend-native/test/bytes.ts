/** Bytes to test with. */

import { Tensor } from '@espalier/core';

/** Bytes that are the same in every run, the ends of the range often among them. */
export function bytes(dtype: 'uint8' | 'int8', dims: readonly number[], seed: number): Tensor {
  let state = seed * 2654435761 + 1;
  const least = dtype === 'int8' ? -128 : 0;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const level = state >>> 24;
    return least + (level < 32 ? 0 : level > 223 ? 255 : level);
  };
  return new Tensor(dtype, Array.from({ length: dims.reduce((a, b) => a * b, 1) }, next), dims);
}
