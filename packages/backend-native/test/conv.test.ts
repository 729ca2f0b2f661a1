import { type Attribute, type Attributes, type Node, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { convolution } from '../src/kernels/conv/index.ts';
import { windows } from '../src/kernels/window/index.ts';
import { winograd } from '../src/kernels/winograd/index.ts';
import { describeKernels, type Subject } from './kernels.ts';

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
  { x: [2, 800, 8, 9], w: [20, 800, 1, 1] },
  { x: [1, 12, 8, 12], w: [10, 6, 1, 1], attrs: { group: 2 } },
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

const planes: readonly Case[] = [
  { x: [1, 5, 7, 7], w: [5, 1, 3, 3], attrs: { group: 5, pads: [1, 1, 1, 1] } },
  { x: [2, 3, 30, 35], w: [3, 1, 3, 3], attrs: { group: 3, pads: [1, 1, 1, 1] } },
  { x: [1, 4, 33, 38], w: [4, 1, 3, 3], attrs: { group: 4, pads: [1, 1, 1, 1], strides: [2, 2] } },
  { x: [1, 4, 32, 31], w: [8, 1, 5, 5], attrs: { group: 4, pads: [0, 2, 4, 1], strides: [1, 2] } },
  { x: [1, 2, 40, 20], w: [2, 1, 7, 7], attrs: { group: 2, pads: [3, 3, 3, 3] } },
  { x: [1, 3, 22, 25], w: [3, 1, 3, 2], attrs: { group: 3, pads: [2, 2, 2, 2], dilations: [2, 3] } },
  { x: [1, 3, 22, 50], w: [3, 1, 2, 4], attrs: { group: 3, strides: [3, 3], dilations: [1, 2], pads: [1, 4, 0, 3] } },
  { x: [2, 6, 90], w: [6, 1, 5], attrs: { group: 6, pads: [2, 2] } },
  { x: [1, 2, 1000, 70], w: [2, 1, 3, 3], attrs: { group: 2, pads: [1, 1, 1, 1] } },
  { x: [1, 1, 9, 9], w: [1, 1, 9, 9] },
  { x: [0, 1, 9, 9], w: [1, 1, 9, 9] },
];

const number = (data: Tensor['data'], i: number): number => data[i] as number;

async function compare({ knowing, js }: Subject, name: string, { x, w, attrs = {} }: Case): Promise<void> {
  const inputs = [tensor(x, 1), tensor(w, 2), tensor([w[0]!], 3)];
  const node: Node = { name: 'c', op: 'Conv', domain: '', inputs: ['x', 'w', 'b'], outputs: ['y'], attrs };
  const [wanted] = await js(node, inputs);
  const absolute = inputs.map(({ data, dims }) => new Tensor('float32', (data as Float32Array).map(Math.abs), dims));
  const [terms] = await js(node, absolute);
  const [got] = await knowing(inputs, name)(node, inputs);
  expect(got!.dims).toEqual(wanted!.dims);
  // Within the rounding of as many additions of the terms' magnitudes (Higham, 3.1); of squares, in which pixels share sums, of the largest.
  const bound = (w.slice(1).reduce((p, d) => p * d, 1) + 3) * 2 ** -24;
  const most = (terms!.data as Float32Array).reduce((a, b) => Math.max(a, b), 0);
  const worst = (got!.data as Float32Array).findIndex((y, i) => {
    const slack = name.includes('_squares') ? SQUARES * most : bound * number(terms!.data, i);
    return !(Math.abs(y - number(wanted!.data, i)) <= slack);
  });
  expect(worst).toBe(-1);
}

/** How far sums of squares may be from those of terms, relative to the terms. */
const SQUARES = 5e-7;

/** Squares of pixels that are whole and not, one and many vectors of them. */
const squares: readonly Case[] = [
  { x: [1, 16, 8, 8], w: [16, 16, 3, 3], attrs: { pads: [1, 1, 1, 1] } },
  { x: [1, 16, 7, 7], w: [30, 16, 3, 3], attrs: { pads: [1, 1, 1, 1] } },
  { x: [2, 20, 14, 14], w: [33, 20, 3, 3], attrs: { pads: [1, 1, 1, 1] } },
  { x: [1, 17, 28, 30], w: [29, 17, 3, 3], attrs: { pads: [0, 1, 2, 0] } },
  { x: [1, 16, 56, 56], w: [16, 16, 3, 3], attrs: { pads: [1, 1, 1, 1] } },
  { x: [1, 18, 100, 66], w: [17, 18, 3, 3], attrs: { auto_pad: 'SAME_UPPER' } },
  { x: [1, 16, 3, 150], w: [17, 16, 3, 3] },
  { x: [3, 40, 13, 5], w: [100, 40, 3, 3], attrs: { pads: [2, 1, 1, 3] } },
  { x: [0, 16, 8, 8], w: [16, 16, 3, 3] },
];

describeKernels('convolutions', convolution, 12, (subject) => {
  describe.each(subject.names)('%s', (name) => {
    it.each(cases)('$x by $w $attrs', (each) => compare(subject, name, each));
  });
});

describeKernels('convolutions by squares', winograd, 12, (subject) => {
  describe.each(subject.names)('%s', (name) => {
    it.each(squares)('$x by $w $attrs', (each) => compare(subject, name, each));
  });
});

describeKernels('windows', windows, 24, (subject) => {
  const name = subject.names.find((each) => each.startsWith('conv_'))!;
  it.each(planes)('$x by $w $attrs', (each) => compare(subject, name, each));

  it.each(['MaxPool', 'AveragePool'])('%s of many rows, with paddings that are not the same', async (op) => {
    for (const [dims, attrs] of [
      [[2, 5, 112, 113], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }],
      [[1, 3, 40, 37], { kernel_shape: [5, 4], strides: [1, 3], pads: [2, 0, 1, 3], count_include_pad: 1 }],
      [[1, 2, 1500, 60], { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 }],
      [[1, 7, 301], { kernel_shape: [8], strides: [4], pads: [3, 2], ceil_mode: 1, count_include_pad: 1 }],
    ] as const) {
      const { count_include_pad: _, ...shared } = attrs as Record<string, Attribute>;
      const node = {
        name: 'p',
        op,
        domain: '',
        inputs: ['x'],
        outputs: ['y'],
        attrs: op === 'MaxPool' ? shared : attrs,
      };
      const x = [tensor(dims, 4)];
      const [[wanted], [got]] = [await subject.js(node, x), await subject.native(node, x)];
      const most = op === 'MaxPool' ? 0 : 1e-6;
      const worst = (got!.data as Float32Array).findIndex(
        (y, i) => !(Math.abs(y - (wanted!.data[i] as number)) <= most),
      );
      expect(worst, `[${dims}]`).toBe(-1);
    }
  });

  it('MaxPool keeps what is no number', async () => {
    const x = new Tensor('float32', Float32Array.of(1, Number.NaN, 3, -1, 2, Number.NEGATIVE_INFINITY), [1, 1, 6]);
    const node = { name: 'p', op: 'MaxPool', domain: '', inputs: ['x'], outputs: ['y'], attrs: { kernel_shape: [3] } };
    const [got] = await subject.native(node, [x]);
    expect([...got!.data]).toEqual([Number.NaN, Number.NaN, 3, 2]);
  });
});
