/** Convolutions. */

import { type Dim, dim } from '../dim.ts';
import { floats } from '../dtype.ts';
import { ESPALIER } from '../graph.ts';
import type { AttributeSchema, Inference } from '../schema.ts';
import { agree, positive, ranked, shaped, single, vector } from './check.ts';
import { attr, op, params, schemas } from './define.ts';
import { type SlidingWindow, slidingWindow, transposedWindow } from './sliding.ts';

const window: Record<string, AttributeSchema> = {
  auto_pad: attr.string('NOTSET'),
  dilations: attr.ints(),
  group: attr.int(1),
  kernel_shape: attr.ints(),
  pads: attr.ints(),
  strides: attr.ints(),
};
const bytes = ['int8', 'uint8'] as const;

/** `x` is `[N, C, ...]`, `w` is `[M, C/group, ...kernel]` (or, transposed, `[C, M/group, ...kernel]`); gives `[N, M, ...]`. */
function convolution(c: Inference, x: number, w: number, transposed = false): Dim[] {
  return convolutionOf(c, ranked(c, x, 3, true), w, transposed);
}

/** The same for an input of shape `[N, C, ...]`, however it lies. */
function convolutionOf(c: Inference, x: readonly Dim[], w: number, transposed = false): Dim[] {
  const [batch, channels, ...spatial] = x;
  const [outer, inner, ...kernel] = ranked(c, w, spatial.length + 2);
  const group = positive(c, 'group');
  const perGroup = dim.mul(inner, group);
  const [inputs, outputs] = transposed ? [outer, perGroup] : [perGroup, outer];
  agree(c, channels, inputs, 'the channels of its input and its weight');
  agree(c, dim.mod(outer, group), 0, `channels of [${c.shape(w)}] in ${group} groups`);
  c.maybeInts('kernel_shape')?.forEach((k, i) => {
    agree(c, k, kernel[i] ?? 0, 'its attribute "kernel_shape" and its weight');
  });
  const rule: typeof slidingWindow = transposed ? transposedWindow : slidingWindow;
  const { output }: SlidingWindow = rule(c.attrs, spatial, kernel);
  return [batch, outputs, ...output];
}

export const conv = schemas(() => [
  op('Conv', [1, 11, 22], {
    widened: [11, 22],
    types: { T: floats },
    inputs: params('X:T', 'W:T', 'B?:T'),
    attributes: window,
    infer: (c) => {
      const shape = convolution(c, 0, 1);
      vector(c, 2, shape[1]);
      c.output(0, shape);
    },
  }),
  op('ConvTranspose', [1, 11, 22], {
    widened: [11, 22],
    types: { T: floats },
    inputs: params('X:T', 'W:T', 'B?:T'),
    attributes: { ...window, output_padding: attr.ints(), output_shape: attr.ints() },
    infer: (c) => {
      const shape = convolution(c, 0, 1, true);
      vector(c, 2, shape[1]);
      c.output(0, shape);
    },
  }),
  op('DeformConv', [19, 22], {
    widened: [22],
    types: { T: floats },
    inputs: params('X:T', 'W:T', 'offset:T', 'B?:T', 'mask?:T'),
    attributes: {
      dilations: attr.ints(),
      group: attr.int(1),
      kernel_shape: attr.ints(),
      offset_group: attr.int(1),
      pads: attr.ints(),
      strides: attr.ints(),
    },
    infer: (c) => {
      const shape = convolution(c, 0, 1);
      const [batch, , ...spatial] = shape;
      const kernel = c.shape(1).slice(2);
      const groups = positive(c, 'offset_group');
      agree(c, dim.mod(c.shape(0)[1], groups), 0, `channels of [${c.shape(0)}] in ${groups} offset groups`);
      vector(c, 3, shape[1]);
      const points = dim.mul(dim.product(kernel), groups);
      shaped(c, 2, [batch, dim.mul(points, kernel.length), ...spatial]);
      shaped(c, 4, [batch, points, ...spatial]);
      c.output(0, shape);
    },
  }),
  op('ConvInteger', [10], {
    types: { T1: bytes, T2: bytes, T3: ['int32'] },
    inputs: params('x:T1', 'w:T2', 'x_zero_point?:T1', 'w_zero_point?:T2'),
    outputs: params('y:int32'),
    attributes: window,
    infer: (c) => {
      const shape = convolution(c, 0, 1);
      single(c, 2);
      if (c.has(3) && c.shape(3).length > 0 && c.shape(3)[0] !== 1) vector(c, 3, shape[1]);
      c.output(0, shape);
    },
  }),
  op('QLinearConv', [10], {
    types: { T1: bytes, T2: bytes, T3: bytes, T4: ['int32'] },
    inputs: params(
      'x:T1',
      'x_scale:float32',
      'x_zero_point:T1',
      'w:T2',
      'w_scale:float32',
      'w_zero_point:T2',
      'y_scale:float32',
      'y_zero_point:T3',
      'B?:T4',
    ),
    outputs: params('y:T3'),
    attributes: window,
    infer: (c) => {
      const shape = convolution(c, 0, 3);
      for (const index of [1, 2, 6, 7]) single(c, index);
      for (const index of [4, 5]) if (c.shape(index).length > 0 && c.shape(index)[0] !== 1) vector(c, index, shape[1]);
      vector(c, 8, shape[1]);
      c.output(0, shape);
    },
  }),
  /**
   * The convolution of two dequantised operands in float32, channels last: `X` `[N, ..., C]`, `W` `[M, C/group, ...kernel]`, `Y`
   * `[N, ..., M]`. Scales and zero points are as those of QuantizedMatMul, those of W one or one for each filter; the sums are
   * exact integers, and padding counts as 0.
   */
  op('QuantizedConv', [1], {
    domain: ESPALIER,
    types: { T: ['float32'], T1: bytes, T2: bytes },
    inputs: params('X:T1', 'x_scale:T', 'x_zero_point?:T1', 'W:T2', 'w_scale:T', 'w_zero_point?:T2'),
    outputs: params('Y:T'),
    attributes: window,
    infer: (c) => {
      const [batch, ...rest] = ranked(c, 0, 3, true);
      const [n, filters, ...spatial] = convolutionOf(c, [batch!, rest.at(-1)!, ...rest.slice(0, -1)], 3);
      for (const index of [1, 2]) single(c, index);
      for (const index of [4, 5])
        if (c.has(index) && dim.equal(dim.product(c.shape(index)), 1) !== true) vector(c, index, filters!);
      c.output(0, [n!, ...spatial, filters!]);
    },
  }),
]);
