import { type DType, dtypes } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { run, runAll, tensor, values } from './run.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const cast = async (from: DType, to: DType, x: readonly (number | bigint | boolean | string)[]) =>
  values(await run('Cast', [tensor(from, x)], { to: dtypes[to].onnx }));

describe('Cast', () => {
  it('discards high bits between integers', async () => {
    expect(await cast('int16', 'int8', [200, -129])).toEqual([-56, 127]);
    expect(await cast('int64', 'uint32', [2n ** 32n + 5n, -1n])).toEqual([5, 2 ** 32 - 1]);
    expect(await cast('int64', 'uint64', [-1n])).toEqual([2n ** 64n - 1n]);
    expect(await cast('uint32', 'int64', [2 ** 32 - 1])).toEqual([2n ** 32n - 1n]);
    expect(await cast('int32', 'uint64', [-1])).toEqual([2n ** 64n - 1n]);
    expect(await cast('int8', 'int4', [7, 8, -9])).toEqual([7, -8, 7]);
    expect(await cast('uint8', 'uint4', [15, 16, 31])).toEqual([15, 0, 15]);
  });

  it('drops fractions of floats, and bounds what is out of range', async () => {
    expect(await cast('float32', 'int32', [2.9, -2.9, nan, inf, -inf, 1e20])).toEqual([
      2, -2, 0, 2147483647, -2147483648, 2147483647,
    ]);
    expect(await cast('float64', 'int64', [-0.9, 2 ** 53, nan, inf, -inf])).toEqual([
      0n,
      2n ** 53n,
      0n,
      2n ** 63n - 1n,
      -(2n ** 63n),
    ]);
    expect(await cast('float64', 'uint64', [2 ** 63, inf, -1])).toEqual([2n ** 63n, 2n ** 64n - 1n, 2n ** 64n - 1n]);
    expect(await cast('float32', 'uint32', [3e9, -1])).toEqual([3e9, 2 ** 32 - 1]);
    expect(await cast('float32', 'uint8', [-1, 256, 255])).toEqual([255, 0, 255]);
  });

  it('makes bools and takes them', async () => {
    expect(await cast('float32', 'bool', [0, -0, 0.1, nan])).toEqual([0, 0, 1, 1]);
    expect(await cast('int64', 'bool', [0n, 2n ** 40n])).toEqual([0, 1]);
    expect(await cast('int8', 'bool', [-128])).toEqual([1]);
    expect(await cast('bool', 'int64', [true, false])).toEqual([1n, 0n]);
    expect(await cast('bool', 'float16', [true, false])).toEqual([1, 0]);
  });

  it('rounds between floats', async () => {
    expect(await cast('float64', 'float16', [65504, 65520, 1 + 2 ** -11, 1 + 3 * 2 ** -11])).toEqual([
      65504,
      inf,
      1,
      1 + 2 ** -9,
    ]);
    expect(await cast('float32', 'bfloat16', [1 + 2 ** -8, 1 + 3 * 2 ** -8, nan])).toEqual([1, 1 + 2 ** -6, nan]);
    expect(await cast('float16', 'bfloat16', [65504])).toEqual([65536]);
    expect(await cast('int64', 'float32', [2n ** 62n])).toEqual([2 ** 62]);
  });

  it.each(['int4', 'uint4'] as const)('packs and unpacks an odd number of %s', async (dtype) => {
    const x = dtype === 'int4' ? [-8, 7, -1] : [15, 0, 9];
    expect(await cast(dtype, 'float32', x)).toEqual(x);
    expect(await cast('float32', dtype, x)).toEqual(x);
    const again = await run('Identity', [tensor(dtype, x)]);
    expect([again.type, values(again)]).toEqual([dtype, x]);
  });

  it('writes numbers as the shortest text that reads back', async () => {
    expect(await cast('float32', 'string', [0.1, 1, -2.5, 3.4028234663852886e38, 1e-45, -0, nan, -inf])).toEqual([
      '0.1',
      '1',
      '-2.5',
      '3.4028235e+38',
      '1e-45',
      '-0',
      'NaN',
      '-INF',
    ]);
    expect(await cast('float64', 'string', [0.1 + 0.2])).toEqual(['0.30000000000000004']);
    expect(await cast('float16', 'string', [0.1, 65504])).toEqual(['0.1', '65500']);
    expect(await cast('int64', 'string', [-(2n ** 63n)])).toEqual(['-9223372036854775808']);
    expect(await cast('int4', 'string', [-8, 3, 7])).toEqual(['-8', '3', '7']);
    expect(await cast('bool', 'string', [true, false])).toEqual(['1', '0']);
    const float32s = Float32Array.from({ length: 500 }, (_, i) => Math.sin(i) * 10 ** ((i % 60) - 30));
    expect(await cast('string', 'float32', (await cast('float32', 'string', [...float32s])) as string[])).toEqual([
      ...float32s,
    ]);
  });

  it('reads numbers', async () => {
    expect(await cast('string', 'float32', ['3.14', ' 1e-5 ', '1E8', '+INF', '-inf', 'nan', '.5', '7.'])).toEqual([
      Math.fround(3.14),
      Math.fround(1e-5),
      1e8,
      inf,
      -inf,
      nan,
      0.5,
      7,
    ]);
    expect(await cast('string', 'int64', ['9223372036854775807', '-5', '100.5', '1e3'])).toEqual([
      2n ** 63n - 1n,
      -5n,
      100n,
      1000n,
    ]);
    expect(await cast('string', 'float16', ['0.1', '1e9'])).toEqual([0.0999755859375, inf]);
    expect(await cast('string', 'uint4', ['15', '0', '7'])).toEqual([15, 0, 7]);
    expect(await cast('string', 'bool', ['0', '0.0', '2'])).toEqual([0, 0, 1]);
    expect(await cast('string', 'string', ['x'])).toEqual(['x']);
  });

  it.each([
    ['int8', '128'],
    ['uint64', '-1'],
    ['int64', 'inf'],
    ['int64', '1'.repeat(5000)],
    ['int32', '1e400'],
    ['float32', ''],
    ['float32', '0x10'],
    ['float32', 'Infinit'],
    ['bool', 'true'],
  ] as const)('refuses to read a %s from "%s"', async (dtype, text) => {
    await expect(cast('string', dtype, [text])).rejects.toMatchObject({ code: 'BAD_INPUT', node: 'node' });
  });

  it('names dtypes that are not there', async () => {
    const x = [tensor('float32', [1])];
    await expect(run('Cast', x, { to: 17 })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(run('Cast', x, { to: 0 })).rejects.toMatchObject({ code: 'BAD_GRAPH' });
    await expect(run('Cast', x)).rejects.toThrow(/"to" is missing/);
  });

  it('is done like another tensor', async () => {
    const like = await run('CastLike', [tensor('float32', [1.5, -1.5, 0]), tensor('int4', [])]);
    expect([like.type, like.dims, values(like)]).toEqual(['int4', [3], [1, -1, 0]]);
    expect(values(await run('CastLike', [tensor('int32', [12]), tensor('string', ['a', 'b'])]))).toEqual(['12']);
  });
});

describe('Dropout', () => {
  const x = tensor('float16', [1, nan]);

  it('is the identity, with a mask of ones', async () => {
    const [y, mask] = await runAll('Dropout', [x, tensor('float32', [0.9], []), tensor('bool', [false], [])], {}, 2);
    expect([y!.type, values(y!), mask!.type, values(mask!)]).toEqual(['float16', [1, nan], 'bool', [1, 1]]);
    const untrained = await run('Dropout', [x, tensor('float32', [0], []), tensor('bool', [true], [])]);
    expect(values(untrained)).toEqual([1, nan]);
  });

  it('drops the same elements for the same seed when it trains, and scales the others up', async () => {
    const ones = tensor('float32', new Array(10_000).fill(1));
    const train = (seed: number) =>
      runAll('Dropout', [ones, tensor('float32', [0.75], []), tensor('bool', [true], [])], { seed }, 2);
    const [y, mask] = await train(5);
    expect(new Set(values(y!))).toEqual(new Set([0, 4]));
    expect(values(mask!)).toEqual(values(y!).map((v) => Number(v !== 0)));
    const kept = values(mask!).filter(Boolean).length;
    expect(Math.abs(kept - 2500)).toBeLessThan(250);
    expect(values((await train(5))[0]!)).toEqual(values(y!));
    expect(values((await train(6))[0]!)).not.toEqual(values(y!));
  });
});
