/** The products of bytes: where their operands are, and what is done to their sums. */

import {
  type Binding,
  bindShape,
  type Call,
  type Constants,
  dim,
  type EpilogueStep,
  ESPALIER,
  type Rejection,
  sizeOf,
  type TensorDesc,
} from '@espalier/core';
import type { WasmKernel } from '../../kernel.ts';
import { type Epilogue, epilogueOf } from '../matmul/epilogue.ts';

/** An op, and where its operands are among the inputs. */
export interface Op extends Pick<WasmKernel, 'op' | 'domain' | 'types'> {
  readonly a: number;
  readonly b: number;
  readonly aZero: number;
  readonly bZero: number;
  /** What sums are multiplied by: without any they are the result. */
  readonly scales: readonly number[];
}

export const ops: readonly Op[] = [
  { op: 'QuantizedMatMul', domain: ESPALIER, types: {}, a: 0, aZero: 2, b: 3, bZero: 5, scales: [1, 4] },
  { op: 'MatMulInteger', types: {}, a: 0, b: 1, aZero: 2, bZero: 3, scales: [] },
];

const isOne = (desc: TensorDesc): boolean => dim.equal(dim.product(desc.shape), 1) === true;

export function matrixShape({ shape }: TensorDesc, at: Binding): [k: number, n: number] {
  const dims = bindShape(shape, at);
  return dims.length > 1 ? [dims.at(-2)!, dims.at(-1)!] : [dims[0]!, 1];
}

/** The epilogue with the scales in front, or why the call cannot be served. */
export function planOf(op: Op, call: Call, constants: Constants): Epilogue | Rejection {
  const { a, b, aZero, bZero, scales } = op;
  const { inputs } = call;
  if (!constants[b] || (inputs[bZero] && !constants[bZero])) return { reason: 'its weights are not constant' };
  const [k, n] = matrixShape(inputs[b]!, {});
  if (sizeOf(constants[b].tensor.dims) !== k * n) return { reason: 'the constant is more than one matrix' };
  if (inputs[aZero] && !isOne(inputs[aZero])) return { reason: `input ${aZero} is more than one number` };
  const zero = constants[bZero]?.tensor;
  if (zero && zero.size !== 1 && zero.size !== n)
    return { reason: `input ${bZero} is more than one number for each column` };
  if (inputs[a]!.shape.length === 0) return { reason: 'its first matrix is a number' };
  const steps = scales.map((input): EpilogueStep => ({ op: 'Mul', attrs: {}, inputs: [input], position: 0 }));
  return epilogueOf({ ...call, epilogue: [...steps, ...call.epilogue] }, b);
}
