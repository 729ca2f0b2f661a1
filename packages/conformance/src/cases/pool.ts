/** Pooling. */

import { type Attribute, type Dim, dim } from '@espalier/core';
import fc from 'fast-check';
import { exact, largest, sums, type Tolerance, ulps } from '../tolerance.ts';
import { distinctIndices, indices, special, uniform, type Values } from '../values.ts';
import { attributes, edge, extents, family, few, fixed, type OpCases, shapeInput } from './define.ts';
import { windowAttributes, windows } from './window.ts';

const image = (values: Values, N: readonly number[], C: readonly number[], H: readonly number[]) => ({
  inputs: [{ shape: ['N', 'C', 'H', 'H'], values }],
  sizes: { N, C, H },
});

function sliding(
  op: string,
  tolerance: Tolerance,
  values: Values,
  more: Readonly<Record<string, readonly Attribute[]>>,
  outputs: readonly (readonly boolean[])[] = [[true]],
): OpCases {
  return {
    op,
    tolerance,
    cases: ({ schema }) =>
      fc
        .record({
          window: windows,
          N: few(0, 2),
          C: edge(0, 17),
          brief: fc.boolean(),
          attrs: attributes(more, schema),
          outputs: fc.constantFrom(...outputs),
        })
        .map(({ window, N, C, brief, attrs, outputs }) => ({
          inputs: [{ shape: ['N', 'C', ...window.spatial], values }],
          attrs: { ...windowAttributes(window, brief), ...attrs },
          sizes: { N, C, ...window.sizes },
          outputs,
        })),
    bench: () => ({
      ...image(values, fixed(1), fixed(64), fixed(112)),
      attrs: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
    }),
  };
}

const windowSize: Tolerance = sums(({ node }) =>
  (node.attrs['kernel_shape'] as readonly number[]).reduce((a, b) => a * b, 1),
);
const ceilings = { ceil_mode: [0, 1] };

const maxUnpool: OpCases = {
  op: 'MaxUnpool',
  tolerance: exact,
  cases: () =>
    fc
      .record({ window: windows, N: few(1, 2), C: few(1, 4), given: fc.boolean() })
      .map(({ window: { kernel, strides, spatial, sizes }, N, C, given }) => {
        const small = Object.fromEntries(
          Object.entries(sizes).map(([name, list]) => [name, list.map((s) => Math.min(s, 5))]),
        );
        const out: Dim[] = [
          'N',
          'C',
          ...spatial.map((name, i) => dim.add(dim.mul(dim.sub(name, 1), strides[i]!), kernel[i]!)),
        ];
        return {
          inputs: [
            { shape: ['N', 'C', ...spatial], values: uniform(-9, 9) },
            { shape: ['N', 'C', ...spatial], values: distinctIndices(dim.product(out)), within: out },
            ...(given ? [shapeInput(out)] : []),
          ],
          attrs: { kernel_shape: kernel, strides },
          sizes: { N, C, ...small },
        };
      }),
};

/** Corners of regions, the second beyond the first, in an image of 16 x 16; `batch` writes the image's number in front. */
const regions =
  (batch: Dim | undefined): Values =>
  ({ dims: [count], at, random }) =>
    Array.from({ length: count! }, () => {
      const [left, top] = [random.next() * 10, random.next() * 10];
      const box = [left, top, left + 1 + random.next() * 8, top + 1 + random.next() * 8];
      return batch === undefined ? box : [random.below(dim.evaluate(batch, at)), ...box.map(Math.round)];
    }).flat();

const regionsOf = { N: few(1, 2), C: few(0, 3), R: few(0, 4), H: edge(4, 17), W: edge(4, 17) };

const roiAlign: OpCases = {
  op: 'RoiAlign',
  tolerance: largest(256),
  cases: ({ schema }) =>
    fc
      .record({
        ...regionsOf,
        attrs: attributes(
          {
            coordinate_transformation_mode: ['half_pixel', 'output_half_pixel'],
            mode: ['avg', 'max'],
            output_height: [1, 3],
            output_width: [2, 5],
            sampling_ratio: [0, 1, 2],
            spatial_scale: [1, 0.5],
          },
          schema,
        ),
      })
      .map(({ attrs, ...sizes }) => ({
        inputs: [
          { shape: ['N', 'C', 'H', 'W'], values: uniform(-4, 4) },
          { shape: ['R', 4], values: regions(undefined) },
          { shape: ['R'], values: indices('N', false), within: ['N'] },
        ],
        attrs,
        sizes,
      })),
};

const maxRoiPool: OpCases = {
  op: 'MaxRoiPool',
  tolerance: ulps(0),
  cases: () =>
    fc
      .record({ ...regionsOf, pooled: fc.constantFrom([1, 1], [2, 3]), scale: fc.constantFrom(1, 0.5) })
      .map(({ pooled, scale, ...sizes }) => ({
        inputs: [
          { shape: ['N', 'C', 'H', 'W'], values: uniform(-4, 4) },
          { shape: ['R', 5], values: regions('N'), within: ['N'] },
        ],
        attrs: { pooled_shape: pooled, spatial_scale: scale },
        sizes,
      })),
};

export const poolCases: readonly OpCases[] = [
  sliding('MaxPool', ulps(0), special(uniform(-100, 100), 'infinite'), { ...ceilings, storage_order: [0, 1] }, [
    [true],
    [true, true],
  ]),
  sliding('AveragePool', windowSize, uniform(-4, 4), { ...ceilings, count_include_pad: [0, 1] }),
  sliding('LpPool', ulps(64), uniform(-4, 4), { ...ceilings, p: [1, 2, 3] }),
  ...family(['GlobalAveragePool', 'GlobalMaxPool', 'GlobalLpPool'], {
    tolerance: sums(({ inputs: [x], outputs: [y] }) => x!.size / Math.max(1, y!.size)),
    cases: ({ schema }) =>
      extents({ minRank: 3, maxRank: 5, least: 1 }).map(({ shape, sizes }) => ({
        inputs: [{ shape, values: uniform(-4, 4) }],
        attrs: schema.attributes['p'] && shape.length === 4 ? { p: 3 } : {},
        sizes,
      })),
    bench: () => image(uniform(-4, 4), fixed(1), fixed(512), fixed(28)),
  }),
  maxUnpool,
  roiAlign,
  maxRoiPool,
];
