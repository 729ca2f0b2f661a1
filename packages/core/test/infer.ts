/** One node inferred on facts given by hand. */

import {
  type Attributes,
  constantFacts,
  type Dim,
  type DType,
  inferNode,
  onnxOps,
  Tensor,
  type ValueFacts,
} from '../src/index.ts';

/** A value of which only the type is known. */
export const value = (shape: readonly Dim[], dtype: DType = 'float32'): ValueFacts => ({ dtype, shape });

/** A constant list (or scalar) of int64. */
export const ints = (data: readonly (number | bigint)[], dims: readonly number[] = [data.length]): ValueFacts =>
  constantFacts(new Tensor('int64', data, dims));

/** A list of sizes that shape arithmetic has worked out. */
export const sizes = (contents: readonly Dim[], shape: readonly number[] = [contents.length]): ValueFacts => ({
  dtype: 'int64',
  shape,
  contents,
});

export interface Output extends ValueFacts {
  readonly fresh: readonly string[];
}

/** The outputs of a node; `undefined` inputs are left out. */
export function infer(
  op: string,
  inputs: readonly (ValueFacts | undefined)[],
  attrs: Attributes = {},
  { outputs = 1, domain = '' }: { outputs?: number; domain?: string } = {},
): Output[] {
  const names = Array.from({ length: outputs }, (_, i) => `y${i}`);
  const node = { name: 'node', op, domain, inputs: inputs.map((x, i) => (x ? `x${i}` : '')), outputs: names, attrs };
  const { values, fresh } = inferNode(node, onnxOps, (name) => inputs[Number(name.slice(1))]);
  return names.map((name) => ({ ...values.get(name)!, fresh }));
}
