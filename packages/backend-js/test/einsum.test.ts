import { describe, expect, it } from 'vitest';
import { noise } from './noise.ts';
import { run, tensor, values } from './run.ts';

const f32 = (data: number[], dims?: number[]) => tensor('float32', data, dims);
const einsum = (equation: string, ...inputs: ReturnType<typeof f32>[]) => run('Einsum', inputs, { equation });

describe('Einsum', () => {
  const square = f32([1, 2, 3, 4], [2, 2]);

  it('is what other ops do', async () => {
    const [a, b] = [noise(2, 3, 4), noise(2, 4, 5)];
    const [y, expected] = [await einsum('bij, bjk -> bik', a, b), await run('MatMul', [a, b])];
    expect(y.dims).toEqual(expected.dims);
    values(y).forEach((v, i) => {
      expect(v).toBeCloseTo(values(expected)[i] as number, 5);
    });
  });

  it('takes diagonals, traces and sums', async () => {
    expect(values(await einsum('ii->i', square))).toEqual([1, 4]);
    expect(values(await einsum('ii', square))).toEqual([5]);
    expect(values(await einsum('ij->', square))).toEqual([10]);
    expect(values(await einsum('ij->j', square))).toEqual([4, 6]);
    expect(values(await einsum('ba', square))).toEqual([1, 3, 2, 4]);
    expect(values(await einsum('i,j,i->j', f32([1, 2]), f32([10, 20, 30]), f32([3, 4])))).toEqual([110, 220, 330]);
  });

  it('broadcasts an ellipsis', async () => {
    expect((await einsum('...ij,...jk', noise(3, 1, 2, 4), noise(5, 4, 3))).dims).toEqual([3, 5, 2, 3]);
    expect(values(await einsum('i...->...', square))).toEqual([4, 6]);
    expect(values(await einsum('...,...', f32([2], []), square))).toEqual([2, 4, 6, 8]);
  });

  it('is exact for 64-bit integers, and zero over nothing', async () => {
    const big = tensor('int64', [2n ** 40n, 3n]);
    expect(values(await run('Einsum', [big, big], { equation: 'i,i' }))).toEqual([9n]);
    expect(values(await einsum('ij->j', f32([], [0, 2])))).toEqual([0, 0]);
  });

  it('says what is wrong with an equation', async () => {
    await expect(einsum('ij,jk', square)).rejects.toThrow(/2 terms for 1 inputs/);
    await expect(einsum('ijk', square)).rejects.toThrow(/names 3 axes for input 0, which has 2/);
    await expect(einsum('ij->ik', square)).rejects.toThrow(/cannot have "k"/);
    await expect(einsum('ij->ii', square)).rejects.toThrow(/cannot have "i"/);
    await expect(einsum('i->j->i', square)).rejects.toThrow(/more than one arrow/);
    await expect(einsum('i1', square)).rejects.toThrow(/malformed/);
    await expect(einsum('ij,ij', square, noise(3, 2))).rejects.toThrow(/cannot be broadcast/);
  });
});

describe('Det', () => {
  it('eliminates with pivots', async () => {
    const batch = f32([0, 1, 1, 0, 1, 2, 3, 4, 1, 1, 1, 1], [3, 2, 2]);
    expect(values(await run('Det', [batch]))).toEqual([-1, -2, 0]);
    expect((await run('Det', [noise(3, 3)])).dims).toEqual([]);
    expect(values(await run('Det', [f32([], [1, 0, 0])]))).toEqual([1]);
    await expect(run('Det', [noise(2, 3)])).rejects.toThrow(/3 is not 2/);
  });
});
