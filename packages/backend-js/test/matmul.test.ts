import { describe, expect, it } from 'vitest';
import { multiply, product } from '../src/product.ts';
import { integers, noise } from './noise.ts';
import { run, tensor, values } from './run.ts';

/** The product of row-major matrices, one element at a time. */
function plain(a: readonly number[], b: readonly number[], m: number, k: number, n: number): number[] {
  return Array.from({ length: m * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    let sum = 0;
    for (let s = 0; s < k; s++) sum += a[i * k + s] * b[s * n + j];
    return sum;
  });
}

const close = (actual: readonly unknown[], expected: readonly number[], digits = 5): void => {
  expect(actual.length).toBe(expected.length);
  expected.forEach((x, i) => {
    expect(actual[i], `element ${i}`).toBeCloseTo(x, digits);
  });
};

describe('a product in tiles', () => {
  it('covers every size, in whatever parts it runs', () => {
    for (const m of [1, 2, 3, 5]) {
      for (const n of [1, 2, 3, 4, 5, 7, 9]) {
        for (const k of [0, 1, 3]) {
          const [a, b] = [noise(m, k), noise(k, n)];
          const c = new Float32Array(m * n).fill(Number.NaN);
          const of = (data: unknown, row: number) => ({ data, row, column: 1 });
          const phase = product({ m, n, k, a: of(a.data, k), b: of(b.data, n), c: of(c, n) }, 1, () => [0, 0, 0]);
          for (let unit = 0; unit < phase.units; unit += 2) phase.run(unit, Math.min(phase.units, unit + 2));
          close([...c], plain(values(a) as number[], values(b) as number[], m, k, n));
        }
      }
    }
  });

  it('walks transposed matrices in the middle of others', () => {
    const a = Float32Array.from([9, 1, 3, 5, 2, 4, 6]);
    const c = new Float32Array(5);
    const b = { data: Float32Array.from([1, 10, 100]), row: 1, column: 1 };
    multiply({ m: 2, n: 1, k: 3, a: { data: a, row: 3, column: 1 }, b, c: { data: c, row: 1, column: 1 } }, [1, 0, 2]);
    expect([...c]).toEqual([0, 0, 531, 642, 0]);
  });
});

describe('MatMul', () => {
  it('broadcasts batches and promotes vectors', async () => {
    const [a, b] = [noise(2, 1, 3, 4), noise(5, 4, 2)];
    const y = await run('MatMul', [a, b]);
    expect(y.dims).toEqual([2, 5, 3, 2]);
    const part = (x: readonly unknown[], at: number, size: number) => x.slice(at * size, (at + 1) * size) as number[];
    for (let i = 0; i < 10; i++) {
      const [left, right] = [part(values(a), Math.floor(i / 5), 12), part(values(b), i % 5, 8)];
      close(part(values(y), i, 6), plain(left, right, 3, 4, 2));
    }
    expect((await run('MatMul', [noise(4), noise(2, 4, 3)])).dims).toEqual([2, 3]);
    expect((await run('MatMul', [noise(2, 3, 4), noise(4)])).dims).toEqual([2, 3]);
    expect((await run('MatMul', [noise(4), noise(4)])).dims).toEqual([]);
  });

  it('gives zeros for an empty sum and nothing for an empty matrix', async () => {
    expect(values(await run('MatMul', [noise(2, 0), noise(0, 3)]))).toEqual([0, 0, 0, 0, 0, 0]);
    expect((await run('MatMul', [noise(0, 3), noise(3, 2)])).dims).toEqual([0, 2]);
  });

  it('is exact for integers', async () => {
    const big = 2n ** 61n + 1n;
    const y = await run('MatMul', [tensor('int64', [big, 3n], [1, 2]), tensor('int64', [5n, -7n], [2, 1])]);
    expect(values(y)).toEqual([BigInt.asIntN(64, big * 5n - 21n)]);
    const wrapped = await run('MatMul', [tensor('int32', [2 ** 31 - 1], [1, 1]), tensor('int32', [65_537], [1, 1])]);
    expect(values(wrapped)).toEqual([Number(BigInt.asIntN(32, (2n ** 31n - 1n) * 65_537n))]);
    const unsigned = await run('MatMul', [tensor('uint32', [2 ** 32 - 1], [1, 1]), tensor('uint32', [3], [1, 1])]);
    expect(values(unsigned)).toEqual([2 ** 32 - 3]);
  });

  it('computes halves in float32', async () => {
    const ones = tensor('float16', new Array(4096).fill(1), [1, 4096]);
    expect(values(await run('MatMul', [ones, ones.reshape([4096, 1])]))).toEqual([4096]);
  });

  it('refuses inner sizes that differ', async () => {
    await expect(run('MatMul', [noise(2, 3), noise(4, 2)])).rejects.toThrow(/node.*3 is not 4/);
  });
});

describe('Gemm', () => {
  it('transposes, scales and adds what broadcasts', async () => {
    const [a, b] = [noise(3, 5), noise(5, 4)];
    const expected = plain(values(a) as number[], values(b) as number[], 3, 5, 4);
    const turn = (x: readonly number[], rows: number, columns: number): number[] =>
      Array.from({ length: x.length }, (_, i) => x[(i % rows) * columns + Math.floor(i / rows)]);
    const aT = tensor('float32', turn(values(a) as number[], 3, 5), [5, 3]);
    const bT = tensor('float32', turn(values(b) as number[], 5, 4), [4, 5]);
    for (const [transA, transB] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ]) {
      for (const dims of [[], [4], [1, 4], [3, 1], [3, 4]]) {
        const c = noise(...dims);
        const y = await run('Gemm', [transA ? aT : a, transB ? bT : b, c], { transA, transB, alpha: 0.5, beta: -2 });
        const [rows, columns] = [dims.length === 2 && dims[0] === 3, dims.at(-1) === 4];
        const at = (i: number): number => (rows ? Math.floor(i / 4) * (columns ? 4 : 1) : 0) + (columns ? i % 4 : 0);
        close(
          values(y),
          expected.map((x, i) => 0.5 * x - 2 * (values(c)[at(i)] as number)),
        );
      }
    }
  });

  it('takes whole factors for integers, and only those', async () => {
    const [a, c] = [tensor('int64', [3n], [1, 1]), tensor('int64', [5n], [1])];
    expect(values(await run('Gemm', [a, a, c], { alpha: 2, beta: 3 }))).toEqual([33n]);
    await expect(run('Gemm', [a, a, c], { alpha: 0.5 })).rejects.toThrow(/not integers/);
  });
});

describe('quantised products', () => {
  it('subtracts zero points of rows and columns', async () => {
    const [a, b] = [integers('uint8', [2, 3], 0, 255), integers('int8', [3, 4], -128, 127)];
    const [za, zb] = [
      [7, 250],
      [-128, 0, 1, 127],
    ];
    const y = await run('MatMulInteger', [a, b, tensor('uint8', za), tensor('int8', zb)]);
    const left = (values(a) as number[]).map((x, i) => x - za[Math.floor(i / 3)]);
    const right = (values(b) as number[]).map((x, i) => x - zb[i % 4]);
    expect(values(y)).toEqual(plain(left, right, 2, 3, 4));
    expect(y.type).toBe('int32');
  });

  it('rounds halves to even and saturates', async () => {
    const scalar = (x: number) => tensor('float32', [x], []);
    const zero = tensor('uint8', [10], []);
    const a = tensor('uint8', [1, 3, 5, 255], [4, 1]);
    const [none, one] = [tensor('uint8', [0], []), tensor('uint8', [1], [1, 1])];
    const y = await run('QLinearMatMul', [a, scalar(0.5), none, one, scalar(1), none, scalar(1), zero]);
    expect(values(y)).toEqual([10, 12, 12, 138]);
    const large = await run('QLinearMatMul', [a, scalar(5), none, one, scalar(1), none, scalar(1), zero]);
    expect(values(large)).toEqual([15, 25, 35, 255]);
  });

  it('scales rows and columns', async () => {
    const a = tensor('int8', [10, 20], [2, 1]);
    const b = tensor('int8', [3, 5], [1, 2]);
    const none = tensor('int8', [0], []);
    const [rows, columns] = [tensor('float32', [1, 0.5]), tensor('float32', [0.1, 1])];
    const pair = tensor('int8', [0, 0]);
    const inputs = [a, rows, pair, b, columns, pair, tensor('float32', [1], []), none];
    expect(values(await run('QLinearMatMul', inputs))).toEqual([3, 50, 3, 50]);
  });
});
