/** Elements of tensors in host memory, for ops whose results have sizes that only they can tell. */

import { fromBFloat16, fromFloat16, readNibble, type Tensor, type TensorData } from '@espalier/core';

/** Steps of a loop between two chances to let others run. */
const CHUNK = 16384;

/** Reads elements as JavaScript values. */
export function reader(tensor: Tensor): (index: number) => number | bigint | string {
  const data = tensor.data as ArrayLike<number>;
  if (tensor.type === 'float16') return (i) => fromFloat16(data[i]);
  if (tensor.type === 'bfloat16') return (i) => fromBFloat16(data[i]);
  const isSigned = tensor.type === 'int4';
  if (isSigned || tensor.type === 'uint4') return (i) => readNibble(tensor.data as Uint8Array, i, isSigned);
  return (i) => data[i];
}

/** Calls `visit` for 0 to `count`, yielding now and then. */
export function* counting(count: number, visit: (index: number) => void): Generator<void, void> {
  for (let start = 0; start < count; start += CHUNK) {
    for (let i = start; i < Math.min(count, start + CHUNK); i++) visit(i);
    yield;
  }
}

/** 0 to `count` in the order that `compare` gives, equal ones in their own order: a merge sort that yields now and then. */
export function* sorted(count: number, compare: (a: number, b: number) => number): Generator<void, Float64Array> {
  let [from, to] = [new Float64Array(count), new Float64Array(count)];
  yield* counting(count, (i) => {
    from[i] = i;
  });
  for (let width = 1; width < count; width *= 2) {
    for (let start = 0, steps = 0; start < count; start += 2 * width) {
      const [middle, end] = [Math.min(count, start + width), Math.min(count, start + 2 * width)];
      for (let i = start, left = start, right = middle; i < end; i++) {
        const takeLeft = left < middle && (right >= end || compare(from[left], from[right]) <= 0);
        to[i] = from[takeLeft ? left++ : right++];
        if (++steps % CHUNK === 0) yield;
      }
    }
    [from, to] = [to, from];
  }
  return from;
}

/** An array like `data` (a typed array of its kind, or strings) with room for `count` elements. */
export function arrayLike(data: TensorData, count: number): TensorData {
  if (Array.isArray(data)) return new Array<string>(count).fill('');
  return new (data.constructor as new (length: number) => typeof data)(count);
}
