/** Pooling over windows, over everything, and over regions of interest. */

import type { Dim } from '../dim.ts';
import { floats } from '../dtype.ts';
import type { AttributeSchema, Inference, OpSchema } from '../schema.ts';
import { agree, oneOf, positive, ranked, shaped } from './check.ts';
import { attr, op, params, schemas } from './define.ts';
import { slidingWindow, transposedWindow } from './sliding.ts';

const window: Record<string, AttributeSchema> = {
  auto_pad: attr.string('NOTSET'),
  ceil_mode: attr.int(0),
  dilations: attr.ints(),
  kernel_shape: attr.required('ints'),
  pads: attr.ints(),
  strides: attr.ints(),
};

function pooled(c: Inference): Dim[] {
  const [batch, channels, ...spatial] = ranked(c, 0, 3, true);
  return [batch, channels, ...slidingWindow<Dim>(c.attrs, spatial, c.ints('kernel_shape')).output];
}

const global = (name: string, versions: number[], attributes: Record<string, AttributeSchema> = {}): OpSchema =>
  op(name, versions, {
    widened: [22],
    types: { T: floats },
    attributes,
    infer: (c) => {
      const [batch, channels, ...spatial] = ranked(c, 0, 2, true);
      c.output(0, [batch, channels, ...spatial.map(() => 1)]);
    },
  });

export const pool = schemas(() => [
  op('MaxPool', [1, 8, 10, 11, 12, 22], {
    widened: [8, 10, 11, 12, 22],
    types: { T: [...floats, 'int8', 'uint8'] },
    outputs: params('Y:T', 'Indices?:int64'),
    attributes: { ...window, storage_order: attr.int(0) },
    infer: (c) => {
      const shape = pooled(c);
      c.output(0, shape);
      c.output(1, shape);
    },
  }),
  op('AveragePool', [1, 7, 10, 11, 19, 22], {
    widened: [7, 10, 11, 19, 22],
    types: { T: floats },
    attributes: { ...window, count_include_pad: attr.int(0) },
    infer: (c) => c.output(0, pooled(c)),
  }),
  op('LpPool', [1, 2, 11, 18, 22], {
    widened: [11, 18, 22],
    types: { T: floats },
    attributes: { ...window, p: attr.int(2) },
    infer: (c) => {
      positive(c, 'p');
      c.output(0, pooled(c));
    },
  }),
  global('GlobalAveragePool', [1, 22]),
  global('GlobalMaxPool', [1, 22]),
  global('GlobalLpPool', [1, 2, 22], { p: attr.int(2) }),
  op('MaxUnpool', [9, 11, 22], {
    widened: [11, 22],
    types: { T1: floats, T2: ['int64'] },
    inputs: params('X:T1', 'I:T2', 'output_shape?:T2'),
    outputs: params('output:T1'),
    attributes: { kernel_shape: attr.required('ints'), pads: attr.ints(), strides: attr.ints() },
    shapeInputs: [2],
    infer: (c) => {
      const shape = ranked(c, 0, 3, true);
      shaped(c, 1, shape);
      const [batch, channels, ...spatial] = shape;
      // What pools to this shape, at its smallest; the indices count in it.
      const natural = [batch, channels, ...transposedWindow<Dim>(c.attrs, spatial, c.ints('kernel_shape')).output];
      const given = c.has(2) ? c.contents(2) : natural;
      if (given && given.length !== shape.length)
        c.fail(`its "output_shape" is [${given}]; it needs ${shape.length} sizes`);
      c.output(0, given ?? shape.map((_, axis) => c.fresh(0, axis)));
    },
  }),
  op('MaxRoiPool', [1, 22], {
    widened: [22],
    types: { T: floats },
    inputs: params('X:T', 'rois:T'),
    attributes: { pooled_shape: attr.required('ints'), spatial_scale: attr.float(1) },
    infer: (c) => {
      const [, channels] = ranked(c, 0, 4);
      const [count, five] = ranked(c, 1, 2);
      agree(c, five, 5, 'the numbers of a region');
      const size = c.ints('pooled_shape');
      if (size.length !== 2 || size.some((s) => s < 1)) c.fail(`its attribute "pooled_shape" is [${size}]`);
      c.output(0, [count, channels, ...size]);
    },
  }),
  op('RoiAlign', [10, 16, 22], {
    widened: [22],
    types: { T1: floats, T2: ['int64'] },
    inputs: params('X:T1', 'rois:T1', 'batch_indices:T2'),
    outputs: params('Y:T1'),
    attributes: {
      coordinate_transformation_mode: attr.string('half_pixel'),
      mode: attr.string('avg'),
      output_height: attr.int(1),
      output_width: attr.int(1),
      sampling_ratio: attr.int(0),
      spatial_scale: attr.float(1),
    },
    infer: (c) => {
      oneOf(c, 'mode', ['avg', 'max']);
      oneOf(c, 'coordinate_transformation_mode', ['half_pixel', 'output_half_pixel']);
      const [, channels] = ranked(c, 0, 4);
      const [count, four] = ranked(c, 1, 2);
      agree(c, four, 4, 'the numbers of a region');
      agree(c, ranked(c, 2, 1)[0], count, 'batch indices and regions');
      c.output(0, [count, channels, positive(c, 'output_height'), positive(c, 'output_width')]);
    },
  }),
]);
