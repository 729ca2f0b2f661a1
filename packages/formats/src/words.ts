/** Elements as bits, whatever their dtype: so that what is stored comes back as it was, NaN included. */

import { type DType, dtypes, EspalierError, readNibble, Tensor, type TypedArray, writeNibble } from '@espalier/core';
import { spans, visitBlocks } from './blocks.ts';
import type { Matrices } from './matrices.ts';

/** One word for each element. */
export type Words = Uint8Array | Uint16Array | Uint32Array | BigUint64Array;

const single = { rows: 1, columns: 1 };
const constructors = { 4: Uint8Array, 8: Uint8Array, 16: Uint16Array, 32: Uint32Array, 64: BigUint64Array } as const;

export function emptyWords(type: DType, count: number): Words {
  return new constructors[dtypes[type].bits as keyof typeof constructors](count);
}

/** @throws TypeError for strings */
export function wordsOf({ type, data, bytes, size }: Tensor): Words {
  if (type === 'string') throw new TypeError('strings have no bits to encode');
  if (dtypes[type].bits === 4) return Uint8Array.from({ length: size }, (_, i) => readNibble(bytes, i, false));
  const { buffer, byteOffset } = data as TypedArray;
  return new constructors[dtypes[type].bits as keyof typeof constructors](buffer as ArrayBuffer, byteOffset, size);
}

/** The elements as the dtype has them in memory: 4-bit integers two to a byte. */
export function fromWords(type: DType, words: Words): TypedArray {
  const { array, bits } = dtypes[type];
  if (bits !== 4) return new array(words.buffer, words.byteOffset, words.length);
  const packed = new Uint8Array(Math.ceil(words.length / 2));
  for (let i = 0; i < words.length; i++) writeNibble(packed, i, words[i] as number);
  return new array(packed.buffer);
}

/** Values that {@link fromWords} made. @throws EspalierError `BAD_INPUT` where they are not as many */
export function wordsIn(type: DType, values: TypedArray, count: number): Words {
  const packed = dtypes[type].bits === 4;
  check(values.length === (packed ? Math.ceil(count / 2) : count), `it has not ${count} values of ${type}`);
  return wordsOf(new Tensor(type, values, [count]));
}

/** 1 for each element that is not zero, neither 0 nor -0. */
export function* nonzeroFlags(type: DType, words: Words): Generator<void, Uint8Array> {
  const flags = new Uint8Array(words.length);
  const isFloat = dtypes[type].kind === 'float';
  if (words instanceof BigUint64Array) {
    const halves = new Uint32Array(words.buffer, words.byteOffset, 2 * words.length);
    const mask = isFloat ? 0x7fffffff : 0xffffffff;
    for (const [from, to] of spans(words.length)) {
      for (let i = from; i < to; i++) flags[i] = (halves[2 * i]! | (halves[2 * i + 1]! & mask)) === 0 ? 0 : 1;
      yield;
    }
    return flags;
  }
  const mask = isFloat ? 2 ** (dtypes[type].bits - 1) - 1 : 0xffffffff;
  for (const [from, to] of spans(words.length)) {
    for (let i = from; i < to; i++) flags[i] = (words[i]! & mask) === 0 ? 0 : 1;
    yield;
  }
  return flags;
}

/** A tensor's elements, output by output of its matrices. */
export function* gather(tensor: Tensor, matrices: Matrices): Generator<void, Words> {
  checkMatrices(tensor.dims, matrices);
  const words = wordsOf(tensor);
  const rows = emptyWords(tensor.type, words.length);
  yield* visitBlocks(matrices, single, (at, offset) => {
    rows[at] = words[offset]!;
  });
  return rows;
}

/** The tensor whose elements these are, output by output. */
export function* scatter(
  type: DType,
  dims: readonly number[],
  matrices: Matrices,
  rows: Words,
): Generator<void, Tensor> {
  const words = emptyWords(type, rows.length);
  yield* visitBlocks(matrices, single, (at, offset) => {
    words[offset] = rows[at]!;
  });
  return new Tensor(type, fromWords(type, words), dims);
}

/** @throws EspalierError `SHAPE_MISMATCH` */
export function checkMatrices(dims: readonly number[], { starts, outputs, inputs }: Matrices): void {
  const size = dims.reduce((product, extent) => product * extent, 1);
  if (starts.length * outputs * inputs !== size)
    throw new EspalierError(
      'SHAPE_MISMATCH',
      `a tensor of [${dims}] is not ${starts.length} matrices of ${outputs} x ${inputs}`,
    );
}

/** @throws EspalierError `BAD_INPUT` */
export function check(holds: boolean, why: string): asserts holds {
  if (!holds) throw new EspalierError('BAD_INPUT', `the encoded tensor is broken: ${why}`);
}
