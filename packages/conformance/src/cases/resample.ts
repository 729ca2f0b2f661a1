/** Resampling, transforms of signals, detection. */

import { type Dim, dtypes } from '@espalier/core';
import fc from 'fast-check';
import { exact, largest, type Tolerance } from '../tolerance.ts';
import { exactly, uniform } from '../values.ts';
import { attributes, type Case, edge, extents, few, fixed, type OpCases, trim } from './define.ts';

/** Positions are computed, so an element may be taken from a little beside; of integers, the other one. */
const interpolated: Tolerance = async (evaluated) => {
  const slacks = await largest(1024)(evaluated);
  const isInteger = (i: number): boolean => slacks[i] === undefined && evaluated.outputs[i]?.type !== 'bool';
  return evaluated.outputs.map((output, i) =>
    output && isInteger(i) ? new Float64Array(output.size).fill(1) : slacks[i],
  );
};

const resize: OpCases = {
  op: 'Resize',
  tolerance: interpolated,
  cases: ({ types: { T1 }, schema }) =>
    fc
      .record({
        x: extents({ minRank: 4, maxRank: 4, least: 1 }),
        by: fc.constantFrom('scales', 'sizes'),
        scales: fc.array(fc.constantFrom(1, 2, 3, 0.5, 0.75, 1.5), { minLength: 2, maxLength: 2 }),
        sizes: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 2 }),
        axes: fc.boolean(),
        attrs: attributes(
          {
            mode: T1 === 'bool' ? ['nearest'] : ['nearest', 'linear', 'cubic'],
            coordinate_transformation_mode: [
              'half_pixel',
              'pytorch_half_pixel',
              'align_corners',
              'asymmetric',
              'half_pixel_symmetric',
            ],
            nearest_mode: ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'],
            exclude_outside: [0, 1],
            cubic_coeff_a: [-0.5],
          },
          schema,
        ),
      })
      .map(({ x, by, scales, sizes, axes, attrs }): Case => {
        const enough = Object.fromEntries(
          Object.entries(x.sizes).map(([name, list]) => [name, list.map((size) => Math.min(size + 1, 17))]),
        );
        const all = (list: readonly number[]): number[] => (axes ? [...list] : [1, 1, ...list]);
        // Sizes along axes that stay are those of the input, so they are numbers.
        const kept = axes ? [] : x.shape.slice(0, 2).map((name) => enough[name]![0]!);
        const isSizes = by === 'sizes';
        const target = isSizes ? [...kept, ...sizes] : all(scales);
        return {
          inputs: trim([
            { shape: x.shape, values: uniform(0, 100) },
            undefined,
            isSizes ? undefined : { shape: [target.length], values: exactly(...target) },
            isSizes ? { shape: [target.length], values: exactly(...target) } : undefined,
          ]),
          attrs: { ...attrs, ...(axes ? { axes: [2, 3] } : {}) },
          sizes:
            isSizes && !axes
              ? {
                  ...enough,
                  ...Object.fromEntries(x.shape.slice(0, 2).map((name) => [name, fixed(enough[name]![0]!)])),
                }
              : enough,
        };
      }),
  bench: () => ({
    inputs: [
      { shape: ['N', 64, 'H', 'H'], values: uniform(0, 100) },
      undefined,
      { shape: [4], values: exactly(1, 1, 2, 2) },
    ],
    attrs: { mode: 'linear' },
    sizes: { N: fixed(1), H: fixed(56) },
  }),
};

const gridSample: OpCases = {
  op: 'GridSample',
  tolerance: interpolated,
  cases: ({ types: { T1 }, schema }) =>
    fc
      .record({
        N: few(0, 2),
        C: few(0, 3),
        H: edge(2, 17),
        W: edge(2, 17),
        D: few(2, 4),
        P: edge(0, 17),
        Q: few(0, 4),
        is3d: fc.nat(3).map((n) => n === 3),
        attrs: attributes(
          {
            mode: T1 === 'bool' ? ['nearest'] : ['linear', 'nearest', 'cubic'],
            padding_mode: ['zeros', 'border', 'reflection'],
            align_corners: [0, 1],
          },
          schema,
        ),
      })
      .map(({ N, C, H, W, D, P, Q, is3d, attrs }) => {
        const spatial = is3d ? ['D', 'H', 'W'] : ['H', 'W'];
        const out = is3d ? ['Q', 'P', 2] : ['P', 'Q'];
        const cubicOrNot = is3d && attrs['mode'] === 'cubic' ? { ...attrs, mode: 'linear' } : attrs;
        return {
          inputs: [
            { shape: ['N', 'C', ...spatial], values: uniform(0, 100) },
            { shape: ['N', ...out, spatial.length], values: uniform(-1.2, 1.2) },
          ],
          attrs: cubicOrNot,
          sizes: { N, C, H, W, P, Q, ...(is3d ? { D } : {}) },
        };
      }),
};

const affineGrid: OpCases = {
  op: 'AffineGrid',
  tolerance: largest(64),
  cases: ({ schema }) =>
    fc
      .record({
        N: few(1, 2),
        H: edge(2, 9),
        W: edge(2, 9),
        is3d: fc.boolean(),
        attrs: attributes({ align_corners: [0, 1] }, schema),
      })
      .map(({ N, H, W, is3d, attrs }): Case => {
        const size: Dim[] = ['N', 2, ...(is3d ? [3] : []), 'H', 'W'];
        return {
          inputs: [
            { shape: ['N', is3d ? 3 : 2, is3d ? 4 : 3], values: uniform(-1, 1) },
            { shape: [size.length], contents: size, values: exactly(...size) },
          ],
          attrs,
          sizes: { N, H, W },
        };
      }),
};

const scalar = (value: number, asVector = false) => ({ shape: asVector ? [1] : [], values: exactly(value) });

const dft: OpCases = {
  op: 'DFT',
  tolerance: largest(1024),
  cases: () =>
    fc
      .record({
        B: few(1, 3),
        L: edge(1, 33),
        parts: fc.constantFrom(1, 2),
        length: fc.option(fc.integer({ min: 1, max: 40 })),
        first: fc.boolean(),
        onesided: fc.boolean(),
        inverse: fc.boolean(),
      })
      .map(({ B, L, parts, length, first, onesided, inverse }) => {
        const oneSided = onesided && parts === (inverse ? 2 : 1);
        return {
          inputs: trim([
            { shape: first ? ['B', 'L', parts] : ['L', 'B', parts], values: uniform(-4, 4) },
            length === null ? undefined : scalar(oneSided && inverse ? length + 1 : length),
            first ? undefined : scalar(0),
          ]),
          attrs: { ...(oneSided ? { onesided: 1 } : {}), ...(inverse ? { inverse: 1 } : {}) },
          sizes: { B, L: oneSided && inverse ? L.map((l) => l + 1) : L },
        };
      }),
};

const stft: OpCases = {
  op: 'STFT',
  tolerance: largest(1024),
  cases: () =>
    fc
      .record({
        B: few(1, 2),
        frame: fc.constantFrom(4, 7, 8, 16),
        more: edge(1, 33),
        step: fc.integer({ min: 1, max: 9 }),
        given: fc.constantFrom('window', 'length', 'both'),
        onesided: fc.boolean(),
      })
      .map(({ B, frame, more, step, given, onesided }) => ({
        inputs: trim([
          { shape: ['B', 'L', 1], values: uniform(-4, 4) },
          scalar(step),
          given === 'length' ? undefined : { shape: [frame], values: uniform(0, 1) },
          given === 'window' ? undefined : scalar(frame),
        ]),
        attrs: onesided ? {} : { onesided: 0 },
        sizes: { B, L: more.map((l) => l + frame) },
      })),
};

const windows: readonly OpCases[] = ['HannWindow', 'HammingWindow', 'BlackmanWindow'].map((op) => ({
  op,
  tolerance: largest(64),
  cases: ({ types: { T2 } }) =>
    !T2!.includes('float')
      ? undefined
      : fc.record({ size: fc.integer({ min: 2, max: 65 }), periodic: fc.boolean() }).map(({ size, periodic }) => ({
          inputs: [scalar(size)],
          attrs: { output_datatype: dtypes[T2!].onnx, ...(periodic ? {} : { periodic: 0 }) },
          sizes: {},
        })),
}));

const mel: OpCases = {
  op: 'MelWeightMatrix',
  tolerance: largest(64),
  cases: ({ types: { T2, T3 } }) =>
    T3 !== T2 || T3 !== 'float32'
      ? undefined
      : fc
          .record({
            bins: fc.integer({ min: 1, max: 12 }),
            length: fc.constantFrom(16, 64, 256),
            low: fc.constantFrom(0, 100),
          })
          .map(({ bins, length, low }) => ({
            inputs: [scalar(bins), scalar(length), scalar(16000), scalar(low), scalar(8000)],
            attrs: { output_datatype: dtypes[T3].onnx },
            sizes: {},
          })),
};

const nonMaxSuppression: OpCases = {
  op: 'NonMaxSuppression',
  tolerance: exact,
  cases: ({ schema }) =>
    fc
      .record({
        N: few(0, 2),
        C: few(0, 3),
        B: edge(0, 17),
        most: fc.option(fc.integer({ min: 0, max: 9 })),
        overlap: fc.option(fc.constantFrom(0.3, 0.5)),
        least: fc.option(fc.constantFrom(0.2, 0.6)),
        attrs: attributes({ center_point_box: [0, 1] }, schema),
      })
      .map(({ N, C, B, most, overlap, least, attrs }) => ({
        inputs: trim([
          { shape: ['N', 'B', 4], values: uniform(0, 1) },
          { shape: ['N', 'C', 'B'], values: uniform(0, 1) },
          most === null ? undefined : scalar(most, true),
          overlap === null ? undefined : scalar(overlap, true),
          least === null ? undefined : scalar(least, true),
        ]),
        attrs,
        sizes: { N, C, B },
      })),
};

const tfIdf: OpCases = {
  op: 'TfIdfVectorizer',
  tolerance: exact,
  cases: ({ types: { T } }) =>
    fc
      .record({
        B: few(0, 2),
        L: edge(0, 17),
        isBatch: fc.boolean(),
        mode: fc.constantFrom('TF', 'IDF', 'TFIDF'),
        skip: fc.nat(2),
        weights: fc.boolean(),
      })
      .map(({ B, L, isBatch, mode, skip, weights }): Case => {
        // Two words alone, then three pairs.
        const words = T === 'string' ? ['a', 'b', 'a', 'b', 'b', 'b', 'a', 'a'] : [1, 2, 1, 2, 2, 2, 1, 1];
        return {
          inputs: [{ shape: isBatch ? ['B', 'L'] : ['L'], values: T === 'string' ? oneWord : uniform(0, 3) }],
          attrs: {
            mode,
            min_gram_length: 1,
            max_gram_length: 2,
            max_skip_count: skip,
            ngram_counts: [0, 2],
            ngram_indexes: [0, 1, 2, 3, 4],
            ...(T === 'string' ? { pool_strings: words as string[] } : { pool_int64s: words as number[] }),
            ...(weights ? { weights: [1, 0.5, 2, 0.25, 4] } : {}),
          },
          sizes: isBatch ? { B, L } : { L },
        };
      }),
};

const oneWord = (context: Parameters<ReturnType<typeof uniform>>[0]): string[] =>
  Array.from({ length: context.dims.reduce((a, b) => a * b, 1) }, () => context.random.of(['a', 'b', 'c']));

export const resampleCases: readonly OpCases[] = [
  resize,
  gridSample,
  affineGrid,
  dft,
  stft,
  ...windows,
  mel,
  nonMaxSuppression,
  tfIdf,
];
