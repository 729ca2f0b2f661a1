import { expect, test } from 'vitest';
import { nearest } from '../src/search.ts';

const at = (degrees: number): Float32Array => {
  const angle = (degrees * Math.PI) / 180;
  return Float32Array.of(Math.cos(angle), Math.sin(angle));
};

test('gives the nearest first, with cosines', () => {
  const vectors = [at(180), at(60), at(-30), at(0)];
  const found = nearest(at(0), vectors, 3);
  expect(found.map(({ index }) => index)).toEqual([3, 2, 1]);
  expect(found[0]!.cosine).toBeCloseTo(1, 6);
  expect(found[1]!.cosine).toBeCloseTo(Math.cos(Math.PI / 6), 6);
  expect(found[2]!.cosine).toBeCloseTo(0.5, 6);
});

test('keeps equal ones in their order, and gives fewer where there are fewer', () => {
  expect(nearest(at(0), [at(90), at(0), at(0)], 5).map(({ index }) => index)).toEqual([1, 2, 0]);
  expect(nearest(at(0), [], 3)).toEqual([]);
});
