import { type DType, dtypes } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { broadcast } from '../src/broadcast.ts';
import { erf } from '../src/erf.ts';
import { run, tensor, values } from './run.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const unary = async (op: string, dtype: DType, x: readonly (number | bigint)[], attrs = {}) =>
  values(await run(op, [tensor(dtype, x)], attrs));
const binary = async (
  op: string,
  dtype: DType,
  a: readonly (number | bigint)[],
  b: readonly (number | bigint)[],
  attrs = {},
) => values(await run(op, [tensor(dtype, a), tensor(dtype, b)], attrs));

describe('broadcast', () => {
  const rowsOf = (to: number[], operands: number[][], from: number, end: number) => {
    const rows: [number, number, number[]][] = [];
    const walk = broadcast(to, ...operands);
    walk.rows(from, end, (at, count, offsets) => rows.push([at, count, [...offsets]]));
    return { steps: walk.steps, rows };
  };

  it('walks equal shapes and scalars in one row', () => {
    expect(rowsOf([2, 3, 4], [[2, 3, 4], []], 0, 24)).toEqual({ steps: [1, 0], rows: [[0, 24, [0, 0]]] });
    expect(rowsOf([], [[], []], 0, 1)).toEqual({ steps: [0, 0], rows: [[0, 1, [0, 0]]] });
    expect(rowsOf([1, 5], [[5], [1, 1]], 0, 5)).toEqual({ steps: [1, 0], rows: [[0, 5, [0, 0]]] });
  });

  it('splits rows where a part begins and ends', () => {
    expect(rowsOf([2, 3], [[2, 1], [3]], 1, 5)).toEqual({
      steps: [0, 1],
      rows: [
        [1, 2, [0, 1]],
        [3, 2, [1, 0]],
      ],
    });
  });

  it('refuses an operand that does not fit, as symbols may have promised', () => {
    expect(() => broadcast([5], [3])).toThrow(/\[3\] does not broadcast to \[5\]/);
    expect(() => broadcast([1], [3])).toThrow(/does not broadcast/);
    expect(() => broadcast([3], [1, 3])).toThrow(/does not broadcast/);
  });

  it('agrees with counting indices', async () => {
    const [x, y] = [Array.from({ length: 12 }, (_, i) => i), Array.from({ length: 10 }, (_, i) => 100 * i)];
    const sum = await run('Add', [tensor('float32', x, [2, 1, 6, 1]), tensor('float32', y, [2, 1, 5])]);
    expect(sum.dims).toEqual([2, 2, 6, 5]);
    const expected: number[] = [];
    for (const a of [0, 1])
      for (const b of [0, 1])
        for (let c = 0; c < 6; c++) for (let d = 0; d < 5; d++) expected.push(x[a * 6 + c]! + y[b * 5 + d]!);
    expect(values(sum)).toEqual(expected);
  });

  it('handles axes of size zero', async () => {
    const sum = await run('Add', [tensor('float32', [], [0, 3]), tensor('float32', [1], [1, 1])]);
    expect([sum.dims, values(sum)]).toEqual([[0, 3], []]);
    const where = [tensor('bool', [true], [1]), tensor('int64', [], [2, 0]), tensor('int64', [1n], [])];
    expect((await run('Where', where)).dims).toEqual([2, 0]);
    expect(values(await run('Relu', [tensor('float16', [], [0])]))).toEqual([]);
  });
});

describe('integers', () => {
  const big = 2n ** 53n + 1n;

  it('are exact beyond 2^53 and wrap at 64 bits', async () => {
    expect(await binary('Add', 'int64', [big, 2n ** 63n - 1n], [1n, 1n])).toEqual([big + 1n, -(2n ** 63n)]);
    expect(await binary('Mul', 'uint64', [2n ** 63n + 1n], [2n])).toEqual([2n]);
    expect(await binary('Sub', 'uint64', [0n], [1n])).toEqual([2n ** 64n - 1n]);
    expect(await binary('Equal', 'int64', [big], [big - 1n])).toEqual([0]);
    expect(await binary('Max', 'int64', [big], [big - 1n])).toEqual([big]);
    expect(await unary('Neg', 'int64', [-(2n ** 63n)])).toEqual([-(2n ** 63n)]);
    expect(await unary('Abs', 'int64', [-(2n ** 63n), -5n])).toEqual([-(2n ** 63n), 5n]);
    expect(values(await run('Clip', [tensor('int64', [big]), tensor('int64', [0n], [])]))).toEqual([big]);
  });

  it('wrap at their own width', async () => {
    expect(await binary('Add', 'int8', [127], [1])).toEqual([-128]);
    expect(await binary('Mul', 'int32', [0x7fffffff], [0x7fffffff])).toEqual([1]);
    expect(await binary('Mul', 'uint32', [0xffffffff], [0xffffffff])).toEqual([1]);
    expect(await unary('BitwiseNot', 'uint32', [0])).toEqual([0xffffffff]);
  });

  it('divide towards zero', async () => {
    expect(await binary('Div', 'int32', [7, -7, 7, -7, -(2 ** 31)], [2, 2, -2, -2, -1])).toEqual([
      3,
      -3,
      -3,
      3,
      -(2 ** 31),
    ]);
    expect(await binary('Div', 'int64', [-7n, -(2n ** 63n)], [2n, -1n])).toEqual([-3n, -(2n ** 63n)]);
    expect(await binary('Div', 'uint64', [2n ** 64n - 1n], [3n])).toEqual([(2n ** 64n - 1n) / 3n]);
  });

  it.each(['int8', 'uint32', 'int64', 'uint64'] as const)('of %s divided by zero name the node', async (dtype) => {
    const zero = dtypes[dtype].bits === 64 ? 0n : 0;
    for (const [op, attrs] of [
      ['Div', {}],
      ['Mod', {}],
      ['Mod', { fmod: 1 }],
    ] as const) {
      await expect(run(op, [tensor(dtype, [zero]), tensor(dtype, [zero])], attrs)).rejects.toMatchObject({
        code: 'BAD_INPUT',
        message: `node (${op}): divides an integer by zero`,
      });
    }
  });

  it('have the remainder of the divisor, or with fmod of the dividend', async () => {
    const [a, b] = [
      [-4, 7, 5, 4, -7, 8, 6],
      [2, -3, 8, -2, 3, 5, -6],
    ];
    expect(await binary('Mod', 'int16', a, b)).toEqual([0, -2, 5, 0, 2, 3, 0]);
    expect(await binary('Mod', 'int16', a, b, { fmod: 1 })).toEqual([0, 1, 5, 0, -1, 3, 0]);
    expect(await binary('Mod', 'int64', a.map(BigInt), b.map(BigInt))).toEqual([0n, -2n, 5n, 0n, 2n, 3n, 0n]);
  });

  it('shift by any count', async () => {
    const left = { direction: 'LEFT' };
    const right = { direction: 'RIGHT' };
    expect(await binary('BitShift', 'uint32', [1, 1, 3], [31, 32, 200], left)).toEqual([2 ** 31, 0, 0]);
    expect(await binary('BitShift', 'uint32', [2 ** 31, 2 ** 31], [31, 32], right)).toEqual([1, 0]);
    expect(await binary('BitShift', 'uint64', [3n, 3n], [63n, 2n ** 40n], left)).toEqual([2n ** 63n, 0n]);
    expect(await binary('BitShift', 'int8', [-3, -3, 5], [1, 100, -1], right)).toEqual([-2, -1, 0]);
    await expect(binary('BitShift', 'uint8', [1], [1], { direction: 'UP' })).rejects.toThrow(/LEFT, RIGHT/);
  });

  it('are raised to powers, wrapping', async () => {
    expect(await binary('Pow', 'int64', [3n, -2n, 7n, 10n], [39n, 63n, 0n, 20n])).toEqual([
      3n ** 39n,
      -(2n ** 63n),
      1n,
      BigInt.asIntN(64, 10n ** 20n),
    ]);
    expect(await binary('Pow', 'int32', [2, -1, 5, 3], [-1, -3, -2, 21])).toEqual([0, -1, 0, (3 ** 21) | 0]);
    await expect(binary('Pow', 'int32', [0], [-1])).rejects.toThrow(/divides an integer by zero/);
    const mixed = await run('Pow', [tensor('int64', [9n, 2n]), tensor('float32', [0.5, -1])]);
    expect(values(mixed)).toEqual([3n, 0n]);
    expect(values(await run('Pow', [tensor('float32', [2, 9]), tensor('uint64', [10n, 0n])]))).toEqual([1024, 1]);
  });
});

describe('floats', () => {
  it('round half to even and keep the sign of zero', async () => {
    const x = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999999999999994, -0, 2 ** 52 + 1, 4503599627370495.5, nan, -inf];
    expect(await unary('Round', 'float64', x)).toEqual([0, 2, 2, -0, -2, -2, 0, -0, 2 ** 52 + 1, 2 ** 52, nan, -inf]);
  });

  it('follow IEEE 754', async () => {
    expect(await binary('Div', 'float32', [1, -1, 0, inf], [0, 0, 0, inf])).toEqual([inf, -inf, nan, nan]);
    expect(await unary('Sqrt', 'float32', [-1, -0, inf])).toEqual([nan, -0, inf]);
    expect(await unary('Reciprocal', 'float32', [-0, 0])).toEqual([-inf, inf]);
    expect(await unary('Log', 'float32', [0, -1])).toEqual([-inf, nan]);
    expect(await binary('Less', 'float32', [nan, 1, -0], [1, nan, 0])).toEqual([0, 0, 0]);
    expect(await binary('Equal', 'float32', [nan, -0], [nan, 0])).toEqual([0, 1]);
    expect(await binary('Max', 'float32', [nan, 1, -0], [1, nan, 0])).toEqual([nan, nan, 0]);
    expect(await binary('Min', 'float64', [inf, 0], [-inf, -0])).toEqual([-inf, -0]);
    expect(await unary('Relu', 'float32', [nan, -inf, -0, 3])).toEqual([nan, 0, 0, 3]);
    expect(await unary('Sign', 'float32', [nan, -inf, 2])).toEqual([nan, -1, 1]);
    expect(await unary('IsNaN', 'float16', [nan, inf, 0])).toEqual([1, 0, 0]);
    expect(await unary('IsInf', 'bfloat16', [nan, inf, -inf], { detect_negative: 0 })).toEqual([0, 1, 0]);
  });

  it("have C's powers and remainders", async () => {
    expect(await binary('Pow', 'float64', [1, -1, nan, 0, -8], [nan, inf, 0, -1, 1 / 3])).toEqual([1, 1, 1, inf, nan]);
    const [a, b] = [
      [-5, 5, 3, inf, 2, -0.5],
      [3, -3, inf, 2, 0, inf],
    ];
    expect(await binary('Mod', 'float64', a, b, { fmod: 1 })).toEqual([-2, 2, 3, nan, nan, -0.5]);
    expect(await binary('Mod', 'float64', a, b)).toEqual([1, -1, 3, nan, nan, inf]);
  });

  it('do not overflow on the way', async () => {
    expect(await unary('Sigmoid', 'float64', [-1000, 1000, nan])).toEqual([0, 1, nan]);
    expect(await unary('Softplus', 'float64', [-1000, 1000, 0])).toEqual([0, 1000, Math.LN2]);
    expect(await unary('Mish', 'float64', [-1000, 1000])).toEqual([-0, 1000]);
    expect(await unary('Elu', 'float64', [1000, -1000], { alpha: 2 })).toEqual([1000, -2]);
    expect(await unary('Celu', 'float32', [1000, -1000], { alpha: 2 })).toEqual([1000, -2]);
  });

  it.each(['float16', 'bfloat16'] as const)('of %s are computed wide and rounded once', async (dtype) => {
    expect(await binary('Add', dtype, [1, 256, nan, 3e38], [2 ** -20, 1, 1, 3e38])).toEqual(
      dtype === 'float16' ? [1, 257, nan, inf] : [1, 256, nan, inf],
    );
    const mean = await run('Mean', [tensor(dtype, [1, 2]), tensor(dtype, [2]), tensor(dtype, [6, 5])]);
    expect(values(mean)).toEqual([3, 3]);
  });

  it('clip by bounds that may be left out', async () => {
    const x = tensor('float32', [-inf, -2, nan, 2, inf]);
    const [low, high] = [tensor('float32', [-1], []), tensor('float32', [1], [])];
    expect(values(await run('Clip', [x, low, high]))).toEqual([-1, -1, nan, 1, 1]);
    expect(values(await run('Clip', [x, undefined, high]))).toEqual([-inf, -2, nan, 1, 1]);
    expect(values(await run('Clip', [x, high, low]))).toEqual([-1, -1, nan, -1, -1]);
    await expect(run('Clip', [x, tensor('float32', [1, 2])])).rejects.toMatchObject({ code: 'BAD_GRAPH' });
  });

  it('have an error function', () => {
    // The C library's.
    const table: [number, number][] = [
      [1e-10, 1.1283791670955126e-10],
      [0.02, 0.022564574691844943],
      [0.5, 0.5204998778130465],
      [1, 0.8427007929497149],
      [2, 0.9953222650189527],
      [3.5, 0.9999992569016276],
      [5.9, 1],
    ];
    for (const [x, y] of table) {
      expect(Math.abs(erf(x) / y - 1)).toBeLessThan(2e-15);
      expect(erf(-x)).toBe(-erf(x));
    }
    expect([erf(0), erf(-0), erf(inf), erf(-inf), erf(nan)]).toEqual([0, -0, 1, -1, nan]);
  });
});

describe('other operands', () => {
  it('fold any number of inputs', async () => {
    const inputs = [tensor('float32', [1, 5]), tensor('float32', [2], []), tensor('float32', [7, 0, 3], [3, 1])];
    expect(values(await run('Sum', inputs))).toEqual([10, 14, 3, 7, 6, 10]);
    expect(values(await run('Min', inputs))).toEqual([1, 2, 0, 0, 1, 2]);
    expect(values(await run('Max', [tensor('uint64', [2n ** 64n - 1n])]))).toEqual([2n ** 64n - 1n]);
  });

  it('choose, with every input broadcast', async () => {
    const condition = tensor('bool', [true, false], [2, 1]);
    const chosen = await run('Where', [condition, tensor('float16', [1, 2]), tensor('float16', [nan], [])]);
    expect(values(chosen)).toEqual([1, 2, nan, nan]);
    const strings = await run('Where', [condition, tensor('string', ['a', 'b']), tensor('string', [''], [])]);
    expect([strings.dims, values(strings)]).toEqual([
      [2, 2],
      ['a', 'b', '', ''],
    ]);
  });

  it('shrink integers exactly', async () => {
    const x = [2n ** 60n + 1n, 1n, -(2n ** 60n) - 1n];
    expect(await unary('Shrink', 'int64', x, { bias: 1, lambd: 1.5 })).toEqual([2n ** 60n, 0n, -(2n ** 60n)]);
    expect(await unary('Shrink', 'int32', [5, -5, 1], { bias: 1.5, lambd: 1.5 })).toEqual([3, -3, 0]);
  });

  it('refuse a slope that is larger than its input', async () => {
    await expect(run('PRelu', [tensor('float32', [1]), tensor('float32', [1, 2])])).rejects.toThrow(/slope/);
    await expect(run('PRelu', [tensor('float32', [1]), tensor('float32', [1], [1, 1])])).rejects.toThrow(/slope/);
  });

  it('treat any byte but 0 as true', async () => {
    const odd = tensor('bool', [1]);
    (odd.data as Uint8Array)[0] = 200;
    expect(values(await run('Not', [odd]))).toEqual([0]);
    expect(values(await run('And', [odd, tensor('bool', [true])]))).toEqual([1]);
    expect(values(await run('Xor', [odd, tensor('bool', [true])]))).toEqual([0]);
  });
});
