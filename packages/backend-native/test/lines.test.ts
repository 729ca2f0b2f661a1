/** Ops along one axis, against the scalar backend, at both widths and with guard pages. */

import { type Attributes, type DType, type Node, Tensor } from '@espalier/core';
import { expect, it } from 'vitest';
import { lines } from '../src/kernels/lines/index.ts';
import { describeKernels } from './kernels.ts';

const special = [Number.NaN, -0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-42, -1e-42];

/** Few different numbers, so that many are equal, and special ones among the floats. */
function numbers(dims: readonly number[], dtype: DType): Tensor {
  let state = dims.length;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
  const element = (): number => {
    const n = next();
    if (dtype !== 'float32') return dtype.startsWith('u') ? n % 200 : (n % 101) - 50;
    return n % 97 === 0 ? special[n % special.length]! : ((n % 101) - 50) / 8;
  };
  return new Tensor(dtype, Array.from({ length: dims.reduce((a, b) => a * b, 1) }, element), dims);
}

const shapes: readonly (readonly [dims: readonly number[], axis: number])[] = [
  [[1], 0],
  [[1000], 0],
  [[7, 33], 1],
  [[33, 7], 0],
  [[70, 300], -1],
  [[300, 71], 0],
  [[3, 31, 5, 33], 1],
  [[3, 31, 5, 33], 2],
  [[3, 31, 5, 33], 3],
  [[40, 9, 1, 1], 1],
  [[5, 1, 18], 1],
  [[0, 7], 1],
];

describeKernels('kernels along lines', lines, 4, ({ knowing, js }) => {
  async function same(op: string, inputs: readonly Tensor[], attrs: Attributes): Promise<void> {
    const node: Node = { name: 'l', op, domain: '', inputs: inputs.map((_, i) => `i${i}`), outputs: ['o'], attrs };
    const [[wanted], [got]] = [await js(node, inputs), await knowing(inputs)(node, inputs)];
    expect(got!.dims).toEqual(wanted!.dims);
    expect(got!.data, `${op} ${inputs[0]!.type} ${JSON.stringify(attrs)}`).toEqual(wanted!.data);
  }

  it.each(shapes)('find extremes of %j along %i, ties and NaN included', async (dims, axis) => {
    for (const dtype of ['float32', 'int64', 'int32', 'uint8'] as const)
      for (const op of ['ArgMax', 'ArgMin'])
        for (const select_last_index of [0, 1])
          await same(op, [numbers(dims, dtype)], { axis, keepdims: select_last_index, select_last_index });
  });

  it.each(shapes)('add up %j along %i', async (dims, axis) => {
    for (const dtype of ['float32', 'int64', 'int32'] as const)
      for (const exclusive of [0, 1])
        for (const reverse of [0, 1])
          await same('CumSum', [numbers(dims, dtype), new Tensor('int64', [axis], [])], { exclusive, reverse });
  });
});
