/** Runs one op on the scalar backend. */

import {
  type Attributes,
  createEvaluator,
  type DType,
  fromBFloat16,
  fromFloat16,
  onnxOps,
  readNibble,
  Tensor,
  toBFloat16,
  toFloat16,
  writeNibble,
} from '@espalier/core';
import { createJsBackend } from '../src/index.ts';

const evaluate = createEvaluator(createJsBackend(), onnxOps);

/** A tensor of plain values, whatever its dtype. */
export function tensor(dtype: DType, values: readonly (number | bigint | boolean | string)[], dims?: number[]): Tensor {
  const shape = dims ?? [values.length];
  if (dtype === 'float16') return new Tensor(dtype, Uint16Array.from(values as number[], toFloat16), shape);
  if (dtype === 'bfloat16') return new Tensor(dtype, Uint16Array.from(values as number[], toBFloat16), shape);
  if (dtype !== 'int4' && dtype !== 'uint4') return new Tensor(dtype, [...values], shape);
  const data = dtype === 'int4' ? new Int8Array((values.length + 1) >> 1) : new Uint8Array((values.length + 1) >> 1);
  for (const [i, value] of values.entries()) writeNibble(data, i, value as number);
  return new Tensor(dtype, data, shape);
}

/** Its elements as plain values. */
export function values({ type, data, size }: Tensor): (number | bigint | string)[] {
  const elements = Array.from(data as ArrayLike<number>);
  if (type === 'float16') return elements.map(fromFloat16);
  if (type === 'bfloat16') return elements.map(fromBFloat16);
  if (type !== 'int4' && type !== 'uint4') return elements;
  return Array.from({ length: size }, (_, i) => readNibble(data as Uint8Array, i, type === 'int4'));
}

/** All outputs of a node called `node`; ops outside of ONNX's domain are named `domain::op`. */
export function runAll(
  op: string,
  inputs: readonly (Tensor | undefined)[],
  attrs: Attributes = {},
  outputs = 1,
): Promise<Tensor[]> {
  const [name, domain = ''] = op.split('::').reverse();
  const node = {
    name: 'node',
    op: name!,
    domain,
    inputs: inputs.map((input, i) => (input ? `input${i}` : '')),
    outputs: Array.from({ length: outputs }, (_, i) => `output${i}`),
    attrs,
  };
  return evaluate(node, inputs);
}

/** The first output. */
export async function run(
  op: string,
  inputs: readonly (Tensor | undefined)[],
  attrs: Attributes = {},
): Promise<Tensor> {
  return (await runAll(op, inputs, attrs))[0]!;
}
