import { describe, expect, it } from 'vitest';
import { choose, type Decision } from '../src/index.ts';

const free = (): number => 0;

describe('choose', () => {
  it('takes the cheapest backend for each node when moving costs nothing', () => {
    const decisions: Decision[] = [
      { seconds: [2, 1], reads: [0], writes: [1], place: 'backend' },
      { seconds: [1, 3], reads: [1], writes: [2], place: 'backend' },
    ];
    expect(choose(decisions, [0], [2], [4, 4, 4], free)).toEqual({ backends: [1, 0], seconds: 2 });
  });

  it('stays where it is when moving costs more than it gains', () => {
    const decisions: Decision[] = [
      { seconds: [1, undefined], reads: [0], writes: [1], place: 'backend' },
      { seconds: [3, 2], reads: [1], writes: [2], place: 'backend' },
      { seconds: [1, undefined], reads: [2], writes: [3], place: 'backend' },
    ];
    const crossing = (from: number, to: number): number => (from === to || from < 0 ? 0 : 0.6);
    expect(choose(decisions, [0], [3], [1, 1, 1, 1], crossing)).toEqual({ backends: [0, 0, 0], seconds: 5 });
    const cheap = (from: number, to: number): number => (from === to || from < 0 ? 0 : 0.4);
    expect(choose(decisions, [0], [3], [1, 1, 1, 1], cheap).backends).toEqual([0, 1, 0]);
  });

  it('pays for a move once, however many read the value there', () => {
    const decisions: Decision[] = [
      { seconds: [1, undefined], reads: [0], writes: [1], place: 'backend' },
      { seconds: [2, 1], reads: [1], writes: [2], place: 'backend' },
      { seconds: [2, 1], reads: [1], writes: [3], place: 'backend' },
    ];
    const crossing = (from: number, to: number): number => (from === to || from < 0 ? 0 : 1.5);
    expect(choose(decisions, [0], [2, 3], [1, 1, 1, 1], crossing).seconds).toBe(4.5);
  });

  it('lets views follow their source', () => {
    const decisions: Decision[] = [
      { seconds: [9, 1], reads: [0], writes: [1], place: 'backend' },
      { seconds: [], reads: [1], writes: [2], place: 'view' },
      { seconds: [1, 1.5], reads: [2], writes: [3], place: 'backend' },
    ];
    const crossing = (from: number, to: number): number => (from === to || from < 0 ? 0 : 1);
    expect(choose(decisions, [0], [3], [1, 1, 1, 1], crossing).backends).toEqual([1, -1, 1]);
  });

  it('finds the best of all assignments of random graphs', () => {
    let seed = 3;
    const random = (): number => {
      seed = (seed * 48271) % 2147483647;
      return seed / 2147483647;
    };
    for (let round = 0; round < 60; round++) {
      const nodes = 2 + Math.floor(random() * 6);
      const decisions = Array.from({ length: nodes }, (_, i): Decision => {
        const reads = [...new Set([Math.floor(random() * (i + 1)), Math.floor(random() * (i + 1))])];
        return {
          seconds: [random(), random() < 0.2 ? undefined : random(), random()],
          reads,
          writes: [i + 1],
          place: 'backend',
        };
      });
      const bytes = Array.from({ length: nodes + 1 }, random);
      const crossing = (from: number, to: number, n: number): number =>
        from === to ? 0 : from < 0 ? 0.05 : 0.1 + 0.3 * n;
      const found = choose(decisions, [0], [nodes], bytes, crossing);
      expect(found.seconds).toBeCloseTo(bruteForce(decisions, bytes, crossing), 9);
    }
  });

  it('says so when a node has no backend', () => {
    expect(() =>
      choose([{ seconds: [undefined], reads: [0], writes: [1], place: 'backend' }], [0], [1], [1, 1], free),
    ).toThrow(/no backend/);
  });
});

function bruteForce(
  decisions: readonly Decision[],
  bytes: readonly number[],
  crossing: (from: number, to: number, n: number) => number,
): number {
  let best = Number.POSITIVE_INFINITY;
  const visit = (i: number, where: ReadonlyMap<number, ReadonlySet<number>>, total: number): void => {
    if (i === decisions.length) {
      best = Math.min(best, total);
      return;
    }
    const { seconds, reads, writes } = decisions[i]!;
    seconds.forEach((cost, b) => {
      if (cost === undefined) return;
      const next = new Map([...where].map(([value, places]) => [value, new Set(places)]));
      let sum = total + cost;
      for (const value of reads) {
        const places = next.get(value)!;
        if (!places.has(b)) sum += Math.min(...[...places].map((from) => crossing(from, b, bytes[value]!)));
        places.add(b);
      }
      for (const value of writes) next.set(value, new Set([b]));
      visit(i + 1, next, sum);
    });
  };
  visit(0, new Map([[0, new Set([-1])]]), 0);
  return best;
}
