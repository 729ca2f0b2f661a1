/** Reductions against the scalar backend. */

import { type Attributes, type Node, Tensor } from '@espalier/core';
import { expect, it } from 'vitest';
import { reduce } from '../src/kernels/reduce/index.ts';
import { describeKernels } from './kernels.ts';

/** Floats from -4 to 4 by a linear congruential generator. */
function floats(dims: readonly number[]): Tensor {
  const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
  let state = 12345 + data.length;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = (state / 2 ** 31 - 1) * 4;
  }
  return new Tensor('float32', data, dims);
}

const ints = (values: readonly number[]): Tensor => new Tensor('int64', BigInt64Array.from(values, BigInt));
const ops = ['ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceL2', 'ReduceLogSumExp'];

describeKernels('reductions', reduce, 4, ({ knowing, js, native }) => {
  async function same(op: string, inputs: readonly Tensor[], attrs: Attributes = { keepdims: 0 }) {
    const node: Node = { name: 'r', op, domain: '', inputs: inputs.map((_, i) => `i${i}`), outputs: ['o'], attrs };
    const [[wanted], [got]] = [await js(node, inputs), await knowing(inputs)(node, inputs)];
    expect(got!.dims).toEqual(wanted!.dims);
    const [w, g] = [wanted!.data as Float32Array, got!.data as Float32Array];
    for (let k = 0; k < w.length; k++) {
      const near = Object.is(w[k], g[k]) || Math.abs(w[k]! - g[k]!) <= 1e-4 + 2e-6 * Math.abs(w[k]!);
      if (!near) throw new Error(`${op}[${k}] is ${g[k]}, not ${w[k]}`);
    }
  }

  it.each([
    [[300, 1000], [1]],
    [[300, 1000], [0]],
    [[70000], [0]],
    [[7, 301, 333], [1]],
    [
      [7, 301, 333],
      [0, 2],
    ],
    [
      [3, 31, 5, 33],
      [1, 3],
    ],
    [
      [3, 31, 5, 33],
      [0, 2],
    ],
    [
      [5, 6, 7, 8, 9],
      [0, 2, 4],
    ],
    [
      [5, 6, 7, 8, 9],
      [1, 3],
    ],
    [
      [40, 1, 50, 1],
      [0, 3],
    ],
    [
      [2, 3, 4, 5, 6],
      [0, 1, 2, 3, 4],
    ],
    [
      [6, 2, 3, 4, 5],
      [1, 2, 3, 4],
    ],
    [
      [2, 3, 4, 5, 6],
      [0, 1, 2, 3],
    ],
    [[2000, 3], [1]],
    [[2000, 3], [0]],
  ])('folds %j along %j', async (dims, axes) => {
    for (const op of ops) await same(op, [floats(dims), ints(axes)]);
  });

  it('takes the values that are no numbers as the definition does', async () => {
    const odd = [NaN, Infinity, -Infinity, 0, 1];
    const rows = odd.flatMap((a) => odd.flatMap((b) => [a, 2, b, ...new Array<number>(20).fill(1)]));
    const x = new Tensor('float32', Float32Array.from(rows), [25, 23]);
    for (const op of ['ReduceMax', 'ReduceMin', 'ReduceLogSumExp'])
      for (const axis of [0, 1]) await same(op, [x, ints([axis])]);
  });

  it('leaves axes that are not known to others', async () => {
    const node: Node = { name: 'r', op: 'ReduceSum', domain: '', inputs: ['x', 'a'], outputs: ['y'], attrs: {} };
    await expect(native(node, [floats([3]), ints([0])])).rejects.toThrow('its axes are not constant');
  });
});
