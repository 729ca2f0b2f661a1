/** Normalisation over channels, groups and axes, and softmax. */

import { type Dim, dim } from '../dim.ts';
import { type DType, dtypeFromOnnx, floats } from '../dtype.ts';
import type { Inference } from '../schema.ts';
import { normalizeAxis } from '../shape.ts';
import { agree, positive, ranked, vector } from './check.ts';
import { attr, op, params, schemas } from './define.ts';

const epsilon = /* @__PURE__ */ attr.float(/* @__PURE__ */ Math.fround(1e-5));
const types = { T: floats } as const;

/** The same shape, for an op with an attribute `axis`. */
function alongAxis(c: Inference): void {
  normalizeAxis(c.int('axis'), c.shape(0).length);
  c.output(0, c.shape(0));
}

/** `[N, C, ...]` with vectors of C elements as inputs `vectors`. */
function perChannel(c: Inference, ...vectors: number[]): Dim {
  const shape = ranked(c, 0, 1, true);
  const channels = shape[1] ?? 1;
  for (const index of vectors) vector(c, index, channels);
  c.output(0, shape);
  return channels;
}

/** The dtype in which `stash_type` says that statistics are kept. */
function stashType(c: Inference): DType {
  const dtype = dtypeFromOnnx(c.int('stash_type'));
  if (dtype !== 'float32' && dtype !== 'bfloat16' && dtype !== 'float16' && dtype !== 'float64')
    c.fail(`its attribute "stash_type" is ${c.int('stash_type')}, which is no float type`);
  return dtype;
}

/** Input `index`, where given, must broadcast to the first one's shape without changing it. */
function broadcastsToFirst(c: Inference, index: number): void {
  if (!c.has(index)) return;
  const [shape, own] = [c.shape(0), c.shape(index)];
  if (own.length > shape.length) c.fail(`its input ${index} has more axes than its first`);
  own.forEach((d, i) => {
    if (d !== 1) agree(c, d, shape[shape.length - own.length + i], `axis ${i} of its input ${index}`);
  });
}

export const normalization = schemas(() => [
  op('BatchNormalization', [1, 6, 7, 9, 14, 15], {
    widened: [15],
    types: { T: floats, T1: floats, T2: floats },
    inputs: params('X:T', 'scale:T1', 'B:T1', 'input_mean:T2', 'input_var:T2'),
    outputs: params('Y:T', 'running_mean?:T2', 'running_var?:T2'),
    attributes: { epsilon, momentum: attr.float(Math.fround(0.9)), training_mode: attr.int(0) },
    infer: (c) => {
      const channels = perChannel(c, 1, 2, 3, 4);
      if (c.outputCount > 1 && !c.int('training_mode')) c.fail('has statistics as outputs without training_mode');
      c.output(1, [channels]);
      c.output(2, [channels]);
    },
  }),
  op('InstanceNormalization', [1, 6, 22], {
    widened: [22],
    types,
    inputs: params('input:T', 'scale:T', 'B:T'),
    attributes: { epsilon },
    infer: (c) => {
      ranked(c, 0, 3, true);
      perChannel(c, 1, 2);
    },
  }),
  op('GroupNormalization', [18, 21], {
    types,
    inputs: params('X:T', 'scale:T', 'bias:T'),
    attributes: { epsilon, num_groups: attr.required('int'), stash_type: attr.int(1) },
    infer: (c) => {
      ranked(c, 0, 2, true);
      stashType(c);
      const channels = perChannel(c, 1, 2);
      agree(
        c,
        dim.mod(channels, positive(c, 'num_groups')),
        0,
        `${channels} channels in ${c.int('num_groups')} groups`,
      );
    },
  }),
  op('LayerNormalization', [17], {
    types: { T: floats, U: floats },
    inputs: params('X:T', 'Scale:T', 'B?:T'),
    outputs: params('Y:T', 'Mean?:U', 'InvStdDev?:U'),
    attributes: { axis: attr.int(-1), epsilon, stash_type: attr.int(1) },
    infer: (c) => {
      broadcastsToFirst(c, 1);
      broadcastsToFirst(c, 2);
      const shape = c.shape(0);
      const axis = normalizeAxis(c.int('axis'), shape.length);
      const statistics = shape.map((d, i) => (i < axis ? d : 1));
      const dtype = stashType(c);
      c.output(0, shape);
      c.output(1, statistics, { dtype });
      c.output(2, statistics, { dtype });
    },
  }),
  op('LpNormalization', [1, 22], {
    widened: [22],
    types,
    attributes: { axis: attr.int(-1), p: attr.int(2) },
    infer: (c) => {
      if (c.int('p') !== 1 && c.int('p') !== 2) c.fail(`its attribute "p" is ${c.int('p')}, not 1 or 2`);
      alongAxis(c);
    },
  }),
  op('MeanVarianceNormalization', [9, 13], {
    widened: [13],
    types,
    attributes: { axes: attr.ints([0, 2, 3]) },
    infer: (c) => {
      for (const axis of c.ints('axes')) normalizeAxis(axis, c.shape(0).length);
      c.output(0, c.shape(0));
    },
  }),
  op('LRN', [1, 13], {
    widened: [13],
    types,
    attributes: {
      alpha: attr.float(Math.fround(1e-4)),
      beta: attr.float(0.75),
      bias: attr.float(1),
      size: attr.required('int'),
    },
    infer: (c) => {
      positive(c, 'size');
      c.output(0, ranked(c, 0, 2, true));
    },
  }),
  op('Softmax', [1, 11, 13], { widened: [11], types, attributes: { axis: attr.int(-1) }, infer: alongAxis }),
  op('LogSoftmax', [1, 11, 13], { widened: [11], types, attributes: { axis: attr.int(-1) }, infer: alongAxis }),
]);
