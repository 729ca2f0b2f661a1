/** Convolutions of bytes by kernels beside the scalar backend. */

import { createJsBackend } from '@espalier/backend-js';
import {
  type Attributes,
  type Backend,
  createEvaluator,
  type Evaluate,
  type Kernel,
  type Node,
  onnxOps,
  Tensor,
} from '@espalier/core';
import { expect } from 'vitest';
import type { NativeBackend, NativeProgram } from '../src/index.ts';

/** The scalar backend. */
export const js = createEvaluator(createJsBackend(), onnxOps);

type Compare = (x: Tensor, w: Tensor, attrs: Attributes, zeros?: readonly (Tensor | undefined)[]) => Promise<void>;

/** The kernels, which know of all inputs but those that are named. */
export function knowing(
  kernels: readonly Kernel<NativeProgram>[],
  backend: NativeBackend,
  inputs: readonly (Tensor | undefined)[],
  unknown: readonly number[],
): Evaluate {
  const constants = inputs.map((tensor, i) =>
    tensor && !unknown.includes(i)
      ? { tensor, structure: { elements: tensor.size, nonzeros: nonzerosOf(tensor) } }
      : undefined,
  );
  const informed = kernels.map((kernel): typeof kernel => ({
    ...kernel,
    work: (call, at) => kernel.work(call, at, constants),
    prepare: (call, _, context) => kernel.prepare!(call, constants, context),
  }));
  return createEvaluator({ ...backend, kernels: informed } satisfies Backend, onnxOps);
}

/** Expects the same to the last bit. */
export function comparison(kernels: readonly Kernel<NativeProgram>[], backend: NativeBackend): Compare {
  return async (x, w, attrs, zeros = []) => {
    const one = new Tensor('float32', [1], []);
    const inputs = [x, one, zeros[0], w, one, zeros[1]];
    const node: Node = {
      ...{ name: 'conv', op: 'QuantizedConv', domain: 'espalier', attrs },
      ...{ inputs: inputs.map((input, i) => (input ? `i${i}` : '')), outputs: ['y'] },
    };
    const native = knowing(kernels, backend, inputs, [0]);
    const [[wanted], [got]] = [await js(node, inputs), await native(node, inputs)];
    expect(got!.dims).toEqual(wanted!.dims);
    const worst = (wanted!.data as Float32Array).findIndex((value, i) => value !== got!.data[i]);
    expect(worst, `${x.type}[${x.dims}] * ${w.type}[${w.dims}] ${JSON.stringify(attrs)}`).toBe(-1);
  };
}

const nonzerosOf = ({ data }: Tensor): number =>
  (data as Int8Array).reduce((sum, value) => sum + Number(value !== 0), 0);
