import type { Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { noise } from './noise.ts';
import { run, tensor, values } from './run.ts';

const f32 = (data: number[], dims?: number[]) => tensor('float32', data, dims);
const i64 = (...data: number[]) => tensor('int64', data.map(BigInt));
const numbers = (x: Tensor): number[] => values(x) as number[];
const close = (actual: Tensor, expected: readonly number[], digits = 5): void => {
  expect(actual.size).toBe(expected.length);
  numbers(actual).forEach((x, i) => {
    expect(x, `element ${i}`).toBeCloseTo(expected[i], digits);
  });
};

const byScale = async (x: Tensor, scales: number[], attrs = {}) =>
  values(await run('Resize', [x, undefined, f32(scales)], attrs));
const bySize = async (x: Tensor, sizes: number[], attrs = {}) =>
  run('Resize', [x, undefined, undefined, i64(...sizes)], attrs);

describe('Resize', () => {
  const x = f32([0, 10, 20, 30]);

  it('picks the nearest, rounding as it is told', async () => {
    const at = (nearest_mode: string, coordinate_transformation_mode = 'asymmetric') =>
      byScale(x, [2], { nearest_mode, coordinate_transformation_mode });
    expect(await at('floor')).toEqual([0, 0, 10, 10, 20, 20, 30, 30]);
    expect(await at('ceil')).toEqual([0, 10, 10, 20, 20, 30, 30, 30]);
    expect(await at('round_prefer_floor')).toEqual([0, 0, 10, 10, 20, 20, 30, 30]);
    expect(await at('round_prefer_ceil')).toEqual([0, 10, 10, 20, 20, 30, 30, 30]);
    expect(await at('floor', 'half_pixel')).toEqual([0, 0, 0, 10, 10, 20, 20, 30]);
  });

  it('moves elements of any dtype', async () => {
    const big = tensor('int64', [2n ** 60n + 1n, -5n]);
    expect(await byScale(big, [2])).toEqual([2n ** 60n + 1n, 2n ** 60n + 1n, -5n, -5n]);
    expect(await byScale(tensor('bool', [true, false]), [2])).toEqual([1, 1, 0, 0]);
    expect(await byScale(tensor('float16', [0.5, -2]), [2])).toEqual([0.5, 0.5, -2, -2]);
  });

  it('interpolates in every way to place points', async () => {
    const at = (coordinate_transformation_mode: string, size: number) =>
      bySize(x, [size], { mode: 'linear', coordinate_transformation_mode });
    close(await at('align_corners', 7), [0, 5, 10, 15, 20, 25, 30]);
    close(await at('asymmetric', 8), [0, 5, 10, 15, 20, 25, 30, 30]);
    close(await at('half_pixel', 8), [0, 2.5, 7.5, 12.5, 17.5, 22.5, 27.5, 30]);
    close(await at('pytorch_half_pixel', 1), [0]);
    close(await at('half_pixel', 1), [15]);
    close(await at('align_corners', 1), [0]);
  });

  it('crops, and extrapolates outside', async () => {
    const crop = async (roi: number[], size: number, mode = 'linear') =>
      run('Resize', [x, f32(roi), undefined, i64(size)], {
        mode,
        coordinate_transformation_mode: 'tf_crop_and_resize',
        extrapolation_value: -1,
      });
    close(await crop([0, 1], 4), [0, 10, 20, 30]);
    close(await crop([0.5, 1.5], 4), [15, 25, -1, -1]);
    close(await crop([0, 1], 1), [15]);
    expect(numbers(await crop([0.5, 1.5], 4, 'nearest'))).toEqual([10, 20, -1, -1]);
    await expect(bySize(x, [2], { coordinate_transformation_mode: 'tf_crop_and_resize' })).rejects.toThrow(/input 1/);
  });

  it('keeps constants constant, whatever the filter', async () => {
    const flat = f32(new Array(60).fill(3), [1, 6, 10]);
    for (const mode of ['linear', 'cubic'])
      for (const antialias of [0, 1])
        for (const exclude_outside of [0, 1])
          close(await bySize(flat, [1, 4, 13], { mode, antialias, exclude_outside }), new Array(52).fill(3));
  });

  it('is separable', async () => {
    const y = noise(1, 2, 5, 7);
    const attrs = { mode: 'cubic', antialias: 1 };
    const both = await bySize(y, [1, 2, 3, 9], attrs);
    const rows = await bySize(y, [3], { ...attrs, axes: [2] });
    close(await bySize(rows, [9], { ...attrs, axes: [-1] }), numbers(both));
  });

  it('follows the aspect ratio', async () => {
    const y = noise(4, 8);
    const dims = async (keep_aspect_ratio_policy: string) =>
      (await bySize(y, [6, 6], { keep_aspect_ratio_policy })).dims;
    expect(await dims('stretch')).toEqual([6, 6]);
    expect(await dims('not_larger')).toEqual([3, 6]);
    expect(await dims('not_smaller')).toEqual([6, 12]);
  });

  it('rounds and saturates integers', async () => {
    const bytes = tensor('uint8', [0, 255, 0]);
    expect(await byScale(bytes, [2], { mode: 'linear' })).toEqual([0, 64, 191, 191, 64, 0]);
    const steep = await byScale(bytes, [2], { mode: 'cubic' });
    expect(Math.min(...(steep as number[]))).toBe(0);
    expect(Math.max(...(steep as number[]))).toBeLessThanOrEqual(255);
  });

  it('refuses what cannot be', async () => {
    await expect(byScale(x, [0])).rejects.toThrow(/cannot resize/);
    await expect(byScale(x, [Number.NaN])).rejects.toThrow(/cannot resize/);
    await expect(bySize(x, [-1])).rejects.toThrow(/cannot resize/);
    await expect(bySize(f32([]), [2])).rejects.toThrow(/resizes nothing/);
    await expect(run('Resize', [x])).rejects.toThrow(/either "scales" or "sizes"/);
    await expect(run('Resize', [x, undefined, f32([2]), i64(2)])).rejects.toThrow(/either/);
    await expect(byScale(noise(2, 2), [2, 2], { axes: [0, -2] })).rejects.toThrow(/twice/);
    expect((await bySize(noise(2, 3), [0, 3])).dims).toEqual([0, 3]);
  });
});

describe('GridSample', () => {
  it('gives back the image on the identity grid', async () => {
    for (const dims of [
      [2, 3, 4, 5],
      [1, 2, 3, 4, 5],
    ]) {
      const x = noise(...dims);
      const rank = dims.length - 2;
      const identity = Array.from({ length: rank * (rank + 1) }, (_, i) => (i % (rank + 2) === 0 ? 1 : 0));
      const theta = f32(new Array(dims[0]).fill(identity).flat(), [dims[0], rank, rank + 1]);
      for (const align_corners of [0, 1]) {
        const grid = await run('AffineGrid', [theta, i64(...dims)], { align_corners });
        for (const mode of ['nearest', 'linear', 'cubic'])
          close(await run('GridSample', [x, grid], { mode, align_corners }), numbers(x), 4);
      }
    }
  });

  it('pads with zeros, the border or a reflection', async () => {
    const x = f32([1, 2, 3, 4], [1, 1, 1, 4]);
    const grid = f32([-1.25, 0, 1.25, 0, 1.75, 0, -9, 0], [1, 1, 4, 2]);
    const at = async (padding_mode: string, mode = 'linear') =>
      numbers(await run('GridSample', [x, grid], { padding_mode, mode }));
    expect(await at('zeros')).toEqual([0, 0, 0, 0]);
    expect(await at('border')).toEqual([1, 4, 4, 1]);
    expect(await at('reflection')).toEqual([1, 4, 3, 1]);
    const corners = async (padding_mode: string) =>
      numbers(await run('GridSample', [x, grid], { padding_mode, align_corners: 1, mode: 'nearest' }));
    expect(await corners('reflection')).toEqual([1, 4, 3, 1]);
    const far = f32([Number.POSITIVE_INFINITY, 0, Number.NaN, 0], [1, 1, 2, 2]);
    expect(numbers(await run('GridSample', [x, far]))).toEqual([0, 0]);
  });
});
