import { describe, expect, it } from 'vitest';
import { type Dim, dim, sliceRange } from '../src/index.ts';
import { sliceExtent } from '../src/ops/slice.ts';

/** Slicing as Python does it, which ONNX clamps the same but for backward starts before the axis: those begin at 0. */
function taken(extent: number, start: number, end: number, step: number): number[] {
  const at = (bound: number): number => (bound < 0 ? bound + extent : bound);
  const found: number[] = [];
  if (step > 0) for (let i = Math.max(at(start), 0); i < Math.min(at(end), extent); i += step) found.push(i);
  // An end that is still negative once counted from the end lies before the axis.
  else if (extent > 0)
    for (let i = Math.min(Math.max(at(start), 0), extent - 1); i > Math.max(at(end), -1); i += step) found.push(i);
  return found;
}

const bounds = [-(2 ** 53 - 1), -9, -4, -2, -1, 0, 1, 2, 3, 5, 9, 2 ** 31 - 1, 2 ** 53 - 1];
const steps = [-4, -2, -1, 1, 2, 3];

describe('Slice', () => {
  it('takes what Python takes', () => {
    for (const start of bounds) {
      for (const end of bounds) {
        for (const step of steps) {
          for (let extent = 0; extent < 6; extent++) {
            const expected = taken(extent, start, end, step);
            const { start: first, count } = sliceRange(extent, start, end, step);
            const what = `${extent}: ${start}:${end}:${step}`;
            expect(count, what).toBe(expected.length);
            if (count > 0) expect(first, what).toBe(expected[0]);
          }
        }
      }
    }
  });

  it('gives an expression that holds for every size', () => {
    for (const start of bounds) {
      for (const end of bounds) {
        for (const step of steps) {
          const extent = sliceExtent('n', start, end, step);
          for (let n = 0; n < 8; n++)
            expect(dim.evaluate(extent!, { n }), `${n}: ${start}:${end}:${step} is ${extent}`).toBe(
              sliceRange(n, start, end, step).count,
            );
        }
      }
    }
  });

  it.each<[Dim, Dim, number, Dim]>([
    [0, 2 ** 53 - 1, 1, 'n'],
    [1, 2 ** 31 - 1, 1, 'max(0,n-1)'],
    [-1, 2 ** 53 - 1, 1, 'min(1,n)'],
    [-1, -(2 ** 53 - 1), -1, 'n'],
    [0, 'n', 1, 'n'],
    [0, dim.add('n', 3), 2, '-floor(-n,2)'],
    ['n', dim.add('n', 3), 1, 0],
    [1, -1, 1, 'max(0,n-2)'],
  ])('from %s to %s by %s of n elements takes %s', (start, end, step, expected) => {
    expect(sliceExtent('n', start, end, step)).toBe(expected);
  });

  it('leaves open what depends on the sign of a bound', () => {
    expect(sliceExtent('n', dim.sub('m', 1), 'n', 1)).toBeUndefined();
  });
});
