/** Convolutions and pooling. Filters are HWIO in TensorFlow and OIHW in ONNX. */

import { type Attributes, type Dim, dim } from '@espalier/core';
import type { Operand } from '../builder.ts';
import { isChannelsLast, toNodeLayout, toOnnxLayout } from '../layout.ts';
import type { Translation, Translator } from '../translation.ts';
import { activate, fusedOps, withFused } from './products.ts';

/** The entries of an attribute with one number per axis that belong to the spatial axes. */
function spatial(c: Translation, name: string, rank: number): readonly number[] {
  const values = c.attrs.ints(name, Array<number>(rank).fill(1));
  if (values.length !== rank) c.fail(`has ${values.length} ${name}, not ${rank}`);
  const last = isChannelsLast(c);
  if (values[0] !== 1 || values[last ? rank - 1 : 1] !== 1)
    c.unsupported(`its ${name} are [${values}], not 1 along batch and channels`);
  return last ? values.slice(1, -1) : values.slice(2);
}

/** TensorFlow's SAME puts an odd cell at the end, as SAME_UPPER does. */
function padding(c: Translation, rank: number): Attributes {
  const kind = c.attrs.string('padding', '');
  if (kind === 'VALID') return {};
  if (kind === 'SAME') return { auto_pad: 'SAME_UPPER' };
  if (kind !== 'EXPLICIT') return c.unsupported(`no padding "${kind}"`);
  const pairs = c.attrs.ints('explicit_paddings', []);
  if (pairs.length !== 2 * rank) c.fail(`has ${pairs.length} explicit_paddings, not ${2 * rank}`);
  const cells = isChannelsLast(c) ? pairs.slice(2, -2) : pairs.slice(4);
  return { pads: [...cells.filter((_, i) => i % 2 === 0), ...cells.filter((_, i) => i % 2 === 1)] };
}

/** HWIO as OIHW; as IOHW for a filter that goes backwards. */
function filterFirst(c: Translation, filter: Operand): string {
  const rank = c.rank(filter);
  return c.transpose(filter, [rank - 1, rank - 2, ...Array.from({ length: rank - 2 }, (_, i) => i)]);
}

/** A convolution of input 0 with weights in ONNX's layout, and what is fused to it. */
function convolve(c: Translation, weights: string, group: number): Operand {
  const rank = c.rank(c.input(0));
  const attrs = {
    group,
    strides: spatial(c, 'strides', rank),
    dilations: spatial(c, 'dilations', rank),
    ...padding(c, rank),
  };
  const { bias, activations } = fusedOps(c);
  const product = c.emit('Conv', [toOnnxLayout(c, c.input(0)), weights, ...(bias === undefined ? [] : [bias])], attrs);
  const slope = (x: string): string => (isChannelsLast(c) && c.rank(x) > 0 ? moveChannels(c, x) : x);
  return toNodeLayout(c, activate(c, product, activations, slope));
}

/** Slopes of [...,H,W,C] as [C,H,W], to stand against NCHW. */
function moveChannels(c: Translation, slope: string): string {
  const rank = c.rank(c.input(0)) - 1;
  const padded = c.unsqueeze(slope, ...Array.from({ length: rank - c.rank(slope) }, (_, i) => i));
  return c.transpose(padded, [rank - 1, ...Array.from({ length: rank - 1 }, (_, i) => i)]);
}

/** A filter of one cell that visits every position of a sequence: a product of matrices, in TensorFlow's layout as it is. */
function isSequenceProduct(c: Translation): boolean {
  const [x, filter] = [c.shape(c.input(0)), c.shape(c.input(1))];
  return (
    isChannelsLast(c) &&
    x.slice(1, -1).includes(1) &&
    filter.slice(0, -2).every((size) => size === 1) &&
    spatial(c, 'strides', x.length).every((stride) => stride === 1) &&
    c.attrs.string('padding', '') !== 'EXPLICIT' &&
    filter.at(-2) === x.at(-1)
  );
}

const conv: Translator = (c) => {
  const filter = c.input(1);
  const [channels, perGroup, outputs] = [
    c.shape(c.input(0)).at(isChannelsLast(c) ? -1 : 1),
    ...c.shape(filter).slice(-2),
  ];
  if (typeof channels !== 'number' || typeof perGroup !== 'number' || typeof outputs !== 'number')
    return c.unsupported('the number of its channels is not known');
  if (channels % perGroup !== 0) c.fail(`has ${channels} channels and a filter for ${perGroup}`);
  if (isSequenceProduct(c)) return withFused(c, c.emit('MatMul', [c.input(0), c.reshape(filter, [perGroup, outputs])]));
  return convolve(c, filterFirst(c, filter), channels / perGroup);
};

/** The filter is [H,W,C,M]; channel c gives outputs c*M to c*M+M-1. */
const depthwise: Translator = (c) => {
  const filter = c.input(1);
  const [height, width, channels, multiplier] = c.shape(filter);
  if (
    typeof channels !== 'number' ||
    typeof multiplier !== 'number' ||
    typeof height !== 'number' ||
    typeof width !== 'number'
  )
    return c.unsupported('the shape of its filter is not known');
  const weights = c.reshape(c.transpose(filter, [2, 3, 0, 1]), [channels * multiplier, 1, height, width]);
  return convolve(c, weights, channels);
};

/** The gradient of a convolution, which is what a transposed one computes. Inputs: the size of the result, filter, x. */
const backprop: Translator = (c) => {
  const [filter, x] = [c.input(1), c.input(2)];
  const rank = c.rank(x);
  const inner = (values: readonly Dim[]): readonly Dim[] => (isChannelsLast(c) ? values.slice(1, -1) : values.slice(2));
  const out = inner(c.facts(c.input(0)).contents ?? c.unsupported('the size of its result is not known'));
  const strides = spatial(c, 'strides', rank);
  const dilations = spatial(c, 'dilations', rank);
  const surplus = inner(c.shape(x)).map((size, i) => {
    const kernel = dim.add(dim.mul(dim.sub(c.shape(filter)[i]!, 1), dilations[i]!), 1);
    const full = dim.add(dim.mul(dim.sub(size, 1), strides[i]!), kernel);
    const difference = dim.sub(full, out[i]!);
    return typeof difference === 'number'
      ? difference
      : c.unsupported(`the size of its result is ${out[i]} for ${size}`);
  });
  if (!['SAME', 'VALID'].includes(c.attrs.string('padding', ''))) c.unsupported('it has explicit padding');
  const attrs = {
    strides,
    dilations,
    pads: [...surplus.map((n) => Math.max(0, n) >> 1), ...surplus.map((n) => (Math.max(0, n) + 1) >> 1)],
    output_padding: surplus.map((n) => Math.max(0, -n)),
  };
  return toNodeLayout(c, c.emit('ConvTranspose', [toOnnxLayout(c, x), filterFirst(c, filter)], attrs));
};

const pool =
  (op: 'MaxPool' | 'AveragePool'): Translator =>
  (c) => {
    const x = c.input(0);
    const rank = c.rank(x);
    const attrs = {
      kernel_shape: spatial(c, 'ksize', rank),
      strides: spatial(c, 'strides', rank),
      ...padding(c, rank),
    };
    return toNodeLayout(c, c.emit(op, [toOnnxLayout(c, x)], attrs));
  };

export const convolutions: Readonly<Record<string, Translator>> = {
  Conv2D: conv,
  _FusedConv2D: conv,
  Conv3D: conv,
  DepthwiseConv2d: depthwise,
  DepthwiseConv2dNative: depthwise,
  FusedDepthwiseConv2dNative: depthwise,
  Conv2DBackpropInput: backprop,
  MaxPool: pool('MaxPool'),
  MaxPool3D: pool('MaxPool'),
  AvgPool: pool('AveragePool'),
  AvgPool3D: pool('AveragePool'),
};
