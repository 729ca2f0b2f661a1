/** Normalisation, softmax, losses, quantisation. */

import { type Dim, dim, dtypes } from '@espalier/core';
import fc from 'fast-check';
import { largest, nearby, type Tolerance, ulps } from '../tolerance.ts';
import { anything, indices, ordinary, uniform, type Values } from '../values.ts';
import { attributes, type Case, extents, family, fixed, type OpCases, type Sizes, trim } from './define.ts';
import { alongAxis } from './reduce.ts';

// Attributes of files are float32, so those of cases are numbers that float32 has.
const epsilons = { epsilon: [2 ** -17, 2 ** -10] };
const rows = { rows: fixed(256), columns: fixed(768) };

const softmaxes = family(['Softmax', 'LogSoftmax', 'Hardmax'], {
  tolerance: ulps(64, 1 / 8),
  cases: () =>
    fc.record({ x: alongAxis(0), wide: fc.boolean() }).map(({ x: { shape, sizes, axis }, wide }) => ({
      inputs: [{ shape, values: wide ? uniform(-90, 90) : ordinary }],
      attrs: { axis },
      sizes,
    })),
  bench: () => ({ inputs: [{ shape: ['rows', 'columns'], values: ordinary }], sizes: rows }),
});

const positive = uniform(0.5, 2);
/** A single element has no variance: what is left of it is rounding, which the epsilon amplifies. */
function spread(sizes: Sizes, name: string): Sizes {
  return { ...sizes, [name]: sizes[name]!.map((size) => Math.max(size, 2)) };
}

/** Statistics amplify rounding by how far the mean is from zero, in standard deviations. */
const normalized: Tolerance = largest(256);

const batchNormalization: OpCases = {
  op: 'BatchNormalization',
  tolerance: normalized,
  cases: ({ types: { T, T1, T2 }, schema }) =>
    T !== T1 || T1 !== T2
      ? undefined
      : fc
          .record({ x: extents({ minRank: 2, least: 1 }), attrs: attributes(epsilons, schema) })
          .map(({ x: { shape, sizes }, attrs }): Case => {
            const vector = (values: Values) => ({ shape: [shape[1]!], values, weight: false });
            return {
              inputs: [
                { shape, values: ordinary },
                vector(positive),
                vector(ordinary),
                vector(ordinary),
                vector(positive),
              ],
              attrs,
              sizes,
            };
          }),
};

const perChannel = (op: string, groups: boolean): OpCases => ({
  op,
  tolerance: normalized,
  cases: ({ schema }) =>
    fc
      .record({
        x: extents({ minRank: 3, least: 1 }),
        group: fc.constantFrom(1, 2, 3),
        attrs: attributes(epsilons, schema),
      })
      .map(({ x: { shape, sizes }, group, attrs }): Case => {
        const channels: Dim = groups ? dim.mul(shape[1]!, group) : shape[1]!;
        return {
          inputs: [
            { shape: [...shape].with(1, channels as string), values: ordinary },
            { shape: [channels], values: ordinary },
            { shape: [channels], values: ordinary },
          ],
          attrs: groups ? { ...attrs, num_groups: group } : attrs,
          sizes: spread(sizes, shape.at(-1)!),
        };
      }),
});

const layerNormalization: OpCases = {
  op: 'LayerNormalization',
  tolerance: normalized,
  cases: ({ types: { U }, schema }) =>
    U !== 'float32'
      ? undefined
      : fc
          .record({
            x: alongAxis(1),
            bias: fc.boolean(),
            attrs: attributes(epsilons, schema),
            outputs: fc.constantFrom([true], [true, true, true]),
          })
          .map(({ x: { shape, sizes, axis }, bias, attrs, outputs }): Case => {
            const over = shape.slice(axis);
            return {
              inputs: trim([
                { shape, values: ordinary },
                { shape: over, values: ordinary },
                bias ? { shape: over, values: ordinary } : undefined,
              ]),
              attrs: { ...attrs, axis },
              sizes: spread(sizes, shape.at(-1)!),
              outputs,
            };
          }),
  bench: () => ({
    inputs: [['rows', 'columns'], ['columns'], ['columns']].map((shape) => ({ shape, values: ordinary })),
    sizes: rows,
  }),
};

const skipLayerNormalization: OpCases = {
  op: 'SkipLayerNormalization',
  domain: 'espalier',
  tolerance: normalized,
  cases: ({ schema }) =>
    fc
      .record({
        x: extents({ minRank: 1, least: 1 }),
        bias: fc.boolean(),
        attrs: attributes(epsilons, schema),
        outputs: fc.constantFrom([true], [true, true]),
      })
      .map(({ x: { shape, sizes }, bias, attrs, outputs }) => {
        const vector = { shape: shape.slice(-1), values: ordinary };
        return {
          inputs: trim([{ shape, values: ordinary }, { shape, values: ordinary }, vector, bias ? vector : undefined]),
          attrs,
          sizes: spread(sizes, shape.at(-1)!),
          outputs,
        };
      }),
};

const simple: readonly OpCases[] = [
  {
    op: 'LpNormalization',
    tolerance: ulps(64),
    cases: ({ schema }) =>
      fc
        .record({ x: alongAxis(1), attrs: attributes({ p: [1, 2] }, schema) })
        .map(({ x: { shape, sizes, axis }, attrs }) => ({
          inputs: [{ shape, values: uniform(0.5, 4) }],
          attrs: { ...attrs, axis },
          sizes,
        })),
  },
  {
    op: 'MeanVarianceNormalization',
    tolerance: largest(1024),
    cases: () =>
      fc
        .record({
          x: extents({ minRank: 4, maxRank: 5, least: 2 }),
          axes: fc.constantFrom(undefined, [0, 2, 3], [1, 2], [3]),
        })
        .map(({ x: { shape, sizes }, axes }) => ({
          inputs: [{ shape, values: ordinary }],
          attrs: axes ? { axes } : {},
          sizes,
        })),
  },
  {
    op: 'LRN',
    tolerance: ulps(64),
    cases: ({ schema }) =>
      fc
        .record({
          x: extents({ minRank: 3 }),
          attrs: attributes({ alpha: [2 ** -10, 0.5], beta: [0.5, 1], bias: [2], size: [3, 1, 5, 2] }, schema),
        })
        .map(({ x: { shape, sizes }, attrs }) => ({ inputs: [{ shape, values: ordinary }], attrs, sizes })),
  },
];

const losses = family(['NegativeLogLikelihoodLoss', 'SoftmaxCrossEntropyLoss'], {
  tolerance: ulps(256, 8),
  cases: ({ schema }) =>
    fc
      .record({
        x: extents({ minRank: 2, maxRank: 4, least: 1 }),
        weights: fc.boolean(),
        attrs: attributes({ reduction: ['mean', 'sum', 'none'], ignore_index: [0, 1] }, schema),
        logs: fc.boolean(),
      })
      .map(({ x: { shape, sizes }, weights, attrs, logs }): Case => {
        const [batch, classes, ...rest] = shape;
        // Where everything is ignored the mean is not defined.
        const ignores = attrs['ignore_index'] !== undefined && Math.min(...sizes[classes!]!) < 3;
        const { ignore_index: _, ...others } = attrs;
        return {
          inputs: trim([
            { shape, values: ordinary },
            { shape: [batch!, ...rest], values: indices(classes!, false), within: [classes!] },
            weights ? { shape: [classes!], values: positive } : undefined,
          ]),
          attrs: ignores || attrs['reduction'] !== 'none' ? others : attrs,
          sizes,
          outputs: schema.outputs.length > 1 && logs ? [true, true] : [true],
        };
      }),
});

/** Scale and zero point: one, one for each index of an axis, or one for each block along it. */
const granularities = alongAxis(1).chain((x) =>
  fc.constantFrom('one', 'axis', 'block').map((how) => {
    const { shape, sizes, axis } = x;
    const at = axis < 0 ? axis + shape.length : axis;
    const block = 4;
    const blocks = shape.map((d, i): Dim => (i === at ? dim.ceilDiv(d, block) : d));
    const granularity: readonly Dim[] = { one: [], axis: [shape[at]!], block: blocks }[how]!;
    return { shape, sizes, granularity, attrs: { axis, ...(how === 'block' ? { block_size: block } : {}) } };
  }),
);
const scales = uniform(1 / 16, 1);

const quantizeLinear: OpCases = {
  op: 'QuantizeLinear',
  tolerance: nearby(1),
  cases: ({ types: { T1, T2, T3 } }) =>
    T1 !== T2 || T1 === 'int32'
      ? undefined
      : fc.record({ x: granularities, zero: fc.boolean() }).map(
          ({ x: { shape, sizes, granularity, attrs }, zero }): Case => ({
            inputs: trim([
              { shape, values: uniform(-60, 60) },
              { shape: granularity, values: scales },
              zero ? { shape: granularity, values: anything } : undefined,
            ]),
            attrs: { ...attrs, ...(zero || T3 === 'uint8' ? {} : { output_dtype: dtypes[T3!].onnx }) },
            sizes,
          }),
        ),
};

const dequantizeLinear: OpCases = {
  op: 'DequantizeLinear',
  tolerance: ulps(2),
  cases: ({ types: { T1, T2, T3 } }) =>
    T2 !== T3
      ? undefined
      : fc.record({ x: granularities, zero: fc.boolean() }).map(
          ({ x: { shape, sizes, granularity, attrs }, zero }): Case => ({
            inputs: trim([
              { shape, values: uniform(-1000, 1000), weight: true },
              { shape: granularity, values: scales },
              zero && T1 !== 'int32' ? { shape: granularity, values: uniform(-100, 100) } : undefined,
            ]),
            attrs,
            sizes,
          }),
        ),
};

const dynamicQuantizeLinear: OpCases = {
  op: 'DynamicQuantizeLinear',
  tolerance: async (evaluated) => {
    const { outputs, inputs, evaluate } = evaluated;
    const [y, scale, zero] = outputs;
    const node = {
      name: 'levels',
      op: 'QuantizeLinear',
      domain: '',
      inputs: ['x', 's', 'z'],
      outputs: ['y'],
      attrs: {},
    };
    const [slack] = await nearby(1)({ node, inputs: [inputs[0], scale, zero], outputs: [y], evaluate });
    return [slack, (await ulps(2)({ ...evaluated, outputs: [scale] }))[0], undefined];
  },
  cases: () => extents({ least: 1 }).map(({ shape, sizes }) => ({ inputs: [{ shape, values: ordinary }], sizes })),
};

export const normalizationCases: readonly OpCases[] = [
  ...softmaxes,
  batchNormalization,
  perChannel('InstanceNormalization', false),
  perChannel('GroupNormalization', true),
  layerNormalization,
  skipLayerNormalization,
  ...simple,
  ...losses,
  quantizeLinear,
  dequantizeLinear,
  dynamicQuantizeLinear,
];
