import { type Attributes, type EpilogueStep, type Node, Tensor } from '@espalier/core';
import { expect, it } from 'vitest';
import { convolutionSparse } from '../src/kernels/conv_sparse/index.ts';
import { describeKernels, type Subject } from './kernels.ts';

/** Numbers in [-1, 1), the same in every run. */
function randoms(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

const sizeOf = (dims: readonly number[]): number => dims.reduce((x, y) => x * y, 1);

function tensor(dims: readonly number[], seed: number): Tensor {
  return new Tensor('float32', Float32Array.from({ length: sizeOf(dims) }, randoms(seed)), dims);
}

/** Which weights are kept, of a filter and its position in it. */
const patterns: Record<string, (next: () => number) => (filter: number, position: number) => boolean> = {
  none: () => () => false,
  'two in a hundred': (next) => () => next() > 0.96,
  'a tenth': (next) => () => next() > 0.8,
  half: (next) => () => next() > 0,
  most: (next) => () => next() > -0.8,
  clustered: (next) => {
    const seeds = Array.from({ length: 16 }, () => next() > 0.3);
    return (filter, position) => seeds[(Math.floor(filter / 4) + Math.floor(position / 8)) % seeds.length]!;
  },
  banded: () => (filter, position) => Math.abs(filter - (position % 40)) < 3,
  'few full filters': () => (filter) => filter % 7 === 2,
  'one full position': () => (_, position) => position === 3,
};

function pruned(dims: readonly number[], pattern: string, seed: number): Tensor {
  const next = randoms(seed);
  const keeps = patterns[pattern]!(next);
  const depth = sizeOf(dims.slice(1));
  const data = Float32Array.from({ length: sizeOf(dims) }, (_, i) => {
    const value = next();
    return keeps(Math.floor(i / depth), i % depth) ? value : 0;
  });
  return new Tensor('float32', data, dims);
}

interface Case {
  /** [batch, channels, ...spatial] */
  readonly x: readonly number[];
  /** [filters, channels of a group, ...kernel] */
  readonly w: readonly number[];
  readonly attrs?: Attributes;
  readonly pattern?: string;
}

const cases: readonly Case[] = [
  ...Object.keys(patterns).map((pattern) => ({
    ...{ x: [1, 21, 11, 13], w: [33, 21, 3, 3], attrs: { pads: [1, 1, 1, 1] }, pattern },
  })),
  ...Object.keys(patterns).map((pattern) => ({ x: [1, 50, 9, 10], w: [60, 50, 1, 1], pattern })),
  { x: [2, 40, 7, 7], w: [133, 40, 1, 1] },
  { x: [1, 900, 3, 5], w: [20, 900, 1, 1] },
  { x: [1, 1700, 7, 7], w: [70, 1700, 1, 1] },
  { x: [1, 100, 14, 14], w: [30, 100, 3, 3], attrs: { pads: [1, 1, 1, 1] } },
  { x: [3, 70, 56, 57], w: [9, 70, 1, 1] },
  { x: [1, 8, 57, 56], w: [40, 8, 3, 3], attrs: { pads: [1, 1, 1, 1] } },
  { x: [1, 4, 23, 40], w: [16, 4, 3, 3], attrs: { pads: [0, 1, 1, 0], strides: [2, 2] } },
  { x: [1, 12, 28, 28], w: [24, 12, 1, 1], attrs: { strides: [2, 2] } },
  { x: [1, 3, 50, 47], w: [20, 3, 7, 7], attrs: { pads: [3, 3, 3, 3], strides: [2, 2] } },
  { x: [1, 6, 20, 20], w: [8, 6, 3, 3], attrs: { pads: [2, 2, 2, 2], dilations: [2, 2] } },
  { x: [1, 5, 20, 21], w: [8, 5, 3, 2], attrs: { pads: [4, 3, 1, 2], dilations: [3, 2], strides: [2, 3] } },
  { x: [1, 2, 20, 32], w: [18, 2, 8, 8], attrs: { strides: [8, 8] } },
  { x: [1, 12, 17, 15], w: [20, 3, 3, 3], attrs: { group: 4, pads: [1, 1, 1, 1] } },
  { x: [3, 16, 6, 6], w: [32, 4, 3, 3], attrs: { group: 4, pads: [1, 1, 1, 1], strides: [2, 1] } },
  { x: [1, 5, 100], w: [9, 5, 5], attrs: { pads: [2, 2] } },
  { x: [1, 1, 576], w: [258, 1, 256], attrs: { strides: [128] } },
  { x: [2, 129, 4], w: [64, 129, 3], attrs: { pads: [1, 1], strides: [2] } },
  { x: [1, 3, 5, 6, 7], w: [4, 3, 3, 2, 3], attrs: { pads: [1, 0, 1, 1, 1, 1], strides: [1, 2, 1] } },
  { x: [1, 4, 6, 7, 9], w: [10, 4, 3, 3, 3], attrs: { pads: [1, 1, 1, 1, 1, 1] } },
  { x: [1, 70, 1, 1], w: [65, 70, 1, 1] },
  { x: [1, 4, 9, 1], w: [5, 4, 3, 1], attrs: { auto_pad: 'SAME_UPPER', strides: [2, 1] } },
  { x: [1, 4, 10, 13], w: [5, 4, 4, 4], attrs: { auto_pad: 'SAME_LOWER', strides: [3, 3] } },
  // Blocks that see more than they have.
  { x: [1, 3, 9, 600], w: [5, 3, 3, 3], attrs: { pads: [1, 1, 1, 1] }, pattern: 'half' },
  { x: [2, 24, 40, 41], w: [48, 2, 5, 5], attrs: { group: 12, pads: [2, 2, 2, 2] }, pattern: 'half' },
  // Kernels that see more padding than image.
  { x: [1, 9, 2, 3], w: [7, 9, 5, 5], attrs: { pads: [4, 4, 4, 4] } },
  { x: [1, 9, 3, 2], w: [7, 9, 3, 3], attrs: { pads: [5, 6, 7, 8], strides: [2, 2] } },
  { x: [0, 4, 10, 13], w: [5, 4, 4, 4] },
];

const nodeOf = (attrs: Attributes): Node => ({
  ...{ name: 'c', op: 'Conv', domain: '', inputs: ['x', 'w', 'b'], outputs: ['y'], attrs },
});

async function compare({ knowing, js }: Subject, { x, w, attrs = {}, pattern = 'a tenth' }: Case): Promise<void> {
  const inputs = [tensor(x, 1), pruned(w, pattern, 2), tensor([w[0]!], 3)];
  const node = nodeOf(attrs);
  const [wanted] = await js(node, inputs);
  const absolute = inputs.map(({ data, dims }) => new Tensor('float32', (data as Float32Array).map(Math.abs), dims));
  const [terms] = await js(node, absolute);
  const [got] = await knowing(inputs)(node, inputs);
  expect(got!.dims).toEqual(wanted!.dims);
  // Within the rounding of as many additions of the terms' magnitudes (Higham, 3.1).
  const bound = (sizeOf(w.slice(1)) + 3) * 2 ** -24;
  const worst = (got!.data as Float32Array).findIndex(
    (y, i) => !(Math.abs(y - (wanted!.data[i] as number)) <= bound * (terms!.data[i] as number)),
  );
  expect(worst).toBe(-1);
}

describeKernels('sparse convolutions', convolutionSparse, 12, (subject) => {
  it.each(cases)('$x by $w $attrs $pattern', (each) => compare(subject, each));

  it('do what comes behind on tiles that are whole and not', async () => {
    const steps: EpilogueStep[] = [
      { op: 'Add', attrs: {}, inputs: [3], position: 0 },
      { op: 'Gelu', attrs: { approximate: 'none' }, inputs: [], position: 0 },
      { op: 'Mul', attrs: {}, inputs: [4], position: 0 },
      { op: 'Sub', attrs: {}, inputs: [5], position: 1 },
    ];
    for (const [side, kernel] of [
      [16, 1],
      [7, 1],
      [13, 3],
    ] as const) {
      const pad = (kernel - 1) / 2;
      const node = nodeOf({ pads: [pad, pad, pad, pad] });
      const y = [2, 35, side, side];
      const inputs = [tensor([2, 20, side, side], 1), pruned([35, 20, kernel, kernel], 'a tenth', 2), tensor([35], 3)];
      const more = [tensor(y, 4), tensor([35, 1, 1], 5), tensor([1], 6)];
      let [wanted] = (await subject.js(node, inputs)) as [Tensor];
      for (const { op, attrs, inputs: own, position } of steps) {
        const operands = own.map((i) => more[i - 3]!).toSpliced(position, 0, wanted);
        const names = operands.map((_, i) => `${i}`);
        [wanted] = (await subject.js({ ...node, op, attrs, inputs: names }, operands)) as [Tensor];
      }
      const all = [...inputs, ...more];
      const fused = { ...node, inputs: all.map((_, i) => `${i}`), epilogue: steps };
      const [got] = await subject.knowing(inputs)(fused, all);
      const worst = (got!.data as Float32Array).findIndex(
        (value, i) => !(Math.abs(value - (wanted.data[i] as number)) <= 1e-5),
      );
      expect(worst, `${side} ${kernel}`).toBe(-1);
    }
  });
});
