/** Helpers for ops that move elements: values of index operands, checks, and the same ops on strings. */

import {
  bindShape,
  type Call,
  constantFacts,
  type DType,
  driving,
  dtypes,
  EspalierError,
  type HostKernel,
  inferNode,
  onnxOps,
  sizeOf,
  Tensor,
} from '@espalier/core';
import { define, type JsOp, type Operand } from './define.ts';
import { isBig } from './elementwise.ts';
import { checkCount } from './strings.ts';

/**
 * The elements of an integer operand. int32 and int64 are there before the first phase; values beyond 2^53 come rounded.
 */
export function integers(operand: Operand | undefined): number[] | undefined {
  return operand && Array.from(operand.data as ArrayLike<number | bigint>, Number);
}

/** An index counted from the start. @throws EspalierError `BAD_INPUT` when it is out of [-extent, extent) */
export function checkIndex(index: number | bigint, extent: number, axis: number): number {
  const given = Number(index);
  const at = given < 0 ? given + extent : given;
  if (at >= 0 && at < extent) return at;
  throw new EspalierError('BAD_INPUT', `the index ${index} is out of range for axis ${axis} of extent ${extent}`);
}

/** What an element is where nothing is put. */
export function zero(dtype: DType): number | bigint | string {
  if (dtype === 'string') return '';
  return isBig(dtype) ? 0n : 0;
}

/** Rows for an op that moves elements of type `T`, whatever they are: bits, and strings. */
export function movement(op: Omit<JsOp, 'raw'>): [HostKernel, HostKernel] {
  const { compute, ...row } = op;
  const strings = define({
    ...row,
    variant: 'string',
    types: { ...row.types, T: ['string'] },
    evaluate: (call, inputs) => evaluateStrings(compute, call, inputs),
  });
  return [define({ ...op, raw: true }), strings];
}

function* evaluateStrings(
  compute: JsOp['compute'],
  call: Call,
  inputs: readonly (Tensor | undefined)[],
): Generator<void, readonly Tensor[]> {
  // The call may still have open sizes; the values at hand tell them.
  const node = {
    name: call.node,
    op: call.op,
    domain: call.domain,
    inputs: inputs.map((tensor, i) => (tensor ? `input${i}` : '')),
    outputs: call.outputs.map((desc, i) => (desc ? `output${i}` : '')),
    attrs: call.attrs,
  };
  const { values } = inferNode(node, onnxOps, (name) => constantFacts(inputs[Number(name.slice(5))]!));
  const outputs = node.outputs.map((name): Operand | undefined => {
    const facts = values.get(name);
    if (!facts) return undefined;
    const [dtype, dims] = [facts.dtype, bindShape(facts.shape, {})];
    const size = sizeOf(dims);
    checkCount(call.node, size);
    return { dtype, dims, size, data: dtype === 'string' ? new Array(size).fill('') : new dtypes[dtype].array(size) };
  });
  const operands = inputs.map(
    (tensor) => tensor && { dtype: tensor.type, dims: tensor.dims, size: tensor.size, data: tensor.data },
  );
  const phases = compute({ inputs: operands, outputs, attrs: call.attrs, at: {} });
  yield* driving(Array.isArray(phases) ? phases : [phases]);
  return outputs.map((output) => output && new Tensor(output.dtype, output.data, output.dims)) as Tensor[];
}
