import { describe, expect, it } from 'vitest';
import { integer, integers, noise } from './noise.ts';
import { run, runAll, tensor, values } from './run.ts';

const f32 = (data: number[], dims: number[]) => tensor('float32', data, dims);
const numbers = (x: Awaited<ReturnType<typeof run>>): number[] => values(x).map(Number);
const line = f32([1, 2, 3, 4, 5, 6], [1, 1, 6]);

describe('MaxPool', () => {
  it('finds what indices say, with pads and dilations', async () => {
    for (let round = 0; round < 10; round++) {
      const x = noise(2, 2, 7, 6);
      const attrs = {
        kernel_shape: [integer(1, 3), 2],
        strides: [integer(1, 3), integer(1, 2)],
        dilations: [integer(1, 2), integer(1, 3)],
        pads: [0, 1, integer(0, 1), 0],
        ceil_mode: integer(0, 1),
      };
      const [y, at] = await runAll('MaxPool', [x], attrs, 2);
      expect(numbers(at).map((i) => (i < 0 ? Number.NEGATIVE_INFINITY : values(x)[i]))).toEqual(values(y));
      const [, columns] = await runAll('MaxPool', [x], { ...attrs, storage_order: 1 }, 2);
      const turned = numbers(at).map((i) => (i < 0 ? i : i - (i % 42) + (i % 6) * 7 + Math.floor((i % 42) / 6)));
      expect(numbers(columns)).toEqual(turned);
    }
  });

  it('rounds the number of windows up only where they start inside', async () => {
    const at = async (attrs: object) => values(await run('MaxPool', [line], { kernel_shape: [2], ...attrs }));
    expect(await at({ strides: [4] })).toEqual([2, 6]);
    expect(await at({ strides: [5] })).toEqual([2]);
    expect(await at({ strides: [5], ceil_mode: 1 })).toEqual([2, 6]);
    expect(await at({ strides: [7], ceil_mode: 1, pads: [0, 1] })).toEqual([2]);
    expect(await at({ strides: [2], auto_pad: 'SAME_LOWER' })).toEqual([2, 4, 6]);
    expect(await at({ strides: [5], ceil_mode: 1, auto_pad: 'VALID' })).toEqual([2]);
  });

  it('takes bytes, keeps NaN, and knows windows that see padding only', async () => {
    const bytes = tensor('int8', [-100, -128, 5, 6], [1, 1, 4]);
    expect(values(await run('MaxPool', [bytes], { kernel_shape: [2], strides: [2] }))).toEqual([-100, 6]);
    const odd = f32([1, Number.NaN, 0, 2], [1, 1, 4]);
    expect(values(await run('MaxPool', [odd], { kernel_shape: [2], strides: [2] }))).toEqual([Number.NaN, 2]);
    const [y, at] = await runAll('MaxPool', [line], { kernel_shape: [1], pads: [1, 0] }, 2);
    expect([values(y)[0], values(at)[0]]).toEqual([Number.NEGATIVE_INFINITY, -1n]);
  });

  it('needs at least one channel of one line', async () => {
    await expect(run('MaxPool', [noise(2, 3)], { kernel_shape: [] })).rejects.toThrow(/at least 3 axes/);
    await expect(run('MaxPool', [line], { kernel_shape: [2, 2] })).rejects.toThrow(/does not fit the spatial shape/);
    expect((await run('MaxPool', [noise(0, 3, 4)], { kernel_shape: [2] })).dims).toEqual([0, 3, 3]);
  });
});

describe('AveragePool', () => {
  it('counts padding, or not, but never what lies beyond it', async () => {
    const at = async (attrs: object) => numbers(await run('AveragePool', [line], { kernel_shape: [3], ...attrs }));
    expect(await at({ pads: [1, 1], strides: [3] })).toEqual([1.5, 4]);
    expect(await at({ pads: [1, 1], strides: [3], count_include_pad: 1 })).toEqual([1, 4]);
    expect(await at({ pads: [1, 0], strides: [3], ceil_mode: 1, count_include_pad: 1 })).toEqual([1, 4, 6]);
    expect(await at({ dilations: [2] })).toEqual([3, 4]);
  });

  it('is a convolution with equal weights', async () => {
    const x = noise(1, 1, 4, 5, 6);
    const attrs = { kernel_shape: [2, 3, 2], strides: [1, 2, 1], pads: [1, 0, 1, 0, 1, 0] };
    const y = await run('AveragePool', [x], { ...attrs, count_include_pad: 1 });
    const weights = f32(new Array(12).fill(1 / 12), [1, 1, 2, 3, 2]);
    const expected = values(await run('Conv', [x, weights], { strides: [1, 2, 1], pads: [1, 0, 1, 0, 1, 0] }));
    values(y).forEach((v, i) => {
      expect(v).toBeCloseTo(expected[i] as number, 5);
    });
  });
});

describe('norms', () => {
  it('pools by sums of powers', async () => {
    const x = f32([3, -4, 1, 2], [1, 1, 4]);
    const at = async (p: number) => numbers(await run('LpPool', [x], { kernel_shape: [2], strides: [2], p }));
    expect(await at(1)).toEqual([7, 3]);
    expect(await at(2)).toEqual([5, Math.fround(Math.sqrt(5))]);
    expect((await at(3))[1]).toBeCloseTo(9 ** (1 / 3), 6);
  });

  it('pools everything', async () => {
    const x = f32([3, -4, 1, 2, 0, 0, 6, 8], [1, 2, 2, 2]);
    expect(numbers(await run('GlobalLpPool', [x]))).toEqual([Math.fround(Math.sqrt(30)), 10]);
    expect(numbers(await run('GlobalMaxPool', [x]))).toEqual([3, 8]);
    expect(numbers(await run('GlobalAveragePool', [x]))).toEqual([0.5, 3.5]);
    expect((await run('GlobalAveragePool', [x])).dims).toEqual([1, 2, 1, 1]);
  });
});

describe('MaxUnpool', () => {
  it('puts back what MaxPool took', async () => {
    const x = noise(2, 3, 6, 4);
    const attrs = { kernel_shape: [2, 2], strides: [2, 2] };
    const [y, at] = await runAll('MaxPool', [x], attrs, 2);
    const back = await run('MaxUnpool', [y, at], attrs);
    const kept = new Set(numbers(at));
    expect(back.dims).toEqual(x.dims);
    expect(values(back)).toEqual(values(x).map((v, i) => (kept.has(i) ? v : 0)));
  });

  it('refuses indices outside', async () => {
    const y = f32([1], [1, 1, 1]);
    const attrs = { kernel_shape: [2], strides: [2] };
    for (const bad of [2n, -1n])
      await expect(run('MaxUnpool', [y, tensor('int64', [bad], [1, 1, 1])], attrs)).rejects.toThrow(/index -?\d/);
    const narrow = tensor('int64', [1n, 1n, 1n]);
    await expect(run('MaxUnpool', [y, tensor('int64', [1n], [1, 1, 1]), narrow], attrs)).rejects.toThrow(/index 1/);
  });
});

describe('regions of interest', () => {
  it('takes the largest of each bin', async () => {
    const x = f32(
      Array.from({ length: 16 }, (_, i) => i),
      [1, 1, 4, 4],
    );
    const rois = f32([0, 0, 0, 3, 3, 0, 1, 1, 2, 2], [2, 5]);
    const y = await run('MaxRoiPool', [x, rois], { pooled_shape: [2, 2] });
    expect(numbers(y)).toEqual([5, 7, 13, 15, 5, 6, 9, 10]);
  });

  it('averages samples between points', async () => {
    const x = f32(
      Array.from({ length: 16 }, (_, i) => i),
      [1, 1, 4, 4],
    );
    const rois = f32([0.5, 0.5, 2.5, 2.5], [1, 4]);
    const [attrs, image] = [{ output_height: 2, output_width: 2, sampling_ratio: 1 }, tensor('int64', [0n])];
    expect(numbers(await run('RoiAlign', [x, rois, image], attrs))).toEqual([2.5, 3.5, 6.5, 7.5]);
    const old = { ...attrs, coordinate_transformation_mode: 'output_half_pixel' };
    expect(numbers(await run('RoiAlign', [x, rois, image], old))).toEqual([5, 6, 9, 10]);
  });

  it('refuses images that are not there, and samples without end', async () => {
    const x = noise(1, 1, 4, 4);
    const [rois, small] = [f32([0, 0, 1e9, 1e9], [1, 4]), f32([0, 0, 1, 1], [1, 4])];
    await expect(run('RoiAlign', [x, small, tensor('int64', [1n])])).rejects.toThrow(/image 1/);
    await expect(run('RoiAlign', [x, rois, tensor('int64', [0n])])).rejects.toThrow(/samples/);
    const five = f32([7, 0, 0, 1, 1], [1, 5]);
    await expect(run('MaxRoiPool', [x, five], { pooled_shape: [1, 1] })).rejects.toThrow(/image 7/);
  });

  it('takes float16', async () => {
    const x = tensor('float16', [1, 2, 3, 4], [1, 1, 2, 2]);
    const rois = tensor('float16', [0, 0, 2, 2], [1, 4]);
    expect(values(await run('RoiAlign', [x, rois, integers('int64', [1], 0, 0)]))).toEqual([2.5]);
  });
});
