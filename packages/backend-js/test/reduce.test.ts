import { describe, expect, it } from 'vitest';
import { noise } from './noise.ts';
import { run, tensor, values } from './run.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const f32 = (data: number[], dims?: number[]) => tensor('float32', data, dims);
const axes = (...list: number[]) => tensor('int64', list.map(BigInt));
const cube = f32(
  Array.from({ length: 24 }, (_, i) => i),
  [2, 3, 4],
);

describe('reductions', () => {
  it('run over the axes that are asked for', async () => {
    const sum = async (list: number[] | undefined, attrs = {}) => {
      const y = await run('ReduceSum', [cube, list && axes(...list)], attrs);
      return [y.dims, values(y)];
    };
    expect(await sum([1])).toEqual([
      [2, 1, 4],
      [12, 15, 18, 21, 48, 51, 54, 57],
    ]);
    expect(await sum([-1, 0], { keepdims: 0 })).toEqual([[3], [60, 92, 124]]);
    expect(await sum(undefined)).toEqual([[1, 1, 1], [276]]);
    expect(await sum([], { keepdims: 0 })).toEqual([[], [276]]);
    expect(await sum([], { noop_with_empty_axes: 1 })).toEqual([[2, 3, 4], values(cube)]);
    expect(await sum([2, 2, -1], { keepdims: 0 })).toEqual([
      [2, 3],
      [6, 22, 38, 54, 70, 86],
    ]);
    await expect(sum([3])).rejects.toThrow(/axis 3 is out of range for rank 3/);
  });

  it('do what is left of them with no axes', async () => {
    const x = f32([-2, 3]);
    const at = async (op: string) => values(await run(op, [x], { noop_with_empty_axes: 1 }));
    expect(await at('ReduceSumSquare')).toEqual([4, 9]);
    expect(await at('ReduceL1')).toEqual([2, 3]);
    expect(await at('ReduceLogSumExp')).toEqual([-2, 3]);
  });

  it('of nothing are neutral elements', async () => {
    const of = async (op: string, dtype: 'float32' | 'int32' | 'int64' | 'uint64' | 'bool') =>
      values(await run(op, [tensor(dtype, [], [2, 0])], { keepdims: 0 }))[0];
    expect(await of('ReduceSum', 'float32')).toBe(0);
    expect(await of('ReduceProd', 'int64')).toBe(1n);
    expect(await of('ReduceMean', 'float32')).toBe(nan);
    expect(await of('ReduceMax', 'float32')).toBe(-inf);
    expect(await of('ReduceMin', 'float32')).toBe(inf);
    expect(await of('ReduceMax', 'int32')).toBe(-(2 ** 31));
    expect(await of('ReduceMin', 'int32')).toBe(2 ** 31 - 1);
    expect(await of('ReduceMax', 'int64')).toBe(-(2n ** 63n));
    expect(await of('ReduceMin', 'int64')).toBe(2n ** 63n - 1n);
    expect(await of('ReduceMin', 'uint64')).toBe(2n ** 64n - 1n);
    expect(await of('ReduceMax', 'bool')).toBe(0);
    expect(await of('ReduceMin', 'bool')).toBe(1);
    expect(await of('ReduceLogSum', 'float32')).toBe(-inf);
    expect(await of('ReduceLogSumExp', 'float32')).toBe(-inf);
    const empty = await run('ReduceSum', [tensor('float32', [], [0, 3]), axes(1)]);
    expect(empty.dims).toEqual([0, 1]);
  });

  it('are exact for 64-bit integers and truncate means', async () => {
    const x = tensor('int64', [2n ** 53n, 1n, -3n]);
    const at = async (op: string, of = x) => values(await run(op, [of], { keepdims: 0 }))[0];
    expect(await at('ReduceSum')).toBe(2n ** 53n - 2n);
    expect(await at('ReduceL1')).toBe(2n ** 53n + 4n);
    expect(await at('ReduceMean', tensor('int64', [-3n, -4n]))).toBe(-3n);
    expect(await at('ReduceMean', tensor('int32', [-3, -4]))).toBe(-3);
    expect(await at('ReduceL2', tensor('int64', [3n, 4n]))).toBe(5n);
    expect(await at('ReduceProd', tensor('int64', [2n ** 40n, 2n ** 30n]))).toBe(0n);
  });

  it('pass on what is not a number', async () => {
    for (const op of ['ReduceMax', 'ReduceMin', 'ReduceSum'])
      expect(values(await run(op, [f32([1, nan, 2])]))).toEqual([nan]);
  });

  it('keep large exponents', async () => {
    const logSumExp = async (...x: number[]) => values(await run('ReduceLogSumExp', [f32(x)]))[0];
    expect(await logSumExp(1000, 1000)).toBeCloseTo(1000 + Math.log(2), 3);
    expect(await logSumExp(-1000, -1000)).toBeCloseTo(-1000 + Math.log(2), 3);
    expect(await logSumExp(-inf, -inf)).toBe(-inf);
    expect(await logSumExp(inf, 1)).toBe(inf);
    expect(await logSumExp(nan, 1)).toBe(nan);
  });

  it('add in high precision over many units', async () => {
    const many = tensor('float16', new Array(196_608).fill(0.25), [196_608]);
    expect(values(await run('ReduceSum', [many]))).toEqual([49_152]);
    const x = noise(3, 70_000);
    const sums = values(await run('ReduceSum', [x, axes(1)], { keepdims: 0 }));
    const elements = values(x) as number[];
    for (let row = 0; row < 3; row++) {
      const expected = elements.slice(row * 70_000, (row + 1) * 70_000).reduce((a, b) => a + b, 0);
      expect(sums[row]).toBeCloseTo(expected, 3);
    }
  });
});
