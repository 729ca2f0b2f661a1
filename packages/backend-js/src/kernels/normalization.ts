/** Normalisation over channels, groups and axes. */

import { type HostKernel, normalizeAxis, type Phase, sizeOf } from '@espalier/core';
import { agree } from '../agree.ts';
import { groupBy, visitGroups } from '../axes.ts';
import { broadcast } from '../broadcast.ts';
import { define, each, type Operand } from '../define.ts';
import type { Floats } from '../float.ts';

/** A number for each group of elements; `dims` broadcast to the elements' own. */
interface Statistic {
  readonly values: Floats;
  readonly dims: readonly number[];
}

/** The mean and the (population) variance along axes, and the phases that compute them. */
interface Moments {
  readonly mean: Statistic;
  readonly variance: Statistic;
  readonly phases: readonly Phase[];
}

function moments(x: Floats, dims: readonly number[], axes: readonly number[]): Moments {
  const by = groupBy(dims, axes);
  const [mean, variance] = [new Float64Array(by.groups), new Float64Array(by.groups)];
  const divide = (sums: Float64Array): Phase =>
    each(by.groups, (from, to) => {
      for (let i = from; i < to; i++) sums[i] /= by.count;
    });
  const phases = [
    visitGroups(by, (group, at, count, step) => {
      let sum = 0;
      for (let i = 0; i < count; i++, at += step) sum += x[at];
      mean[group] += sum;
    }),
    divide(mean),
    visitGroups(by, (group, at, count, step) => {
      const centre = mean[group];
      let sum = 0;
      for (let i = 0; i < count; i++, at += step) sum += (x[at] - centre) * (x[at] - centre);
      variance[group] += sum;
    }),
    divide(variance),
  ];
  const kept = dims.map((d, axis) => (axes.includes(axis) ? 1 : d));
  return { mean: { values: mean, dims: kept }, variance: { values: variance, dims: kept }, phases };
}

/** `1 / sqrt(variance + epsilon)`, and the phase that computes it. */
function deviation(variance: Statistic, epsilon: number): [Statistic, Phase] {
  const values = new Float64Array(variance.values.length);
  const run = (from: number, to: number): void => {
    for (let i = from; i < to; i++) values[i] = 1 / Math.sqrt(variance.values[i] + epsilon);
  };
  return [{ values, dims: variance.dims }, each(values.length, run)];
}

const one: Statistic = { values: new Float32Array([1]), dims: [] };
const zero: Statistic = { values: new Float32Array(1), dims: [] };

/** `y = (x - mean) * inverse * scale + bias` over elements of `dims`. */
function standardize(
  dims: readonly number[],
  x: Floats,
  y: Floats,
  mean: Statistic,
  inverse: Statistic,
  scale = one,
  bias = zero,
): Phase {
  const { steps, rows } = broadcast(dims, mean.dims, inverse.dims, scale.dims, bias.dims);
  const [stepM, stepI, stepS, stepB] = steps;
  return each(sizeOf(dims), (from, to) => {
    rows(from, to, (at, count, [m, v, s, b]) => {
      for (let i = at; i < at + count; i++, m += stepM, v += stepI, s += stepS, b += stepB)
        y[i] = (x[i] - mean.values[m]) * inverse.values[v] * scale.values[s] + bias.values[b];
    });
  });
}

/** A vector with one element for each channel, over `rest` more axes. */
function perChannel(x: Operand, channels: number, rest: number): Statistic {
  agree(x.size, channels, 'elements of a vector and channels');
  return { values: x.data, dims: [channels, ...new Array<number>(rest).fill(1)] };
}

/** Axis `from` and all after it. */
const axesFrom = (from: number, rank: number): number[] => Array.from({ length: rank - from }, (_, i) => from + i);

export const normalization: readonly HostKernel[] = [
  define({
    op: 'BatchNormalization',
    compute: ({ inputs: [x, scale, bias, mean, variance], outputs: [y, newMean, newVariance], attrs }) => {
      const { dims } = x!;
      const channels = dims[1] ?? 1;
      const vector = (v: Operand): Statistic => perChannel(v, channels, Math.max(0, dims.length - 2));
      const isTraining = attrs['training_mode'] === 1;
      const all = axesFrom(0, dims.length).filter((axis) => axis !== 1);
      const current: Moments = isTraining
        ? moments(x!.data, dims, all)
        : { mean: vector(mean!), variance: vector(variance!), phases: [] };
      const [inverse, invert] = deviation(current.variance, attrs['epsilon'] as number);
      const momentum = attrs['momentum'] as number;
      const blend = (target: Operand | undefined, old: Operand, now: Statistic): Phase =>
        each(target ? channels : 0, (from, to) => {
          for (let i = from; i < to; i++) target!.data[i] = old.data[i] * momentum + now.values[i] * (1 - momentum);
        });
      return [
        ...current.phases,
        invert,
        ...(y ? [standardize(dims, x!.data, y.data, current.mean, inverse, vector(scale!), vector(bias!))] : []),
        blend(newMean, mean!, current.mean),
        blend(newVariance, variance!, current.variance),
      ];
    },
  }),
  define({
    op: 'InstanceNormalization',
    compute: ({ inputs: [x, scale, bias], outputs: [y], attrs }) => {
      const { dims } = x!;
      const { mean, variance, phases } = moments(x!.data, dims, axesFrom(2, dims.length));
      const [inverse, invert] = deviation(variance, attrs['epsilon'] as number);
      const vector = (v: Operand): Statistic => perChannel(v, dims[1], dims.length - 2);
      return [...phases, invert, standardize(dims, x!.data, y!.data, mean, inverse, vector(scale!), vector(bias!))];
    },
  }),
  define({
    op: 'GroupNormalization',
    compute: ({ inputs: [x, scale, bias], outputs: [y], attrs }) => {
      const [batch, channels, ...spatial] = x!.dims;
      const groups = attrs['num_groups'] as number;
      agree(channels % groups, 0, `channels left over from ${groups} groups`);
      const dims = [batch, groups, channels / groups, sizeOf(spatial)];
      const { mean, variance, phases } = moments(x!.data, dims, [2, 3]);
      const [inverse, invert] = deviation(variance, attrs['epsilon'] as number);
      const vector = (v: Operand): Statistic => {
        agree(v.size, channels, 'elements of a vector and channels');
        return { values: v.data, dims: [groups, channels / groups, 1] };
      };
      return [...phases, invert, standardize(dims, x!.data, y!.data, mean, inverse, vector(scale!), vector(bias!))];
    },
  }),
  define({
    op: 'LayerNormalization',
    compute: ({ inputs: [x, scale, bias], outputs, attrs }) =>
      layerNormalization(x!, x!.data, scale!, bias, attrs['axis'] as number, attrs['epsilon'] as number, outputs),
  }),
  define({
    op: 'MeanVarianceNormalization',
    compute: ({ inputs: [x], outputs: [y], attrs }) => {
      const rank = x!.dims.length;
      const axes = (attrs['axes'] as readonly number[]).map((axis) => normalizeAxis(axis, rank)).sort((a, b) => a - b);
      const { mean, variance, phases } = moments(x!.data, x!.dims, axes);
      const inverse: Statistic = { values: new Float64Array(variance.values.length), dims: variance.dims };
      const invert = each(inverse.values.length, (from, to) => {
        // The 1e-9 is the specification's own.
        for (let i = from; i < to; i++) inverse.values[i] = 1 / (Math.sqrt(variance.values[i]) + 1e-9);
      });
      return [...phases, invert, standardize(x!.dims, x!.data, y!.data, mean, inverse)];
    },
  }),
  define({
    op: 'LpNormalization',
    compute: ({ inputs: [x], outputs: [y], attrs }) => {
      const isFirst = attrs['p'] === 1;
      const axis = normalizeAxis(attrs['axis'] as number, x!.dims.length);
      const by = groupBy(x!.dims, [axis]);
      const norms = new Float64Array(by.groups);
      return [
        visitGroups(by, (group, at, count, step) => {
          for (let i = 0; i < count; i++, at += step)
            norms[group] += isFirst ? Math.abs(x!.data[at]) : x!.data[at] ** 2;
        }),
        visitGroups(by, (group, at, count, step) => {
          const norm = isFirst ? norms[group] : Math.sqrt(norms[group]);
          for (let i = 0; i < count; i++, at += step) y!.data[at] = norm === 0 ? 0 : x!.data[at] / norm;
        }),
      ];
    },
  }),
  define({
    op: 'LRN',
    macs: ([x], _outputs, call) => sizeOf(x!) * (call.attrs['size'] as number),
    compute: ({ inputs: [x], outputs: [y], attrs }) => {
      const [, channels, ...spatial] = x!.dims;
      const positions = sizeOf(spatial);
      const [size, alpha, beta, bias] = ['size', 'alpha', 'beta', 'bias'].map((name) => attrs[name] as number);
      const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
      return each(y!.size, (from, to) => {
        for (let at = from; at < to; at++) {
          const channel = Math.floor(at / positions) % channels;
          let sum = 0;
          for (let c = Math.max(0, channel - before); c <= Math.min(channels - 1, channel + after); c++)
            sum += x!.data[at + (c - channel) * positions] ** 2;
          y!.data[at] = x!.data[at] / (bias + (alpha / size) * sum) ** beta;
        }
      });
    },
  }),
];

/** Normalises elements `data` of `x`'s shape along `axis` and all after it; outputs are Y, the means and the inverse deviations. */
export function layerNormalization(
  x: Operand,
  data: Floats,
  scale: Operand,
  bias: Operand | undefined,
  axis: number,
  epsilon: number,
  [y, means, inverses]: readonly (Operand | undefined)[],
): Phase[] {
  const { dims } = x;
  const { mean, variance, phases } = moments(data, dims, axesFrom(normalizeAxis(axis, dims.length), dims.length));
  const [inverse, invert] = deviation(variance, epsilon);
  const statistic = (v: Operand | undefined): Statistic | undefined => v && { values: v.data, dims: v.dims };
  const copy = (to: Operand | undefined, from: Statistic): Phase =>
    each(to ? from.values.length : 0, (start, end) => {
      for (let i = start; i < end; i++) to!.data[i] = from.values[i];
    });
  return [
    ...phases,
    invert,
    ...(y ? [standardize(dims, data, y.data, mean, inverse, statistic(scale), statistic(bias))] : []),
    copy(means, mean),
    copy(inverses, inverse),
  ];
}
