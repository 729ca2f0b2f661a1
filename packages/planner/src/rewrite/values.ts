/** Elements of constant tensors as numbers, and back, whatever the dtype. */

import {
  type DType,
  dtypes,
  fromBFloat16,
  fromFloat16,
  readNibble,
  Tensor,
  type TypedArray,
  toBFloat16,
  toFloat16,
  writeNibble,
} from '@espalier/core';

/** The element at `index` of a numeric tensor; 64-bit integers lose what a double does not hold. */
export function elementAt(tensor: Tensor, index: number): number {
  const { data, type } = tensor;
  if (type === 'float16') return fromFloat16((data as Uint16Array)[index]!);
  if (type === 'bfloat16') return fromBFloat16((data as Uint16Array)[index]!);
  if (dtypes[type].bits === 4) return readNibble(data as Uint8Array, index, type === 'int4');
  return Number(data[index]);
}

/** All elements, in row-major order. */
export function elementsOf(tensor: Tensor): Float64Array {
  const result = new Float64Array(tensor.size);
  for (let i = 0; i < result.length; i++) result[i] = elementAt(tensor, i);
  return result;
}

/** A tensor with these elements, rounded to the dtype. */
export function tensorOf(type: DType, dims: readonly number[], elements: ArrayLike<number>): Tensor {
  const { array, bits, kind } = dtypes[type];
  const data: TypedArray = new array(bits === 4 ? Math.ceil(elements.length / 2) : elements.length);
  const wide = bits === 64 && kind !== 'float';
  for (let i = 0; i < elements.length; i++) {
    const value = elements[i]!;
    if (bits === 4) writeNibble(data as Uint8Array, i, value);
    else if (wide) (data as BigInt64Array)[i] = BigInt(value);
    else data[i] = type === 'float16' ? toFloat16(value) : type === 'bfloat16' ? toBFloat16(value) : value;
  }
  return new Tensor(type, data, dims);
}

const uniform = new WeakMap<Tensor, number | undefined>();

/** The value of all elements of a numeric tensor, where they are the same. */
export function uniformValue(tensor: Tensor): number | undefined {
  if (!uniform.has(tensor)) uniform.set(tensor, findUniform(tensor));
  return uniform.get(tensor);
}

function findUniform(tensor: Tensor): number | undefined {
  if (tensor.size === 0 || tensor.type === 'string') return undefined;
  const first = elementAt(tensor, 0);
  for (let i = 1; i < tensor.size; i++) if (!Object.is(elementAt(tensor, i), first)) return undefined;
  return first;
}

/** How far apart two values of a dtype may be, relatively, and still be the same constant written down by someone. */
export function toleranceOf(dtype: DType): number {
  if (dtype === 'float64') return 1e-12;
  if (dtype === 'float32') return 4e-6;
  return dtype === 'float16' ? 1e-3 : 8e-3;
}

/** True where `value` is `expected`, up to the rounding of the dtype. */
export function isAbout(value: number, expected: number, dtype: DType): boolean {
  return value === expected || Math.abs(value - expected) <= Math.abs(expected) * toleranceOf(dtype);
}
