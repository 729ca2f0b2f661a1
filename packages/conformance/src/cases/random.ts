/** Random tensors: only shapes and dtypes can be compared. */

import { dtypes } from '@espalier/core';
import fc from 'fast-check';
import { anything as anyResult } from '../tolerance.ts';
import { anything, uniform } from '../values.ts';
import { extents, family, few, type OpCases } from './define.ts';

export const randomCases: readonly OpCases[] = [
  ...family(['RandomNormal', 'RandomUniform'], {
    tolerance: anyResult,
    cases: ({ types: { T } }) =>
      fc.array(fc.nat(9), { maxLength: 4 }).map((shape) => ({
        inputs: [],
        attrs: { shape, seed: 1, dtype: dtypes[T!].onnx },
        sizes: {},
      })),
  }),
  ...family(['RandomNormalLike', 'RandomUniformLike', 'Bernoulli'], {
    tolerance: anyResult,
    cases: ({ types: { T2 }, schema }) =>
      extents().map(({ shape, sizes }) => ({
        inputs: [{ shape, values: schema.name === 'Bernoulli' ? uniform(0, 1) : anything }],
        attrs: { seed: 1, dtype: dtypes[T2!].onnx },
        sizes,
      })),
  }),
  {
    op: 'Multinomial',
    tolerance: anyResult,
    cases: ({ types: { T2 } }) =>
      fc.record({ B: few(0, 3), C: few(1, 4), count: fc.integer({ min: 1, max: 9 }) }).map(({ B, C, count }) => ({
        inputs: [{ shape: ['B', 'C'], values: uniform(-2, 2) }],
        attrs: { seed: 1, sample_size: count, dtype: dtypes[T2!].onnx },
        sizes: { B, C },
      })),
  },
];
