// The statistics that every report rests on.

import { describe, expect, test } from 'vitest';
import { median, quantile, ratioOf, slope } from '../src/statistics.ts';

describe('quantile', () => {
  test('lies between neighbours in proportion, whatever the order', () => {
    expect(quantile([40, 10, 30, 20], 0)).toBe(10);
    expect(quantile([40, 10, 30, 20], 1)).toBe(40);
    expect(quantile([40, 10, 30, 20], 0.5)).toBe(25);
    expect(quantile([40, 10, 30, 20], 0.25)).toBeCloseTo(17.5);
    expect(median([3, 1, 2])).toBe(2);
    expect(median([10, 9, 100])).toBe(10);
  });

  test('leaves its argument alone, and there is none of nothing', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
    expect(() => median([])).toThrow(RangeError);
  });
});

describe('ratioOf', () => {
  test('is above 1 where ours took less', () => {
    const ratio = ratioOf(
      [
        [10, 12],
        [11, 30],
      ],
      [
        [20, 20],
        [40, 42],
      ],
    );
    expect(ratio.ofMedians).toBeCloseTo(30 / 11.5);
    expect(ratio.ofLeast).toBe(2);
    const [first, second] = [20 / 11, 41 / 20.5];
    expect(ratio.spread[0]).toBeCloseTo(first + (second - first) / 4);
    expect(ratio.spread[1]).toBeCloseTo(first + (3 * (second - first)) / 4);
  });

  test('needs as many rounds of both', () => {
    expect(() => ratioOf([[1]], [[1], [2]])).toThrow(/1 rounds against 2/);
  });
});

test('slope is that of the line through the values', () => {
  expect(slope([5, 7, 9, 11])).toBeCloseTo(2);
  expect(slope([5, 9, 5, 9])).toBeCloseTo(0.8);
  expect(slope([4])).toBe(0);
});
