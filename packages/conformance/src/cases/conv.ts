/** Convolutions. */

import { type Dim, dim } from '@espalier/core';
import fc from 'fast-check';
import { type Evaluated, exact, largest, nearby, sums, type Tolerance, ulps } from '../tolerance.ts';
import { anything, ordinary, scales, uniform } from '../values.ts';
import { type Case, type CaseInput, edge, few, fixed, type OpCases, type Sizes, trim } from './define.ts';
import { type Window, windowAttributes, windows } from './window.ts';

interface Convolution {
  readonly x: readonly Dim[];
  readonly w: readonly Dim[];
  readonly window: Window;
  readonly attrs: Record<string, string | number | readonly number[]>;
  /** Channels of the result. */
  readonly out: Dim;
  readonly sizes: Sizes;
  readonly bias: boolean;
  /** 0 to 3: ways to give scales and zero points. */
  readonly how: number;
}

/** `[N, I*group, ...]` by `[O*group, I, ...]`; depthwise where I and O are one. */
const convolutions: fc.Arbitrary<Convolution> = fc
  .record({
    window: windows,
    N: few(0, 2),
    I: edge(1, 9),
    O: edge(1, 17),
    group: fc.constantFrom(1, 1, 2, 3),
    bias: fc.boolean(),
    brief: fc.boolean(),
    how: fc.nat(3),
  })
  .map(({ window, N, I, O, group, bias, brief, how }) => {
    const out = dim.mul('O', group);
    const { kernel_shape, ...attrs } = windowAttributes(window, brief);
    return {
      x: ['N', dim.mul('I', group), ...window.spatial],
      w: [out, 'I', ...window.kernel],
      window,
      attrs: {
        ...attrs,
        ...(brief ? {} : { kernel_shape: kernel_shape! }),
        ...(brief && group === 1 ? {} : { group }),
      },
      out,
      sizes: { N, I, O, ...window.sizes },
      bias,
      how,
    };
  });

const perOutput = ({ inputs }: Evaluated): number => inputs[1]!.dims.slice(1).reduce((a, b) => a * b, 1) + 1;

/** Filters of 3 x 3 over many channels, for which there are ways with fewer multiplications. */
const manyChannels: fc.Arbitrary<Convolution> = fc
  .record({
    channels: few(16, 35),
    filters: few(16, 35),
    height: edge(3, 20),
    width: edge(3, 20),
    pads: fc.constantFrom([1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 2, 1]),
    bias: fc.boolean(),
  })
  .map(({ channels: I, filters: O, height: S0, width: S1, pads, bias }) => {
    const window: Window = {
      ...{ kernel: [3, 3], strides: [1, 1], dilations: [1, 1], pads, autoPad: 'NOTSET', spatial: ['S0', 'S1'] },
      sizes: { S0, S1 },
    };
    const shapes = { x: ['N', 'I', 'S0', 'S1'], w: ['O', 'I', 3, 3], out: 'O' };
    return { ...shapes, window, attrs: { pads }, sizes: { N: fixed(1), I, O, S0, S1 }, bias, how: 0 };
  });

/** Where neighbouring pixels may share sums they share their errors. */
const shared: Tolerance = async (evaluated) => {
  const slack = await sums(perOutput)(evaluated);
  const { node, inputs } = evaluated;
  const [, channels, ...kernel] = inputs[1]!.dims;
  const isPlain = [node.attrs['strides'], node.attrs['dilations']].every((list) => !list || /^[1,]*$/.test(`${list}`));
  if (`${kernel}` !== '3,3' || !isPlain || channels! < 16) return slack;
  return slack.map((each) => each?.map(() => each.reduce((a, b) => Math.max(a, b), 0)));
};

const conv: OpCases = {
  op: 'Conv',
  tolerance: shared,
  cases: () =>
    fc.oneof({ arbitrary: convolutions, weight: 5 }, { arbitrary: manyChannels, weight: 1 }).map(
      ({ x, w, out, attrs, sizes, bias }): Case => ({
        inputs: trim([
          { shape: x, values: ordinary },
          { shape: w, values: ordinary, weight: true },
          bias ? { shape: [out], values: ordinary } : undefined,
        ]),
        attrs,
        sizes,
      }),
    ),
  bench: () => ({
    inputs: [
      { shape: ['N', 64, 'H', 'H'], values: ordinary },
      { shape: [64, 64, 3, 3], values: ordinary, weight: true },
      { shape: [64], values: ordinary },
    ],
    attrs: { pads: [1, 1, 1, 1] },
    sizes: { N: fixed(1), H: fixed(56) },
  }),
};

const convInteger: OpCases = {
  op: 'ConvInteger',
  tolerance: exact,
  cases: () =>
    convolutions.map(({ x, w, out, attrs, sizes, how }) => ({
      inputs: trim([
        { shape: x, values: anything },
        { shape: w, values: anything, weight: true },
        how > 0 ? { shape: [], values: anything } : undefined,
        how > 1 ? { shape: how > 2 ? [out] : [], values: anything } : undefined,
      ]),
      attrs,
      sizes,
    })),
};

const qlinearConv: OpCases = {
  op: 'QLinearConv',
  tolerance: nearby(6),
  cases: () =>
    convolutions.map(({ x, w, out, attrs, sizes, how, bias }) => {
      const scale = (shape: readonly Dim[], to: number): CaseInput => ({ shape, values: uniform(to / 4, to) });
      const perChannel = how > 1 ? [out] : [];
      return {
        inputs: trim([
          { shape: x, values: anything },
          scale([], 1 / 16),
          { shape: [], values: anything },
          { shape: w, values: anything, weight: true },
          scale(perChannel, 1 / 16),
          { shape: perChannel, values: anything },
          scale([], 4),
          { shape: [], values: anything },
          bias ? { shape: [out], values: uniform(-999, 999) } : undefined,
        ]),
        attrs,
        sizes,
      };
    }),
};

/** Each channel by itself. */
const depthwise: fc.Arbitrary<Convolution> = fc
  .record({
    window: windows,
    N: few(0, 2),
    group: fc.constantFrom(2, 5, 16, 31, 33, 70),
    how: fc.nat(3),
    bias: fc.boolean(),
  })
  .map(({ window, N, group, how, bias }) => ({
    x: ['N', group, ...window.spatial],
    w: [group, 1, ...window.kernel],
    window,
    attrs: { ...windowAttributes(window, false), group },
    out: group,
    sizes: { N, ...window.sizes },
    bias,
    how,
  }));

/** A shape with its channels behind all other axes. */
const channelsLast = ([batch, channels, ...spatial]: readonly Dim[]): Dim[] => [batch!, ...spatial, channels!];

const quantizedConv: OpCases = {
  op: 'QuantizedConv',
  domain: 'espalier',
  // The sums are exact; they are rounded to float32, and so are both products of scales.
  tolerance: ulps(4),
  cases: () =>
    fc
      .record({ conv: fc.oneof({ arbitrary: convolutions, weight: 2 }, depthwise), wZero: fc.boolean() })
      .map(({ conv: { x, w, out, attrs, sizes, how, bias }, wZero }) => {
        const perFilter = how > 1 ? [out] : [];
        return {
          inputs: trim([
            { shape: channelsLast(x), values: anything },
            { shape: [], values: scales },
            bias ? { shape: [], values: anything } : undefined,
            { shape: w, values: anything, weight: true },
            { shape: perFilter, values: scales },
            wZero ? { shape: perFilter, values: anything } : undefined,
          ]),
          attrs,
          sizes,
        };
      }),
  bench: () => ({
    inputs: [
      { shape: ['N', 'H', 'H', 64], values: anything },
      { shape: [], values: scales },
      { shape: [], values: anything },
      { shape: [64, 64, 3, 3], values: anything, weight: true },
      { shape: [64], values: scales },
    ],
    attrs: { pads: [1, 1, 1, 1] },
    sizes: { N: fixed(1), H: fixed(56) },
  }),
};

const convTranspose: OpCases = {
  op: 'ConvTranspose',
  tolerance: sums(({ inputs }) => inputs[1]!.size / Math.max(1, inputs[1]!.dims[1]!) + 1),
  cases: () =>
    fc
      .record({
        conv: convolutions,
        extra: fc.array(fc.nat(2), { minLength: 3, maxLength: 3 }),
        outputShape: fc.nat(4).map((n) => n === 4),
      })
      .map(({ conv: { x, window, attrs: own, sizes, bias }, extra, outputShape }): Case => {
        const group = (own['group'] as number | undefined) ?? 1;
        const { pads, ...attrs } = own;
        const rank = window.spatial.length;
        // Cropping more than the kernel adds would leave nothing of the smallest inputs.
        const crop = (pads as readonly number[] | undefined)?.map((pad) => Math.min(pad, 1));
        const fits = window.kernel.every(
          (k, i) => (k - 1) * window.dilations[i]! >= (crop?.[i] ?? 0) + (crop?.[i + rank] ?? 0),
        );
        const padding = window.strides.map((stride, i) => extra[i]! % stride);
        const full = window.spatial.map((_, i) => window.sizes[`S${i}`]![0]! * window.strides[i]!);
        return {
          inputs: trim([
            { shape: x, values: ordinary },
            { shape: [x[1]!, 'O', ...window.kernel], values: ordinary, weight: true },
            bias ? { shape: [dim.mul('O', group)], values: ordinary } : undefined,
          ]),
          attrs: {
            ...attrs,
            ...(crop && fits && !outputShape ? { pads: crop } : {}),
            ...(outputShape ? { output_shape: full } : { output_padding: padding }),
          },
          sizes: outputShape ? { ...sizes, ...pinned(window) } : sizes,
        };
      }),
};

/** An output shape that is given as numbers needs an input shape that is. */
function pinned({ sizes }: Window): Sizes {
  return Object.fromEntries(Object.entries(sizes).map(([name, [first]]) => [name, fixed(first!)]));
}

const deformConv: OpCases = {
  op: 'DeformConv',
  tolerance: largest(256),
  cases: () =>
    fc
      .record({ conv: convolutions, mask: fc.boolean(), groups: fc.constantFrom(1, 2) })
      .map(({ conv: { x, w, window, out, attrs: own, sizes, bias }, mask, groups }): Case => {
        const { auto_pad: _, ...attrs } = own;
        const pads = (attrs['pads'] as readonly number[] | undefined) ?? window.pads.map(() => 0);
        const rank = window.spatial.length;
        const positions = window.spatial.map((name, i) => {
          const covered = (window.kernel[i]! - 1) * window.dilations[i]! + 1;
          const room = dim.sub(dim.add(name, pads[i]! + pads[i + rank]!), covered);
          return dim.add(dim.floorDiv(room, window.strides[i]!), 1);
        });
        // Channels must divide into groups that share offsets.
        const offsetGroups = groups === 2 && dim.mod(x[1]!, 2) === 0 ? 2 : 1;
        const points = window.kernel.reduce((a, b) => a * b, offsetGroups);
        return {
          inputs: trim([
            { shape: x, values: ordinary },
            { shape: w, values: ordinary, weight: true },
            { shape: ['N', points * rank, ...positions], values: uniform(-2, 2) },
            bias ? { shape: [out], values: ordinary } : undefined,
            mask ? { shape: ['N', points, ...positions], values: uniform(0, 1) } : undefined,
          ]),
          attrs: { ...attrs, pads, ...(offsetGroups > 1 ? { offset_group: offsetGroups } : {}) },
          sizes,
        };
      }),
};

const col2im: OpCases = {
  op: 'Col2Im',
  tolerance: sums(({ inputs: [x] }) => x!.dims[1]!),
  cases: () =>
    fc.record({ window: windows, N: few(0, 2), C: edge(1, 9) }).map(({ window, N, C }): Case => {
      const { kernel, strides, dilations, pads, sizes, spatial } = window;
      const rank = kernel.length;
      const image = spatial.map((name) => sizes[name]![0]!);
      const columns = image.reduce((count, size, i) => {
        const room = size + pads[i]! + pads[i + rank]! - ((kernel[i]! - 1) * dilations[i]! + 1);
        return count * (Math.floor(room / strides[i]!) + 1);
      }, 1);
      const block = kernel.reduce((a, b) => a * b, 1);
      return {
        inputs: [
          { shape: ['N', dim.mul('C', block), columns], values: uniform(-9, 9) },
          { shape: [rank], values: () => image },
          { shape: [rank], values: () => kernel },
        ],
        attrs: { strides, dilations, pads },
        sizes: { N, C },
      };
    }),
};

export const convCases: readonly OpCases[] = [
  conv,
  convInteger,
  qlinearConv,
  quantizedConv,
  convTranspose,
  deformConv,
  col2im,
];
