/** Softmax, and the losses over it. */

import { type Attributes, EspalierError, type HostKernel, normalizeAxis, type Phase, sizeOf } from '@espalier/core';
import { groupBy, visitGroups } from '../axes.ts';
import { define, type Operand, once, units } from '../define.ts';
import { type Floats, floatsLike } from '../float.ts';

/** Softmax (or its logarithm) of `x` into `y`, one group of elements along `axis` after another. */
function softmax(x: Operand, y: Floats, axis: number, isLog: boolean): Phase[] {
  const data: Floats = x.data;
  const by = groupBy(x.dims, [axis]);
  const tops = new Float64Array(by.groups).fill(Number.NEGATIVE_INFINITY);
  const sums = new Float64Array(by.groups);
  return [
    visitGroups(by, (group, at, count, step) => {
      let top = tops[group];
      for (let i = 0; i < count; i++, at += step) top = Math.max(top, data[at]);
      tops[group] = top;
    }),
    visitGroups(by, (group, at, count, step) => {
      const top = tops[group];
      let sum = 0;
      for (let i = 0; i < count; i++, at += step) {
        const power = Math.exp(data[at] - top);
        sum += power;
        y[at] = isLog ? data[at] - top : power;
      }
      sums[group] += sum;
    }),
    visitGroups(by, (group, at, count, step) => {
      const [scale, shift] = isLog ? [1, Math.log(sums[group])] : [1 / sums[group], 0];
      for (let i = 0; i < count; i++, at += step) y[at] = y[at] * scale - shift;
    }),
  ];
}

/** The loss of log-probabilities `[N, C, ...]` for `labels` `[N, ...]`: one for each label, or their sum or weighted mean. */
function negativeLogLikelihood(
  logs: Floats,
  dims: readonly number[],
  labels: Operand,
  weights: Operand | undefined,
  y: Operand,
  attrs: Attributes,
): Phase[] {
  const [, classes, ...rest] = dims;
  const positions = sizeOf(rest);
  const { ignore_index: ignored, reduction } = attrs as { ignore_index?: number; reduction: string };
  let [losses, total] = [0, 0];
  const add = (i: number): void => {
    const label = Number(labels.data[i]);
    let [loss, weight] = [0, 0];
    if (label !== ignored) {
      if (!(label >= 0 && label < classes))
        throw new EspalierError('BAD_INPUT', `a label is ${label}; there are ${classes} classes`);
      weight = weights ? weights.data[label] : 1;
      const sample = Math.floor(i / positions);
      loss = -logs[(sample * classes + label) * positions + (i - sample * positions)] * weight;
    }
    if (reduction === 'none') y.data[i] = loss;
    losses += loss;
    total += weight;
  };
  const reduce = (): void => {
    if (reduction !== 'none') y.data[0] = reduction === 'mean' ? losses / total : losses;
  };
  return [units(labels.size, add, true), once(reduce)];
}

const row = (op: string, isLog: boolean): HostKernel =>
  define({
    op,
    compute: ({ inputs: [x], outputs: [y], attrs }) =>
      softmax(x!, y!.data, normalizeAxis(attrs['axis'] as number, x!.dims.length), isLog),
  });

export const softmaxes: readonly HostKernel[] = [
  row('Softmax', false),
  row('LogSoftmax', true),
  define({
    op: 'NegativeLogLikelihoodLoss',
    macs: ([, labels]) => sizeOf(labels!),
    compute: ({ inputs: [x, labels, weights], outputs: [y], attrs }) =>
      negativeLogLikelihood(x!.data, x!.dims, labels!, weights, y!, attrs),
  }),
  define({
    op: 'SoftmaxCrossEntropyLoss',
    macs: ([x]) => sizeOf(x!),
    compute: ({ inputs: [x, labels, weights], outputs: [y, logs], attrs }) => {
      const data: Floats = logs?.data ?? floatsLike(x!, x!.size);
      return [
        ...softmax(x!, data, 1, true),
        ...(y ? negativeLogLikelihood(data, x!.dims, labels!, weights, y, attrs) : []),
      ];
    },
  }),
];
