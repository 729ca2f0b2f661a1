import type { DType } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { run, runAll, tensor, values } from './run.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const scalar = (dtype: DType, x: number) => tensor(dtype, [x], []);

describe('QuantizeLinear', () => {
  it('rounds half to even and saturates', async () => {
    const x = tensor('float32', [1, 3, 5, -1, -3, 1000, -1000, inf, -inf]);
    const quantized = (zero: DType, at: number) => run('QuantizeLinear', [x, scalar('float32', 2), scalar(zero, at)]);
    expect(values(await quantized('int8', 1))).toEqual([1, 3, 3, 1, -1, 127, -128, 127, -128]);
    expect(values(await quantized('uint8', 128))).toEqual([128, 130, 130, 128, 126, 255, 0, 255, 0]);
    expect(values(await quantized('int4', 0))).toEqual([0, 2, 2, 0, -2, 7, -8, 7, -8]);
    expect(values(await quantized('uint16', 0))).toEqual([0, 2, 2, 0, 0, 500, 0, 65535, 0]);
  });

  it('divides in float32', async () => {
    // 0.55 / 0.1 is above 5.5 in double precision, and 5.5 (so 6) or not is decided by float32.
    const [x, scale] = [Math.fround(0.15), Math.fround(0.1)];
    const y = await run('QuantizeLinear', [scalar('float32', x), scalar('float32', scale), scalar('int8', 0)]);
    expect(Math.fround(x / scale)).toBe(1.5);
    expect(x / scale).not.toBe(1.5);
    expect(values(y)).toEqual([2]);
  });

  it('makes uint8 unless told otherwise', async () => {
    const inputs = [tensor('float16', [-1, 2]), scalar('float16', 1)];
    expect((await run('QuantizeLinear', inputs)).type).toBe('uint8');
    const y = await run('QuantizeLinear', inputs, { output_dtype: 22 });
    expect([y.type, values(y)]).toEqual(['int4', [-1, 2]]);
    const both = [...inputs, scalar('int8', 0)];
    await expect(run('QuantizeLinear', both, { output_dtype: 2 })).rejects.toMatchObject({ code: 'BAD_GRAPH' });
    await expect(run('QuantizeLinear', inputs, { output_dtype: 17 })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  it('takes a scale for each index of the axis', async () => {
    const x = tensor('float32', [10, 20, 30, 40, 50, 60], [1, 3, 2]);
    const y = await run('QuantizeLinear', [x, tensor('float32', [1, 2, 10]), tensor('int8', [0, 1, 2])]);
    expect(values(y)).toEqual([10, 20, 16, 21, 7, 8]);
    const last = await run('QuantizeLinear', [x, tensor('float32', [1, 10]), tensor('int8', [0, 0])], { axis: -1 });
    expect(values(last)).toEqual([10, 2, 30, 4, 50, 6]);
    const vector = await run('QuantizeLinear', [tensor('float32', [4, 4]), tensor('float32', [1, 2])]);
    expect(values(vector)).toEqual([4, 2]);
  });
});

describe('DequantizeLinear', () => {
  it('takes a scale for each block, the last of which may be short', async () => {
    const x = tensor('int4', [1, 2, 3, 4, 5, -6, -7, -8, 0, 1], [2, 5]);
    const scale = tensor('float32', [1, 10, 100, 1, 2, 3], [2, 3]);
    const y = await run('DequantizeLinear', [x, scale], { axis: 1, block_size: 2 });
    expect(values(y)).toEqual([1, 2, 30, 40, 500, -6, -7, -16, 0, 3]);
    const rows = tensor('float16', [1, 2, 3, 4, 5], [1, 5]);
    const zero = tensor('int4', [1, 1, 1, 1, 1], [1, 5]);
    const half = await run('DequantizeLinear', [x, rows, zero], { axis: 0, block_size: 2 });
    expect([half.type, values(half)]).toEqual(['float16', [0, 2, 6, 12, 20, -7, -16, -27, -4, 0]]);
  });

  it('undoes QuantizeLinear to half a step', async () => {
    const x = Array.from({ length: 210 }, (_, i) => Math.sin(i) * 3);
    const shape = [2, 7, 15];
    const scale = tensor(
      'float32',
      Array.from({ length: 2 * 3 * 15 }, (_, i) => 0.03 + (i % 7) / 100),
      [2, 3, 15],
    );
    const zero = tensor(
      'int8',
      Array.from({ length: 2 * 3 * 15 }, (_, i) => (i % 5) - 2),
      [2, 3, 15],
    );
    const attrs = { axis: 1, block_size: 3 };
    const quantized = await run('QuantizeLinear', [tensor('float32', x, shape), scale, zero], attrs);
    const restored = values(await run('DequantizeLinear', [quantized, scale, zero], attrs)) as number[];
    for (const [i, value] of restored.entries()) expect(Math.abs(value - x[i]!)).toBeLessThanOrEqual(0.0451);
  });

  it('has other output dtypes', async () => {
    const y = await run('DequantizeLinear', [tensor('int32', [7]), scalar('float32', 2)], { output_dtype: 10 });
    expect([y.type, values(y)]).toEqual(['float16', [14]]);
  });

  it.each([
    ['a scale of another length', [2, 3], [2], {}, undefined],
    ['a matrix of scales without blocks', [2, 3], [2, 3], {}, undefined],
    ['blocks of another number', [2, 3], [2, 3], { block_size: 2 }, undefined],
    ['blocks of negative size', [2, 3], [2, 3], { block_size: -1 }, undefined],
    ['an axis that is not there', [2, 3], [3], { axis: 2 }, undefined],
    ['scales for a scalar', [], [2], {}, undefined],
    ['zero points of another number', [2, 3], [3], {}, [2]],
  ] as const)('refuses %s', async (_, x, scale, attrs, zero) => {
    const zeros = (dtype: DType, dims: readonly number[]) =>
      tensor(dtype, new Array(dims.reduce((a, b) => a * b, 1)).fill(0), [...dims]);
    const inputs = [zeros('int8', x), zeros('float32', scale), ...(zero ? [zeros('int8', zero)] : [])];
    await expect(run('DequantizeLinear', inputs, attrs)).rejects.toMatchObject({ code: 'BAD_GRAPH' });
  });
});

describe('DynamicQuantizeLinear', () => {
  const dynamic = async (x: number[]) =>
    (await runAll('DynamicQuantizeLinear', [tensor('float32', x)], {}, 3)).map(values);

  it('covers the range of the data and zero', async () => {
    expect(await dynamic([0, 2, -3, -2.5, 1.34, 0.5])).toEqual([
      [153, 255, 0, 26, 221, 179],
      [Math.fround(5 / 255)],
      [153],
    ]);
    expect(await dynamic([1, 5])).toEqual([[51, 255], [Math.fround(5 / 255)], [0]]);
    expect(await dynamic([-1, -5])).toEqual([[204, 0], [Math.fround(5 / 255)], [255]]);
  });

  it('has a scale where all is zero', async () => {
    expect(await dynamic([0, 0])).toEqual([[0, 0], [1], [0]]);
    expect(await dynamic([])).toEqual([[], [1], [0]]);
    expect((await dynamic([nan, 1]))[1]).toEqual([Math.fround(1 / 255)]);
  });
});
