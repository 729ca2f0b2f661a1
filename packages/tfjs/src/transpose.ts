/** Transposes constants while importing, so that no run has to. */

import { dtypes, sizeOf, stridesOf, Tensor } from '@espalier/core';

/** Axis i of the result is axis `perm[i]` of the tensor. */
export function transpose(tensor: Tensor, perm: readonly number[]): Tensor {
  const from = stridesOf(tensor.dims);
  const dims = perm.map((axis) => tensor.dims[axis]!);
  const strides = perm.map((axis) => from[axis]!);
  const source = tensor.data;
  const size = sizeOf(dims);
  const result = tensor.type === 'string' ? new Array<string>(size) : new dtypes[tensor.type].array(size);
  const target = result as { [index: number]: unknown };
  const at = dims.map(() => 0);
  let read = 0;
  for (let write = 0; write < size; write++) {
    target[write] = source[read];
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      read += strides[axis]!;
      if (++at[axis]! < dims[axis]!) break;
      read -= strides[axis]! * dims[axis]!;
      at[axis] = 0;
    }
  }
  return new Tensor(tensor.type, result, dims);
}
