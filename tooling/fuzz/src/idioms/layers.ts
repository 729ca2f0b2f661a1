/** What is more than one step: softmax, normalisation, attention, recurrent layers. */

import { Tensor } from '@espalier/core';
import { floats, positives } from '../data.ts';
import type { Grower, Idiom, Value } from '../grower.ts';

export const softmax: Idiom = (g, x) =>
  g.op(g.source.pick(['Softmax', 'LogSoftmax']), [x], { axis: g.source.chance(3) ? 0 : -1 });

export const normalization: Idiom = (g, x) => {
  const [last, channels] = [x.shape.at(-1), x.shape[1]];
  if (typeof last !== 'number') return undefined;
  const kind = g.source.pick(['layer', 'layer', 'rms', 'instance', 'group', 'batch']);
  if (kind === 'layer') {
    const bias = g.source.chance(2) ? [] : [g.weights(last)];
    return g.op('LayerNormalization', [x, g.weights(last), ...bias], { axis: -1, epsilon: 1e-5 });
  }
  if (kind === 'rms') return rms(g, x, last);
  if (typeof channels !== 'number' || x.shape.length < 3) return undefined;
  const vector = (): string => g.floats(channels);
  if (kind === 'instance') return g.op('InstanceNormalization', [x, vector(), vector()], { epsilon: 1e-3 });
  if (kind === 'group') {
    const groups = channels % 2 === 0 ? 2 : 1;
    return g.op('GroupNormalization', [x, vector(), vector()], { num_groups: groups, epsilon: 1e-3 });
  }
  return g.op('BatchNormalization', [x, vector(), vector(), vector(), g.constant(positives([channels], g.random))]);
};

/** A sum that is normalised and goes on itself too, as around each layer of a transformer. */
export const residual: Idiom = (g, x) => {
  const last = x.shape.at(-1);
  const other = g.op(g.source.pick(['Tanh', 'Neg', 'Sigmoid']), [x]);
  const sum = other && g.op('Add', [x, other]);
  if (!sum || typeof last !== 'number') return undefined;
  const normal = g.op('LayerNormalization', [sum, g.floats(last), g.floats(last)], { axis: -1, epsilon: 1e-5 });
  return normal && g.source.chance(2) ? g.op('Add', [normal, sum]) : normal;
};

/** As it is written without an op of its own: x / sqrt(mean(x^2) + epsilon) w. */
function rms(g: Grower, x: Value, width: number): Value | undefined {
  const squares = g.op('Pow', [x, g.scalar(2)]);
  const mean = squares && g.op('ReduceMean', [squares, g.ints(-1)], { keepdims: 1 });
  const sum = mean && g.op('Add', [mean, g.scalar(1e-3)]);
  const root = sum && g.op('Sqrt', [sum]);
  const scaled = root && g.op('Div', [x, root]);
  return scaled && g.op('Mul', [scaled, g.floats(width)]);
}

export const attention: Idiom = (g, x) => {
  const [batch, seq, width] = x.shape;
  if (x.shape.length !== 3 || typeof width !== 'number') return undefined;
  const [heads, size] = [1 + g.source.below(3), g.source.pick([8, 5, 16, 32])];
  const part = (perm: readonly number[]): Value | undefined => {
    const flat = g.op('MatMul', [x, g.floats(width, heads * size)]);
    const split = flat && g.op('Reshape', [flat, g.ints(0, 0, heads, size)]);
    return split && g.op('Transpose', [split], { perm });
  };
  const [q, k, v] = [part([0, 2, 1, 3]), part([0, 2, 3, 1]), part([0, 2, 1, 3])];
  const scores = q && k && g.op('MatMul', [q, k]);
  const scaled = scores && g.op('Mul', [scores, g.scalar(1 / (size * width))]);
  const masked =
    scaled && g.source.chance(2) && typeof seq === 'number' ? g.op('Add', [scaled, g.constant(maskOf(seq))]) : scaled;
  const shares = masked && g.op('Softmax', [masked], { axis: -1 });
  const mixed = shares && v && g.op('MatMul', [shares, v]);
  const turned = mixed && g.op('Transpose', [mixed], { perm: [0, 2, 1, 3] });
  return turned && batch !== undefined ? g.op('Reshape', [turned, g.ints(0, 0, heads * size)]) : undefined;
};

/** What comes later is not seen. */
function maskOf(seq: number): Tensor {
  const data = Float32Array.from({ length: seq * seq }, (_, i) => (i % seq > Math.floor(i / seq) ? -1e4 : 0));
  return new Tensor('float32', data, [seq, seq]);
}

export const recurrent: Idiom = (g, x) => {
  const width = x.shape[2];
  if (x.shape.length !== 3 || typeof width !== 'number') return undefined;
  const [op, gates] = g.source.pick([
    ['LSTM', 4],
    ['GRU', 3],
    ['RNN', 1],
  ] as const);
  const hidden = g.source.pick([4, 1, 7, 16, 33]);
  const direction = g.source.pick(['forward', 'reverse', 'bidirectional']);
  const directions = direction === 'bidirectional' ? 2 : 1;
  const weights = [
    g.floats(directions, gates * hidden, width),
    g.constant(small(floats([directions, gates * hidden, hidden], g.random))),
    g.floats(directions, 2 * gates * hidden),
  ];
  return g.op(op, [x, ...weights], {
    hidden_size: hidden,
    direction,
    ...(op === 'GRU' ? { linear_before_reset: g.source.below(2) } : {}),
  });
};

/** Weights by which what goes round does not grow: rounding would grow with it. */
function small(tensor: Tensor): Tensor {
  const data = tensor.data as Float32Array;
  data.forEach((each, i) => {
    data[i] = each / (2 * tensor.dims.at(-1)!);
  });
  return tensor;
}
