/** Elements of tensors as plain numbers, whatever they are stored as. */

import {
  byteLength,
  type DType,
  dtypes,
  float16Values,
  fromBFloat16,
  readNibble,
  sizeOf,
  Tensor,
  toBFloat16,
  toFloat16,
  writeNibble,
} from '@espalier/core';

export type Element = number | bigint | string;

/** What is special about a floating-point dtype. */
export interface FloatFormat {
  /** The distance from 1 to the next number. */
  readonly epsilon: number;
  readonly max: number;
  /** The smallest number that is not subnormal. */
  readonly normal: number;
}

export const floatFormats: Readonly<Partial<Record<DType, FloatFormat>>> = {
  float64: { epsilon: 2 ** -52, max: Number.MAX_VALUE, normal: 2 ** -1022 },
  float32: { epsilon: 2 ** -23, max: (2 - 2 ** -23) * 2 ** 127, normal: 2 ** -126 },
  float16: { epsilon: 2 ** -10, max: 65504, normal: 2 ** -14 },
  bfloat16: { epsilon: 2 ** -7, max: (2 - 2 ** -7) * 2 ** 127, normal: 2 ** -126 },
};

export const isHalf = (dtype: DType): boolean => dtype === 'float16' || dtype === 'bfloat16';

/** The smallest and largest value of an integer (or bool) dtype. */
export function wholeRange(dtype: DType): readonly [bigint, bigint] {
  const { bits, kind } = dtypes[dtype];
  if (kind === 'bool') return [0n, 1n];
  return kind === 'uint' ? [0n, (1n << BigInt(bits)) - 1n] : [-(1n << BigInt(bits - 1)), (1n << BigInt(bits - 1)) - 1n];
}

/** A tensor of these elements, rounded to the dtype; integers must fit. */
export function encode(dtype: DType, dims: readonly number[], elements: ArrayLike<Element>): Tensor {
  if (dtype === 'string') return new Tensor('string', Array.from(elements, String), dims);
  const { array, bits, kind } = dtypes[dtype];
  const size = sizeOf(dims);
  const data = new array(byteLength(dtype, size) / array.BYTES_PER_ELEMENT) as { [index: number]: Element };
  const store: (i: number) => void =
    bits === 4
      ? (i) => writeNibble(data as unknown as Uint8Array, i, Number(elements[i]))
      : isHalf(dtype)
        ? (i) => {
            data[i] = (dtype === 'float16' ? toFloat16 : toBFloat16)(Number(elements[i]));
          }
        : kind !== 'float' && bits === 64
          ? (i) => {
              data[i] = BigInt(elements[i]!);
            }
          : (i) => {
              data[i] = Number(elements[i]);
            };
  for (let i = 0; i < size; i++) store(i);
  return new Tensor(dtype, data as unknown as Uint8Array, dims);
}

/** The elements of a tensor; 64-bit integers are bigints. */
export function decode(tensor: Tensor): ArrayLike<Element> {
  const data = tensor.data as ArrayLike<number>;
  if (tensor.type === 'float16') return Float64Array.from(data, (bits) => float16Values()[bits]!);
  if (tensor.type === 'bfloat16') return Float64Array.from(data, fromBFloat16);
  if (dtypes[tensor.type].bits !== 4) return data;
  const signed = tensor.type === 'int4';
  return Int8Array.from({ length: tensor.size }, (_, i) => readNibble(tensor.data as Uint8Array, i, signed));
}

/** Elements that are not zero. */
export function countNonzeros(tensor: Tensor): number {
  const elements = decode(tensor);
  let count = 0;
  for (let i = 0; i < elements.length; i++) if (elements[i]) count++;
  return count;
}
