import { type Dim, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { writeResizes } from '../src/passes/write-resizes.ts';
import { graph, input, ints, node, opsOf } from './graph.ts';
import { apply, expectSameValues, expectUntouched } from './passes.ts';

const ways = [
  { coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
  { coordinate_transformation_mode: 'half_pixel', nearest_mode: 'round_prefer_ceil' },
  { coordinate_transformation_mode: 'half_pixel_symmetric' },
  { coordinate_transformation_mode: 'pytorch_half_pixel' },
  {},
];
const others = [
  { coordinate_transformation_mode: 'asymmetric' },
  { coordinate_transformation_mode: 'align_corners' },
  { nearest_mode: 'floor' },
  { mode: 'linear' },
];

const byScales = (shape: readonly Dim[], scales: readonly number[], attrs = {}) =>
  graph([input('x', shape)], 'y', [node('Resize', 'x _ scales', 'y', attrs)], {
    scales: new Tensor('float32', [...scales], [scales.length]),
  });
const bySizes = (shape: readonly Dim[], sizes: readonly number[], attrs = {}) =>
  graph([input('x', shape)], 'y', [node('Resize', 'x _ _ sizes', 'y', attrs)], { sizes: ints(...sizes) });

describe('write-resizes', () => {
  it.each(ways)('repeats elements: %j', async (attrs) => {
    for (const scales of [
      [1, 1, 2, 2],
      [1, 1, 3, 1],
      [1, 2, 5, 4],
    ]) {
      const model = byScales(['batch', 3, 'n', 5], scales, attrs);
      const result = await apply(model, writeResizes);
      expect(opsOf(result)).toEqual(['Reshape', 'Expand', 'Reshape']);
      await expectSameValues(model, result, 0);
    }
    const sized = bySizes([2, 3, 4], [12, 4], { ...attrs, axes: [1, 2] });
    const result = await apply(sized, writeResizes);
    expect(opsOf(result)).toEqual(['Reshape', 'Expand', 'Reshape']);
    await expectSameValues(sized, result, 0);
  });

  it.each(others)('leaves what is not repetition: %j', async (attrs) => {
    await expectUntouched(byScales([1, 2, 4, 4], [1, 1, 2, 2], attrs), [writeResizes]);
  });

  it('leaves other factors', async () => {
    await expectUntouched(byScales([1, 2, 4, 4], [1, 1, 1.5, 2]), [writeResizes]);
    await expectUntouched(byScales([1, 2, 4, 4], [1, 1, 0.5, 0.5]), [writeResizes]);
    await expectUntouched(bySizes([1, 2, 4, 4], [1, 2, 7, 8]), [writeResizes]);
    await expectUntouched(bySizes([1, 2, 'n', 4], [1, 2, 8, 8]), [writeResizes]);
  });
});
