/** How far results are apart. */

import { dtypes, elements, type Tensor } from '@espalier/core';

export interface Difference {
  /** The largest difference, relative to the largest magnitude expected. */
  readonly largest: number;
  /** The root of the mean square of the differences, relative to that of what is expected. */
  readonly typical: number;
}

const apart: Difference = { largest: Number.POSITIVE_INFINITY, typical: Number.POSITIVE_INFINITY };

/** Infinite where types or shapes differ or one is NaN where the other is not. */
export function difference(actual: Tensor, expected: Tensor): Difference {
  if (actual.type !== expected.type || String(actual.dims) !== String(expected.dims)) return apart;
  const [a, b] = [numbersOf(actual), numbersOf(expected)];
  let [scale, largest, squares, errors] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [Number(a[i]), Number(b[i])];
    if (Number.isNaN(x) !== Number.isNaN(y)) return apart;
    // Equal infinities have no difference.
    const error = x === y || Number.isNaN(x) ? 0 : Math.abs(x - y);
    const size = Number.isFinite(y) ? Math.abs(y) : 0;
    scale = Math.max(scale, size);
    largest = Math.max(largest, error);
    squares += size ** 2;
    errors += error ** 2;
  }
  return {
    largest: scale === 0 ? largest : largest / scale,
    typical: squares === 0 ? Math.sqrt(errors / Math.max(1, a.length)) : Math.sqrt(errors / squares),
  };
}

/** The largest difference, relative to the largest magnitude expected; Infinity where the results cannot be compared. */
export function distance(actual: Tensor, expected: Tensor): number {
  return difference(actual, expected).largest;
}

function numbersOf(tensor: Tensor): ArrayLike<number | bigint | string> {
  const isPlain = tensor.type !== 'float16' && tensor.type !== 'bfloat16' && dtypes[tensor.type].bits !== 4;
  return isPlain ? tensor.data : elements(tensor);
}
