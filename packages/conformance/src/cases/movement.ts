/** Ops that move elements to other places: bits stay as they are. */

import { type Dim, dim } from '@espalier/core';
import fc from 'fast-check';
import { exact } from '../tolerance.ts';
import { anything, exactly, uniform } from '../values.ts';
import {
  attributes,
  type Case,
  type CaseInput,
  edge,
  extents,
  few,
  fixed,
  type OpCases,
  type Sizes,
  shapeInput,
  trim,
} from './define.ts';
import { alongAxis } from './reduce.ts';

const matrix = {
  inputs: [{ shape: ['rows', 'columns'], values: anything }],
  sizes: { rows: fixed(1024), columns: fixed(1024) },
};

/** An exact row. */
const row = (op: string, cases: OpCases['cases'], bench?: OpCases['bench']): OpCases => ({
  op,
  tolerance: exact,
  cases,
  ...(bench ? { bench } : {}),
});

const ints = (min: number, max: number, length = 5): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min, max }), { minLength: length, maxLength: length });
const flags = fc.array(fc.boolean(), { minLength: 5, maxLength: 5 });

const transpose = row(
  'Transpose',
  () =>
    fc
      .record({ x: extents(), keys: ints(0, 99), given: fc.boolean() })
      .map(({ x: { shape, sizes }, keys, given }): Case => {
        const perm = shape.map((_, axis) => axis).sort((a, b) => keys[a]! - keys[b]! || a - b);
        return { inputs: [{ shape, values: anything }], attrs: given ? { perm } : {}, sizes };
      }),
  () => ({ ...matrix, attrs: { perm: [1, 0] } }),
);

const concat = row(
  'Concat',
  () =>
    fc
      .record({ x: alongAxis(0), parts: fc.array(edge(), { minLength: 1, maxLength: 4 }) })
      .map(({ x: { shape, sizes, axis }, parts }): Case => {
        const name = shape.at(axis)!;
        const { [name]: _, ...others } = sizes;
        return {
          inputs: parts.map((_, i) => ({ shape: shape.map((d) => (d === name ? `p${i}` : d)), values: anything })),
          attrs: { axis },
          sizes: { ...others, ...Object.fromEntries(parts.map((size, i) => [`p${i}`, size])) },
        };
      }),
  () => ({ inputs: [matrix.inputs[0]!, matrix.inputs[0]!], attrs: { axis: -1 }, sizes: matrix.sizes }),
);

const split = row('Split', () =>
  fc
    .record({
      x: alongAxis(0),
      parts: fc.array(fc.nat(9), { minLength: 1, maxLength: 4 }),
      how: fc.constantFrom('count', 'sizes'),
      wanted: flags,
    })
    .map(({ x: { shape, sizes, axis }, parts, how, wanted }): Case => {
      const isCount = how === 'count';
      const outputs = parts.map((_, i) => wanted[i]! || i === parts.length - 1);
      const total = parts.reduce((a, b) => a + b, 0);
      return {
        inputs: trim([
          { shape, values: anything },
          isCount ? undefined : { shape: [parts.length], values: exactly(...parts) },
        ]),
        attrs: { axis, ...(isCount ? { num_outputs: parts.length } : {}) },
        sizes: isCount ? sizes : { ...sizes, [shape.at(axis)!]: fixed(total) },
        outputs,
      };
    }),
);

const FAR = 2 ** 31 - 1;

const slice = row(
  'Slice',
  () =>
    fc
      .record({
        x: extents(),
        chosen: flags,
        fromEnd: fc.boolean(),
        starts: ints(-9, 9),
        ends: fc.array(fc.oneof(fc.integer({ min: -9, max: 40 }), fc.constantFrom(FAR, -FAR)), {
          minLength: 5,
          maxLength: 5,
        }),
        steps: fc.array(fc.constantFrom(1, 1, 2, 3, -1, -2), { minLength: 5, maxLength: 5 }),
        given: fc.constantFrom('all', 'axes', 'leading'),
      })
      .map(({ x: { shape, sizes }, chosen, fromEnd, starts, ends, steps, given }): Case => {
        const rank = shape.length;
        let axes = shape.flatMap((_, axis) => (chosen[axis] ? [axis] : []));
        if (given === 'leading') axes = axes.map((_, i) => i);
        const list = (values: readonly number[]): CaseInput => ({
          shape: [axes.length],
          values: exactly(...axes.map((_, i) => values[i]!)),
        });
        return {
          inputs: trim([
            { shape, values: anything },
            list(starts),
            list(ends),
            given === 'leading' ? undefined : list(axes.map((axis) => (fromEnd ? axis - rank : axis))),
            given === 'all' ? list(steps) : undefined,
          ]),
          sizes,
        };
      }),
  () => ({
    inputs: [...matrix.inputs, ...[[3], [-3], [1]].map((list) => ({ shape: [1], values: exactly(...list) }))],
    sizes: matrix.sizes,
  }),
);

const pad = row('Pad', ({ types: { T } }) =>
  fc
    .record({
      x: extents({ least: 1, maxRank: 4 }),
      mode: fc.constantFrom('constant', 'constant', 'edge', 'reflect', 'wrap'),
      before: ints(-1, 5),
      after: ints(-1, 5),
      value: fc.boolean(),
      axes: fc.constantFrom('none', 'positive', 'negative'),
      chosen: flags,
    })
    .map(({ x: { shape, sizes }, mode, before, after, value, axes, chosen }): Case => {
      const rank = shape.length;
      const picked = shape.flatMap((_, axis) => (axes === 'none' || chosen[axis] ? [axis] : []));
      // Reflections and repetitions come from the axis itself, so it limits them; so it does what is cut off.
      const limit = (axis: number, pads: readonly number[]): number => {
        const smallest = Math.min(...sizes[shape[axis]!]!);
        const most = mode === 'reflect' ? smallest - 1 : mode === 'wrap' ? smallest : 5;
        return Math.max(smallest > 2 && mode === 'constant' ? -1 : 0, Math.min(pads[axis]!, most));
      };
      const pads = [...picked.map((axis) => limit(axis, before)), ...picked.map((axis) => limit(axis, after))];
      return {
        inputs: trim([
          { shape, values: anything },
          { shape: [pads.length], values: exactly(...pads) },
          value && mode === 'constant' ? { shape: [], values: T === 'string' ? anything : uniform(1, 5) } : undefined,
          axes === 'none'
            ? undefined
            : {
                shape: [picked.length],
                values: exactly(...picked.map((axis) => (axes === 'negative' ? axis - rank : axis))),
              },
        ]),
        attrs: mode === 'constant' && value ? {} : { mode },
        sizes,
      };
    }),
);

const tile = row('Tile', () =>
  fc.record({ x: extents({ maxRank: 4 }), repeats: ints(0, 3) }).map(({ x: { shape, sizes }, repeats }): Case => {
    const list = shape.map((_, axis) => repeats[axis]!);
    return {
      inputs: [
        { shape, values: anything },
        { shape: [list.length], values: exactly(...list) },
      ],
      sizes,
    };
  }),
);

const expand = row('Expand', () =>
  fc
    .record({ out: extents(), missing: fc.nat(5), ones: flags, short: fc.nat(2), asAttribute: fc.boolean() })
    .map(({ out: { shape, sizes }, missing, ones, short, asAttribute }): Case => {
      const from = shape.map((d, axis) => (ones[axis] ? 1 : d)).slice(missing);
      // What is asked for may have fewer axes than the input, or ones where the input has more.
      const to = from.length === shape.length ? shape.slice(short) : shape;
      const asked = to.map((d, i) => (ones[i + 1] && from.at(i - to.length) === d ? 1 : d));
      const used = new Set<Dim>([...from, ...asked]);
      return {
        inputs: asAttribute
          ? [{ shape: from, values: anything }]
          : [{ shape: from, values: anything }, shapeInput(asked)],
        attrs: asAttribute ? { shape: asked } : {},
        sizes: Object.fromEntries(Object.entries(sizes).filter(([name]) => used.has(name))),
      };
    }),
);

const centerCropPad = row('CenterCropPad', () =>
  fc
    .record({ x: extents({ minRank: 1, maxRank: 4 }), to: ints(0, 20), chosen: flags, given: fc.boolean() })
    .map(({ x: { shape, sizes }, to, chosen, given }): Case => {
      const axes = shape.flatMap((_, axis) => (!given || chosen[axis] ? [axis] : []));
      return {
        inputs: [
          { shape, values: anything },
          { shape: [axes.length], values: exactly(...axes.map((axis) => to[axis]!)) },
        ],
        attrs: given ? { axes } : {},
        sizes,
      };
    }),
);

const blocks = (op: string, isDepth: boolean): OpCases =>
  row(op, ({ schema }) =>
    fc
      .record({
        N: few(0, 2),
        C: edge(0, 9),
        H: edge(0, 9),
        W: edge(0, 9),
        size: fc.constantFrom(1, 2, 3),
        mode: attributes({ mode: ['DCR', 'CRD'] }, schema),
      })
      .map(({ N, C, H, W, size, mode }): Case => {
        const [depth, space] = isDepth ? [size * size, 1] : [1, size];
        return {
          inputs: [{ shape: ['N', dim.mul('C', depth), dim.mul('H', space), dim.mul('W', space)], values: anything }],
          attrs: { blocksize: size, ...mode },
          sizes: { N, C, H, W },
        };
      }),
  );

const trilu = row('Trilu', ({ schema }) =>
  fc
    .record({
      x: extents({ minRank: 2 }),
      k: fc.option(fc.integer({ min: -20, max: 20 })),
      attrs: attributes({ upper: [0, 1] }, schema),
    })
    .map(({ x: { shape, sizes }, k, attrs }) => ({
      inputs: trim([{ shape, values: anything }, k === null ? undefined : { shape: [], values: exactly(k) }]),
      attrs,
      sizes,
    })),
);

const reverseSequence = row('ReverseSequence', () =>
  fc
    .record({ x: extents({ minRank: 2, least: 1 }), batchFirst: fc.boolean() })
    .map(({ x: { shape, sizes }, batchFirst }): Case => {
      const [batch, time] = batchFirst ? [0, 1] : [1, 0];
      return {
        inputs: [
          { shape, values: anything },
          {
            shape: [shape[batch]!],
            values: (context) => uniform(0, context.at[shape[time]!]!)(context),
            within: [shape[time]!],
          },
        ],
        attrs: { batch_axis: batch, time_axis: time },
        sizes,
      };
    }),
);

const views: readonly OpCases[] = [
  row('Identity', () => extents().map(({ shape, sizes }) => ({ inputs: [{ shape, values: anything }], sizes }))),
  row('Dropout', ({ types: { T, T1 } }) =>
    T !== T1
      ? undefined
      : fc.record({ x: extents(), given: fc.boolean() }).map(({ x: { shape, sizes }, given }) => ({
          inputs: trim([{ shape, values: anything }, given ? { shape: [], values: uniform(0, 1) } : undefined]),
          sizes,
        })),
  ),
  row('Reshape', () =>
    fc
      .record({
        A: edge(1),
        B: edge(1),
        way: fc.constantFrom<readonly Dim[]>(
          [-1],
          [0, -1],
          [-1, 6],
          ['B', 'A', 6],
          [dim.mul('A', 'B'), 2, 3],
          [1, 'A', 0, -1],
        ),
        asAttribute: fc.boolean(),
      })
      .map(({ A, B, way, asAttribute }): Case => {
        const exactDims = asAttribute && way.every((d) => typeof d === 'string' || d > 0);
        return {
          inputs: [{ shape: ['A', 'B', 6], values: anything }, ...(exactDims ? [] : [shapeInput(way)])],
          attrs: exactDims ? { shape: way } : {},
          sizes: { A, B },
        };
      }),
  ),
  row('Flatten', () =>
    fc.record({ x: extents(), axis: fc.integer({ min: -5, max: 5 }) }).map(({ x: { shape, sizes }, axis }) => ({
      inputs: [{ shape, values: anything }],
      attrs: { axis: Math.max(-shape.length, Math.min(shape.length, axis)) },
      sizes,
    })),
  ),
  row('Squeeze', () =>
    fc.record({ x: extents({ maxRank: 4 }), ones: flags, fromEnd: fc.boolean() }).map(({ x, ones, fromEnd }): Case => {
      const shape = x.shape.map((d, axis): Dim => (ones[axis] ? 1 : d));
      const axes = shape.flatMap((d, axis) => (d === 1 ? [fromEnd ? axis - shape.length : axis] : []));
      return {
        inputs: [
          { shape, values: anything },
          { shape: [axes.length], values: exactly(...axes) },
        ],
        sizes: usedBy(shape, x.sizes),
      };
    }),
  ),
  row('Unsqueeze', () =>
    fc
      .record({ x: extents({ maxRank: 3 }), ones: flags, fromEnd: fc.boolean() })
      .map(({ x: { shape, sizes }, ones, fromEnd }): Case => {
        const count = ones.slice(0, 3).filter(Boolean).length;
        const rank = shape.length + count;
        const axes = Array.from({ length: rank }, (_, axis) => axis).slice(-count || rank);
        return {
          inputs: [
            { shape, values: anything },
            { shape: [axes.length], values: exactly(...axes.map((axis) => (fromEnd ? axis - rank : axis))) },
          ],
          sizes,
        };
      }),
  ),
];

function usedBy(shape: readonly Dim[], sizes: Sizes): Sizes {
  return Object.fromEntries(Object.entries(sizes).filter(([name]) => shape.includes(name)));
}

export const movementCases: readonly OpCases[] = [
  transpose,
  concat,
  split,
  slice,
  pad,
  tile,
  expand,
  centerCropPad,
  blocks('DepthToSpace', true),
  blocks('SpaceToDepth', false),
  trilu,
  reverseSequence,
  ...views,
];
