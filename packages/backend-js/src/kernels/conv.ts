/** Convolutions. */

import {
  type Attributes,
  ESPALIER,
  type HostKernel,
  type Phase,
  sizeOf,
  slidingWindow,
  transposedWindow,
} from '@espalier/core';
import { agree } from '../agree.ts';
import { type Convolution, convolve, tableGather } from '../columns.ts';
import { define, type JsOp, type Operand, type Operands, units } from '../define.ts';
import { type Floats, floatsLike } from '../float.ts';
import { Sampler } from '../taps.ts';
import { rejectSpatial, transposedAxes, triple, windowAxes } from '../windows.ts';
import { centred, requantize } from './matmul.ts';

/** The sizes of a convolution of `x` `[N, C, ...]` that gives `y` `[N, M, ...]`. */
function sizes(x: Operand, kernel: readonly number[], y: Operand, attrs: Attributes) {
  const [batch, channels] = x.dims;
  return {
    batch,
    channels,
    filters: y.dims[1],
    groups: attrs['group'] as number,
    taps: sizeOf(kernel),
    positions: sizeOf(y.dims.slice(2)),
  };
}

/** The phases of a convolution of elements `data` that lie as `x` says. */
function forward(
  x: Operand,
  data: Floats,
  w: Operand,
  weights: Floats,
  y: Operand,
  sums: Convolution['sums'],
  attrs: Attributes,
): Phase[] {
  const [spatial, kernel] = [x.dims.slice(2), w.dims.slice(2)];
  const all = sizes(x, kernel, y, attrs);
  agree(w.dims[1] * all.groups, all.channels, 'channels of the input and its weight');
  const axes = windowAxes(slidingWindow(attrs, spatial, kernel), spatial);
  const isDirect =
    all.taps === 1 &&
    axes.every(({ input, index }) => index.length === input && index[0] === 0 && index.at(-1) === input - 1);
  return convolve({
    ...all,
    weights,
    sums,
    gather: tableGather(data, all.channels, axes),
    direct: isDirect ? data : undefined,
  });
}

/** Adds a bias to every channel, one channel of one image after another. */
function addBias(y: Operand, bias: Operand | undefined): Phase[] {
  if (!bias) return [];
  const [batch, channels] = y.dims;
  agree(bias.size, channels, 'elements of the bias');
  const positions = sizeOf(y.dims.slice(2));
  const add = (unit: number): void => {
    const value = bias.data[unit % channels];
    for (let i = unit * positions; i < (unit + 1) * positions; i++) y.data[i] += value;
  };
  return [units(batch * channels, add)];
}

const reject: JsOp['reject'] = (call) => rejectSpatial(call.inputs[0]!.shape.length);
/** Multiply-adds with a weight of these dims: each output sums over all of it but its first axis. */
const macsOf = (w: readonly number[], y: readonly number[]): number => sizeOf(y) * sizeOf(w.slice(1));
/** The shape in which something for each filter broadcasts over the weights. */
const perFilter = (zero: Operand, rank: number): readonly number[] =>
  zero.size === 1 ? [] : [zero.size, ...new Array<number>(rank - 1).fill(1)];

function integer(
  x: Operand,
  xZero: Operand | undefined,
  w: Operand,
  wZero: Operand | undefined,
  y: Operand,
  sums: Int32Array,
  attrs: Attributes,
): Phase[] {
  const [data, centreX] = centred(x, xZero, () => []);
  const [weights, centreW] = centred(w, wZero, (zero) => perFilter(zero, w.dims.length));
  return [centreX, centreW, ...forward(x, data, w, weights, y, sums, attrs)];
}

export const conv: readonly HostKernel[] = [
  define({
    op: 'Conv',
    reject,
    macs: ([, w], [y]) => macsOf(w!, y!),
    compute: ({ inputs: [x, w, bias], outputs: [y], attrs }) => [
      ...forward(x!, x!.data, w!, w!.data, y!, y!.data, attrs),
      ...addBias(y!, bias),
    ],
  }),
  define({
    op: 'ConvTranspose',
    reject,
    macs: ([x, w]) => macsOf(w!, x!),
    compute: ({ inputs: [x, w, bias], outputs: [y], attrs }) => {
      const [spatial, kernel] = [x!.dims.slice(2), w!.dims.slice(2)];
      const all = sizes(x!, kernel, y!, attrs);
      agree(w!.dims[0], all.channels, 'channels of the input and its weight');
      const axes = transposedAxes(transposedWindow(attrs, spatial, kernel), spatial);
      const weights = floatsLike(w!, w!.size);
      const [inner, outer] = [all.channels / all.groups, all.filters / all.groups];
      // From [groups, inner, outer, taps] to [groups, outer, inner, taps].
      const turn = units(all.channels * outer, (unit) => {
        const channel = Math.floor(unit / outer);
        const group = Math.floor(channel / inner);
        const target = (group * outer + (unit % outer)) * inner + (channel % inner);
        for (let tap = 0; tap < all.taps; tap++) weights[target * all.taps + tap] = w!.data[unit * all.taps + tap];
      });
      const gather = tableGather(x!.data, all.channels, axes);
      return [turn, ...convolve({ ...all, weights, sums: y!.data, gather }), ...addBias(y!, bias)];
    },
  }),
  define({
    op: 'DeformConv',
    reject,
    macs: ([, w], [y]) => macsOf(w!, y!),
    compute: ({ inputs: [x, w, offset, bias, mask], outputs: [y], attrs }) => {
      const kernel = w!.dims.slice(2);
      const all = sizes(x!, kernel, y!, attrs);
      return [
        ...convolve({
          ...all,
          weights: w!.data,
          sums: y!.data,
          gather: deformedGather(x!, kernel, offset!, mask, attrs),
        }),
        ...addBias(y!, bias),
      ];
    },
  }),
  define({
    op: 'ConvInteger',
    reject,
    macs: ([, w], [y]) => macsOf(w!, y!),
    compute: ({ inputs: [x, w, xZero, wZero], outputs: [y], attrs }) =>
      integer(x!, xZero, w!, wZero, y!, y!.data, attrs),
  }),
  define({
    op: 'QLinearConv',
    reject,
    macs: ([, , , w], [y]) => macsOf(w!, y!),
    compute: ({ inputs: [x, xScale, xZero, w, wScale, wZero, yScale, yZero, bias], outputs: [y], attrs }) => {
      const sums = new Int32Array(y!.size);
      const channels = y!.dims[1];
      const positions = sizeOf(y!.dims.slice(2));
      const store = requantize(y!, yZero!);
      const finish = units(y!.dims[0] * channels, (unit) => {
        const channel = unit % channels;
        const scale = Math.fround(xScale!.data[0] * wScale!.data[wScale!.size > 1 ? channel : 0]) / yScale!.data[0];
        const add = bias ? bias.data[channel] : 0;
        for (let i = unit * positions; i < (unit + 1) * positions; i++) store(i, sums[i] + add, scale);
      });
      return [...integer(x!, xZero, w!, wZero, y!, sums, attrs), finish];
    },
  }),
  define({
    op: 'QuantizedConv',
    domain: ESPALIER,
    reject,
    macs: ([, , , w], [y]) => macsOf(w!, y!),
    compute: quantizedConv,
  }),
];

/** Computes with channels first, as {@link convolve} has them, and turns what goes in and what comes out. */
function quantizedConv({ inputs: [x, xScale, xZero, w, wScale, wZero], outputs: [y], attrs }: Operands): Phase[] {
  const first = ({ dims, ...rest }: Operand): Operand => ({
    ...rest,
    dims: [dims[0], dims.at(-1)!, ...dims.slice(1, -1)],
  });
  const [from, to] = [first(x!), first(y!)];
  const [channels, filters] = [from.dims[1], to.dims[1]];
  const [pixels, positions] = [sizeOf(from.dims.slice(2)), sizeOf(to.dims.slice(2))];
  const planes = x!.data.slice();
  const turn = units(from.dims[0] * channels, (unit) => {
    const [n, channel] = [Math.floor(unit / channels), unit % channels];
    for (let i = 0; i < pixels; i++) planes[unit * pixels + i] = x!.data[(n * pixels + i) * channels + channel];
  });
  const sums = new Int32Array(y!.size);
  const finish = units(to.dims[0] * filters, (unit) => {
    const [n, filter] = [Math.floor(unit / filters), unit % filters];
    const scale = Math.fround(xScale!.data[0] * wScale!.data[wScale!.size > 1 ? filter : 0]);
    for (let i = 0; i < positions; i++)
      y!.data[(n * positions + i) * filters + filter] = Math.fround(sums[unit * positions + i]) * scale;
  });
  return [turn, ...integer({ ...from, data: planes }, xZero, w!, wZero, to, sums, attrs), finish];
}

/** Gathers where the offsets say, between points: `offset` `[N, groups * taps * axes, ...]`, `mask` `[N, groups * taps, ...]`. */
function deformedGather(
  x: Operand,
  kernel: readonly number[],
  offset: Operand,
  mask: Operand | undefined,
  attrs: Attributes,
): Convolution['gather'] {
  const spatial = x.dims.slice(2);
  const { strides, dilations, begin, output } = slidingWindow(attrs, spatial, kernel);
  const rank = spatial.length;
  const [taps, positions, size] = [sizeOf(kernel), sizeOf(output), sizeOf(spatial)];
  const channels = x.dims[1];
  const groups = attrs['offset_group'] as number;
  const sampler = new Sampler(triple(spatial), 'linear', 'zeros', 0);
  return (n, channel, tap, from, to, columns, at) => {
    const group = (n * groups + Math.floor((channel * groups) / channels)) * taps + tap;
    for (let p = from; p < to; p++) {
      let [position, element] = [p, tap];
      for (let axis = rank - 1; axis >= 0; axis--) {
        const o = position % output[axis];
        const k = element % kernel[axis];
        position = Math.floor(position / output[axis]);
        element = Math.floor(element / kernel[axis]);
        const moved = offset.data[(group * rank + axis) * positions + p];
        sampler.move(axis + 3 - rank, o * strides[axis] + k * dilations[axis] - begin[axis] + moved);
      }
      const value = sampler.read(x.data, (n * channels + channel) * size);
      columns[at + p - from] = mask ? value * mask.data[group * positions + p] : value;
    }
  };
}
