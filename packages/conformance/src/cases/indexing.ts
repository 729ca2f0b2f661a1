/** Ops that read or write where indices say, and ops whose results are sizes or positions. */

import { type Dim, dim, dtypes } from '@espalier/core';
import fc from 'fast-check';
import { encode } from '../elements.ts';
import { exact, ulps } from '../tolerance.ts';
import { anything, exactly, indices, uniform, type Values } from '../values.ts';
import { attributes, type Case, edge, extents, few, fixed, type OpCases, shapeInput } from './define.ts';
import { alongAxis } from './reduce.ts';

const indicesOf = (size: Dim) => ({ values: indices(size), within: [size] });

const gather: OpCases = {
  op: 'Gather',
  tolerance: exact,
  cases: () =>
    fc
      .record({ x: alongAxis(1), I: edge(), J: few(0, 3), rank: fc.nat(2) })
      .map(({ x: { shape, sizes, axis }, I, J, rank }) => ({
        inputs: [
          { shape, values: anything, weight: true },
          { shape: ['I', 'J'].slice(0, rank), ...indicesOf(shape.at(axis)!) },
        ],
        attrs: { axis },
        sizes: { ...sizes, ...(rank > 0 ? { I } : {}), ...(rank > 1 ? { J } : {}) },
      })),
  bench: () => ({
    inputs: [
      { shape: ['vocabulary', 'width'], values: anything, weight: true },
      { shape: ['positions'], values: indices('vocabulary', false) },
    ],
    sizes: { vocabulary: fixed(8192), width: fixed(384), positions: fixed(512) },
  }),
};

const gatherElements: OpCases = {
  op: 'GatherElements',
  tolerance: exact,
  cases: () =>
    fc.record({ x: alongAxis(1), J: edge() }).map(({ x: { shape, sizes, axis }, J }) => ({
      inputs: [
        { shape, values: anything },
        { shape: shape.with(axis, 'J'), ...indicesOf(shape.at(axis)!) },
      ],
      attrs: { axis },
      sizes: { ...sizes, J },
    })),
};

/** Tuples of indices into the axes `axes`, in range for each. */
const tuples =
  (axes: readonly Dim[]): Values =>
  ({ dims, at, random }) => {
    const count = dims.slice(0, -1).reduce((a, b) => a * b, 1);
    const each = axes.map((d) => dim.evaluate(d, at));
    return Array.from({ length: count }, () =>
      each.map((size) => random.below(size) - (random.below(3) === 0 ? size : 0)),
    ).flat();
  };

/** The same, no tuple twice; there are at most as many as positions. */
const distinctTuples =
  (axes: readonly Dim[]): Values =>
  ({ dims, at, random }) => {
    const each = axes.map((d) => dim.evaluate(d, at));
    const all = random.shuffle(Array.from({ length: each.reduce((a, b) => a * b, 1) }, (_, i) => i));
    return all.slice(0, dims[0]).flatMap((position) => {
      let rest = position;
      return each.map((size, axis) => {
        const step = each.slice(axis + 1).reduce((a, b) => a * b, 1);
        const index = Math.floor(rest / step);
        rest %= step;
        return random.below(3) === 0 ? index - size : index;
      });
    });
  };

const gatherND: OpCases = {
  op: 'GatherND',
  tolerance: exact,
  cases: () =>
    fc
      .record({ x: extents({ minRank: 1, maxRank: 4, least: 1 }), I: edge(), length: fc.nat(3), batch: fc.nat(2) })
      .map(({ x: { shape, sizes }, I, length, batch }): Case => {
        const batchDims = Math.min(batch, shape.length - 1);
        const parts = 1 + (length % (shape.length - batchDims));
        return {
          inputs: [
            { shape, values: anything },
            {
              shape: [...shape.slice(0, batchDims), 'I', parts],
              values: tuples(shape.slice(batchDims, batchDims + parts)),
              within: shape.slice(batchDims, batchDims + parts),
            },
          ],
          attrs: batchDims > 0 ? { batch_dims: batchDims } : {},
          sizes: { ...sizes, I },
        };
      }),
};

const combine = { reduction: ['add', 'mul', 'max', 'min'] };
const combinable = uniform(-4, 4);

/** One permutation of the axis for all lanes, so that none is written twice; or any indices, where they are combined. */
const laneIndices =
  (axis: number, size: Dim): Values =>
  ({ dims, at, random }) => {
    const order = random.shuffle(Array.from({ length: dim.evaluate(size, at) }, (_, i) => i));
    const step = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
    const count = dims.reduce((a, b) => a * b, 1);
    return Array.from({ length: count }, (_, i) => order[Math.floor(i / step) % dims[axis]!]!);
  };

const scatterElements: OpCases = {
  op: 'ScatterElements',
  tolerance: ulps(16, 16),
  cases: ({ types: { T }, schema }) =>
    fc
      .record({
        x: alongAxis(1, 1),
        share: fc.constantFrom(1, 2, 3),
        attrs: isNumber(T) ? attributes(combine, schema) : fc.constant({}),
      })
      .map(({ x: { shape, sizes, axis }, share, attrs }): Case => {
        const at = axis < 0 ? axis + shape.length : axis;
        const combines = 'reduction' in attrs;
        const J = sizes[shape[at]!]!.map((size) => Math.ceil(size / share));
        const updates = shape.with(at, 'J');
        return {
          inputs: [
            { shape, values: combines ? combinable : anything },
            {
              shape: updates,
              values: combines ? indices(shape[at]!) : laneIndices(at, shape[at]!),
              within: [shape[at]!],
            },
            { shape: updates, values: combines ? combinable : anything },
          ],
          attrs: { axis, ...attrs },
          sizes: { ...sizes, J },
          linked: [[shape[at]!, 'J']],
        };
      }),
};

const scatterND: OpCases = {
  op: 'ScatterND',
  tolerance: ulps(16, 16),
  cases: ({ types: { T }, schema }) =>
    fc
      .record({
        x: extents({ minRank: 1, maxRank: 4, least: 1 }),
        length: fc.nat(3),
        share: fc.constantFrom(1, 2, 3),
        attrs: isNumber(T) ? attributes(combine, schema) : fc.constant({}),
      })
      .map(({ x: { shape, sizes }, length, share, attrs }): Case => {
        const parts = 1 + (length % shape.length);
        const leading = shape.slice(0, parts);
        const combines = 'reduction' in attrs;
        const I = sizes[shape[0]!]!.map((_, run) =>
          Math.ceil(leading.reduce((count, name) => count * sizes[name]![run]!, 1) / share),
        );
        return {
          inputs: [
            { shape, values: combines ? combinable : anything },
            { shape: ['I', parts], values: combines ? tuples(leading) : distinctTuples(leading), within: leading },
            { shape: ['I', ...shape.slice(parts)], values: combines ? combinable : anything },
          ],
          attrs,
          sizes: { ...sizes, I },
          linked: [[...leading, 'I']],
        };
      }),
};

function isNumber(dtype: string | undefined): boolean {
  return dtype !== 'string' && dtype !== 'bool' && dtypes[dtype as 'int4'].bits > 4;
}

const compress: OpCases = {
  op: 'Compress',
  tolerance: exact,
  cases: () =>
    fc
      .record({ x: alongAxis(1), given: fc.boolean(), short: fc.boolean() })
      .map(({ x: { shape, sizes, axis }, given, short }): Case => {
        const whole = given
          ? sizes[shape.at(axis)!]!
          : sizes[shape[0]!]!.map((_, run) => shape.reduce((n, d) => n * sizes[d]![run]!, 1));
        return {
          inputs: [
            { shape, values: anything },
            { shape: ['C'], values: anything },
          ],
          attrs: given ? { axis } : {},
          sizes: { ...sizes, C: whole.map((size) => (short ? Math.ceil(size / 2) : size)) },
          linked: [given ? [shape.at(axis)!, 'C'] : [...shape, 'C']],
        };
      }),
};

const nonZero: OpCases = {
  op: 'NonZero',
  tolerance: exact,
  cases: () =>
    extents({ minRank: 1 }).map(({ shape, sizes }) => ({ inputs: [{ shape, values: uniform(0, 1) }], sizes })),
};

const unique: OpCases = {
  op: 'Unique',
  tolerance: exact,
  cases: ({ schema }) =>
    fc
      .record({
        x: alongAxis(0),
        given: fc.boolean(),
        attrs: attributes({ sorted: [0, 1] }, schema),
        outputs: fc.constantFrom([true], [true, true, true, true], [true, false, true]),
      })
      .map(({ x: { shape, sizes, axis }, given, attrs, outputs }) => ({
        inputs: [{ shape, values: (context) => Array.from(uniform(0, 3)(context) as ArrayLike<number>, roundNumbers) }],
        attrs: { ...attrs, ...(given ? { axis } : {}) },
        sizes,
        outputs,
      })),
};

const roundNumbers = <T>(x: T): T | number => (typeof x === 'number' ? Math.round(x) : x);

const oneHot: OpCases = {
  op: 'OneHot',
  tolerance: exact,
  cases: () =>
    fc
      .record({
        x: extents({ maxRank: 3 }),
        depth: fc.integer({ min: 1, max: 17 }),
        axis: fc.integer({ min: -4, max: 3 }),
        scalar: fc.boolean(),
      })
      .map(({ x: { shape, sizes }, depth, axis, scalar }) => {
        const rank = shape.length + 1;
        return {
          inputs: [
            // Indices out of range give only "off".
            {
              shape,
              values: (context) =>
                Array.from(uniform(-depth - 2, depth + 2)(context) as ArrayLike<number>, roundNumbers),
            },
            { shape: scalar ? [] : [1], values: exactly(depth) },
            { shape: [2], values: anything },
          ],
          attrs: { axis: Math.max(-rank, Math.min(rank - 1, axis)) },
          sizes,
        };
      }),
};

const eyeLike: OpCases = {
  op: 'EyeLike',
  tolerance: exact,
  cases: ({ types: { T1, T2 } }) =>
    fc
      .record({ N: edge(), M: edge(), k: fc.integer({ min: -9, max: 9 }), given: fc.boolean() })
      .map(({ N, M, k, given }) => ({
        inputs: [{ shape: ['N', 'M'], values: anything }],
        attrs: { k, ...(given || T1 !== T2 ? { dtype: dtypes[T2!].onnx } : {}) },
        sizes: { N, M },
      })),
};

const range: OpCases = {
  op: 'Range',
  tolerance: ulps(4),
  cases: ({ types: { T } }) =>
    fc
      .record({
        start: fc.integer({ min: -20, max: 20 }),
        count: fc.nat(70),
        delta: fc.constantFrom(1, 2, 3, -1, -2),
        fraction: fc.constantFrom(1, 0.5, 0.25),
      })
      .map(({ start, count, delta, fraction }) => {
        const step = T!.includes('float') ? fraction : 1;
        const scalar = (value: number) => ({ shape: [], values: exactly(value) });
        return {
          inputs: [scalar(start * step), scalar((start + count * delta) * step), scalar(delta * step)],
          sizes: {},
        };
      }),
};

const constantOfShape: OpCases = {
  op: 'ConstantOfShape',
  tolerance: exact,
  cases: ({ types: { T2 } }) =>
    fc
      .record({ x: extents(), way: fc.constantFrom('contents', 'attribute'), given: fc.boolean() })
      .map(({ x: { shape, sizes }, way, given }): Case => {
        const value = given || T2 !== 'float32' ? { value: encode(T2!, [1], [T2 === 'string' ? 'x' : 1]) } : {};
        return {
          inputs: way === 'attribute' ? [] : [shapeInput(shape)],
          attrs: { ...value, ...(way === 'attribute' ? { shape } : {}) },
          sizes,
        };
      }),
};

const shapes: readonly OpCases[] = [
  {
    op: 'Shape',
    tolerance: exact,
    cases: ({ schema }) =>
      fc
        .record({ x: extents(), attrs: attributes({ start: [0, 1, -2], end: [2, -1, 9] }, schema) })
        .map(({ x: { shape, sizes }, attrs }) => ({ inputs: [{ shape, values: anything }], attrs, sizes })),
  },
  {
    op: 'Size',
    tolerance: exact,
    cases: () => extents().map(({ shape, sizes }) => ({ inputs: [{ shape, values: anything }], sizes })),
  },
  {
    op: 'Dims',
    domain: 'espalier',
    tolerance: exact,
    cases: () =>
      fc
        .record({ x: extents({ minRank: 1 }), dtype: fc.constantFrom('int64', 'int32'), scalar: fc.boolean() })
        .map(({ x: { shape, sizes }, dtype, scalar }): Case => {
          const dims = scalar ? [dim.product(shape)] : shape;
          return { inputs: [], attrs: { dims, dtype, ...(scalar ? { scalar: 1 } : {}) }, sizes };
        }),
  },
];

export const indexingCases: readonly OpCases[] = [
  gather,
  gatherElements,
  gatherND,
  scatterElements,
  scatterND,
  compress,
  nonZero,
  unique,
  oneHot,
  eyeLike,
  range,
  constantOfShape,
  ...shapes,
];
