/** What calls come to, against the sizes that they began with. */

import { describe, expect, it } from 'vitest';
import { geometry, partition, walk } from '../src/index.ts';

describe('geometry', () => {
  it('joins rows of all matrices against one', () => {
    const { m, n, k, batch } = geometry([8, 2, 16, 5], [5, 7], [8, 2, 16, 7], [[7]]);
    expect({ m, n, k, batch }).toEqual({ m: 256, n: 7, k: 5, batch: 1 });
  });

  it('finds the matrices of a batch where operands broadcast', () => {
    const { m, batch, offsets } = geometry([2, 1, 3, 4], [5, 4, 6], [2, 5, 3, 6], []);
    expect([m, batch]).toEqual([3, 10]);
    expect(Array.from({ length: batch }, (_, i) => offsets(i))).toEqual(
      Array.from({ length: 10 }, (_, i) => [12 * Math.floor(i / 5), 24 * (i % 5), 18 * i]),
    );
  });

  it('takes vectors', () => {
    expect(geometry([4], [4], [], [])).toMatchObject({ m: 1, n: 1, k: 4, batch: 1 });
    expect(geometry([3, 4], [4], [3], [])).toMatchObject({ m: 3, n: 1, k: 4, batch: 1 });
  });

  it('refuses what does not fit', () => {
    const mismatch = expect.objectContaining({ code: 'SHAPE_MISMATCH' });
    expect(() => geometry([3, 4], [5, 6], [3, 6], [])).toThrow(mismatch);
    expect(() => geometry([3, 4], [4, 6], [3, 6], [[5]])).toThrow(mismatch);
  });
});

describe('partition', () => {
  it.each([
    [1, 1, 1, 1, 1],
    [128, 768, 768, 1, 2],
    [7, 13, 3072, 1, 8],
    [100_000, 3, 5, 1, 4],
    [12, 64, 12, 96, 4],
    [1, 50_000, 64, 1, 3],
  ])('covers %i x %i x %i, %i times, with %i threads', (m, n, k, batch, threads) => {
    const cut = partition({ m, n, k, batch }, 6, 8, threads);
    expect(cut.blocks * cut.blockRows + cut.tallBlocks).toBe(m);
    expect(cut.blockRows + (cut.tallBlocks > 0 ? 1 : 0)).toBeLessThanOrEqual(6);
    expect((cut.panels - 1) * 8 + cut.lastColumns).toBe(n);
    expect(cut.rowGroups).toBe(Math.ceil(cut.blocks / cut.blocksPerUnit));
    expect(cut.columnGroups).toBe(Math.ceil(cut.panels / cut.panelsPerUnit));
    expect(cut.units).toBe(cut.rowGroups * cut.columnGroups * Math.ceil(batch / cut.batchesPerUnit));
  });
});

describe('walk', () => {
  it('joins axes that all operands walk alike', () => {
    expect(walk([2, 3, 4], [2, 3, 4], [])).toEqual([{ extent: 24, strides: [1, 0] }]);
    expect(walk([2, 3, 4], [2, 1, 4], [3, 1])).toEqual([
      { extent: 4, strides: [1, 0] },
      { extent: 3, strides: [0, 1] },
      { extent: 2, strides: [4, 0] },
    ]);
  });

  it('has a row also where there is nothing to walk', () => {
    expect(walk([1, 1], [1])).toEqual([{ extent: 1, strides: [0] }]);
  });

  it('refuses operands that do not broadcast', () => {
    expect(() => walk([2, 3], [2])).toThrow('does not broadcast');
    expect(() => walk([3], [1, 3])).toThrow('does not broadcast');
  });
});
