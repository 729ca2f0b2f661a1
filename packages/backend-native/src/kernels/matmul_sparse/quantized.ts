/** What the products by sparse matrices of bytes share: which calls they take, how their sums are scaled. */

import {
  type Binding,
  bindShape,
  type Call,
  type Constants,
  type Dim,
  dim,
  isRejection,
  type Rejection,
  sizeOf,
  type Tensor,
} from '@espalier/core';
import { bytesOf, shiftedZeros, tensorBytes } from '@espalier/lowering';
import type { NativeKernel } from '../../kernel.ts';
import { type Epilogue, quantizedType } from '../matmul/epilogue.ts';
import { finishCost, scaledFuses } from '../matmul_int8/program.ts';
import { rowwise } from './common.ts';
import { rowMajor, type SizedMatrix } from './cut.ts';
import type { SparseProgram } from './program.ts';
import type { Scaling } from './scaled.ts';

/** Inputs of QuantizedMatMul and of QuantizedConv. */
export const [A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO] = [0, 1, 2, 3, 4, 5];

/** The rows of the result, what an element takes to finish, and the bytes that move beside the weights; or why no sparse kernel can. @param shape of the matrix */
export function askedOf(
  call: Call,
  at: Binding,
  constants: Constants,
  shape: readonly Dim[],
): Rejection | { readonly rows: number; readonly finish: number; readonly bytes: number } {
  if (!constants[B_SCALE]) return { reason: 'the scales of its weights are not constant' };
  const reason = shiftedZeros(call, constants, B_ZERO);
  if (reason !== undefined) return { reason };
  const isSingle = [A_SCALE, A_ZERO].every((i) => {
    const desc = call.inputs[i];
    return !desc || dim.equal(dim.product(desc.shape), 1) === true;
  });
  if (!isSingle) return { reason: 'its activations have more than one scale' };
  const epilogue = rowwise(call, B, shape, constants);
  if (isRejection(epilogue)) return epilogue;
  const bytes = tensorBytes(call, at) - bytesOf(call.inputs[B], at);
  const rows = sizeOf(bindShape(call.outputs[0]!.shape.slice(0, -1), at));
  return { rows, finish: finishCost(epilogue), bytes };
}

/** Constant weights as they are in memory. */
export function matrixOf({ data, dims }: Tensor): SizedMatrix<Int8Array> {
  const [k, n] = dims as [number, number];
  return { ...rowMajor(data as Int8Array, n), k, n };
}

/** What the programs have in common. */
export interface Described {
  readonly scale: Tensor;
  readonly signed: boolean;
  readonly scaling: Scaling;
  readonly program: Pick<SparseProgram, 'dims' | 'epilogue' | 'aScale' | 'aZero' | 'packed' | 'resultBytes'>;
}

export function describe(call: Call, constants: Constants, { k, n }: SizedMatrix): Described {
  const epilogue = rowwise(call, B, [k, n], constants) as Epilogue;
  const signed = call.inputs[A]!.dtype === 'int8';
  const result = quantizedType(epilogue) ?? 'float32';
  return {
    ...{ scale: constants[B_SCALE]!.tensor, signed },
    scaling: { n, epilogue, aZero: { given: call.inputs[A_ZERO] !== undefined, signed }, result },
    program: {
      ...{ dims: [k, n], epilogue, aScale: A_SCALE, aZero: A_ZERO, resultBytes: result === 'float32' ? 4 : 1 },
      packed: [B, B_SCALE, ...(call.inputs[B_ZERO] ? [B_ZERO] : [])],
    },
  };
}

export const rowOfBytes = {
  requires: ['avx512', 'avx512-vnni'],
  types: { T2: ['int8'] },
  fuses: scaledFuses,
  law: ({ dots, bytes }, rates) =>
    2 * rates['call']! + Math.max(dots! / (rates['dot']! * rates['threads']!), bytes / rates['bytes']!),
} satisfies Partial<NativeKernel>;
