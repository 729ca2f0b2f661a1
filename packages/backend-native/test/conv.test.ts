import { type Attributes, type Node, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { convolution } from '../src/kernels/conv/index.ts';
import { describeKernels } from './kernels.ts';

/** Numbers in [-1, 1), the same in every run. */
function tensor(dims: readonly number[], seed: number): Tensor {
  let state = seed * 2654435761 + 1;
  const data = Float32Array.from({ length: dims.reduce((x, y) => x * y, 1) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  return new Tensor('float32', data, dims);
}

interface Case {
  /** [batch, channels, ...spatial] */
  readonly x: readonly number[];
  /** [filters, channels of a group, ...kernel] */
  readonly w: readonly number[];
  readonly attrs?: Attributes;
}

const cases: readonly Case[] = [
  { x: [1, 5, 9, 11], w: [7, 5, 1, 1] },
  { x: [2, 40, 7, 7], w: [33, 40, 1, 1] },
  { x: [1, 900, 3, 5], w: [20, 900, 1, 1] },
  { x: [1, 3, 33, 31], w: [17, 3, 3, 3], attrs: { pads: [1, 1, 1, 1] } },
  { x: [2, 100, 14, 14], w: [30, 100, 3, 3], attrs: { pads: [1, 1, 1, 1] } },
  { x: [1, 4, 23, 40], w: [16, 4, 3, 3], attrs: { pads: [0, 1, 1, 0], strides: [2, 2] } },
  { x: [1, 3, 50, 47], w: [20, 3, 7, 7], attrs: { pads: [3, 3, 3, 3], strides: [2, 2] } },
  { x: [1, 6, 20, 20], w: [8, 6, 3, 3], attrs: { pads: [2, 2, 2, 2], dilations: [2, 2] } },
  { x: [1, 2, 20, 32], w: [18, 2, 8, 8], attrs: { strides: [8, 8] } },
  { x: [1, 12, 17, 15], w: [20, 3, 3, 3], attrs: { group: 4, pads: [1, 1, 1, 1] } },
  { x: [3, 16, 6, 6], w: [32, 4, 3, 3], attrs: { group: 4, pads: [1, 1, 1, 1], strides: [2, 1] } },
  { x: [1, 5, 100], w: [9, 5, 5], attrs: { pads: [2, 2] } },
  { x: [1, 1, 576], w: [258, 1, 256], attrs: { strides: [128] } },
  { x: [2, 129, 4], w: [64, 129, 3], attrs: { pads: [1, 1], strides: [2] } },
  { x: [1, 3, 5, 6, 7], w: [4, 3, 3, 2, 3], attrs: { pads: [1, 0, 1, 1, 1, 1], strides: [1, 2, 1] } },
  { x: [1, 70, 1, 1], w: [65, 70, 1, 1] },
  { x: [1, 4, 9, 1], w: [5, 4, 3, 1], attrs: { auto_pad: 'SAME_UPPER', strides: [2, 1] } },
  { x: [1, 4, 10, 13], w: [5, 4, 4, 4], attrs: { auto_pad: 'SAME_LOWER', strides: [3, 3] } },
  { x: [0, 4, 10, 13], w: [5, 4, 4, 4] },
];

describeKernels('convolutions', convolution, 30, ({ names, knowing, js }) => {
  describe.each(names)('%s', (name) => {
    it.each(cases)('$x by $w $attrs', async ({ x, w, attrs = {} }) => {
      const inputs = [tensor(x, 1), tensor(w, 2), tensor([w[0]!], 3)];
      const node: Node = { name: 'c', op: 'Conv', domain: '', inputs: ['x', 'w', 'b'], outputs: ['y'], attrs };
      const [wanted] = await js(node, inputs);
      const absolute = inputs.map(
        ({ data, dims }) => new Tensor('float32', (data as Float32Array).map(Math.abs), dims),
      );
      const [terms] = await js(node, absolute);
      const [got] = await knowing(inputs, name)(node, inputs);
      expect(got!.dims).toEqual(wanted!.dims);
      const bound = (w.slice(1).reduce((p, d) => p * d, 1) + 3) * 2 ** -24;
      const worst = (got!.data as Float32Array).findIndex(
        (y, i) => !(Math.abs(y - (wanted!.data[i] as number)) <= bound * (terms!.data[i] as number)),
      );
      expect(worst).toBe(-1);
    });
  });
});
