import { describe, expect, it } from 'vitest';
import { type Lifetime, layOut } from '../src/index.ts';

describe('layOut', () => {
  it('reuses the room of values that are dead', () => {
    const chain: Lifetime[] = [0, 1, 2, 3, 4].map((i) => ({ bytes: 1000, from: i, to: i + 1 }));
    expect(layOut(chain, 64).bytes).toBe(2048);
  });

  it('never lets two living values share a byte, and aligns every offset', () => {
    let seed = 11;
    const random = (n: number): number => {
      seed = (seed * 48271) % 2147483647;
      return seed % n;
    };
    for (let round = 0; round < 200; round++) {
      const lifetimes = Array.from({ length: 1 + random(30) }, (): Lifetime => {
        const from = random(20);
        return { bytes: random(5) === 0 ? 0 : random(5000), from, to: from + random(6) };
      });
      const { offsets, bytes } = layOut(lifetimes, 64);
      lifetimes.forEach((a, i) => {
        expect(offsets[i]! % 64).toBe(0);
        expect(offsets[i]! + a.bytes).toBeLessThanOrEqual(bytes);
        lifetimes.forEach((b, j) => {
          if (i >= j || a.to < b.from || b.to < a.from || a.bytes === 0 || b.bytes === 0) return;
          const apart = offsets[i]! + a.bytes <= offsets[j]! || offsets[j]! + b.bytes <= offsets[i]!;
          expect(apart, `${i} and ${j}`).toBe(true);
        });
      });
      const alive = (step: number): number =>
        lifetimes.reduce((sum, { bytes: n, from, to }) => sum + (from <= step && step <= to ? n : 0), 0);
      const floor = Math.max(...Array.from({ length: 26 }, (_, step) => alive(step)));
      expect(bytes).toBeGreaterThanOrEqual(floor);
    }
  });
});
