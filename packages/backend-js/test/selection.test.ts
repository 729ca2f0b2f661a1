import type { Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { counting, sorted } from '../src/elements.ts';
import { run, runAll, tensor, values } from './run.ts';

/** Numbers that look random and are the same each time. */
function* noise(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

const f32 = (data: number[], dims?: number[]): Tensor => tensor('float32', data, dims);
const i64 = (data: (number | bigint)[], dims?: number[]): Tensor => tensor('int64', data, dims);
/** Elements of all tensors, 64-bit ones as numbers. */
const plain = (tensors: readonly Tensor[]): unknown[][] =>
  tensors.map((y) => values(y).map((x) => (typeof x === 'bigint' ? Number(x) : x)));

describe('sorting', () => {
  it('is stable, for every length', () => {
    const random = noise(7);
    for (let length = 0; length < 70; length++) {
      const keys = Array.from({ length }, () => Math.floor(random.next().value * 8));
      const work = sorted(length, (a, b) => keys[a]! - keys[b]!);
      let step = work.next();
      while (!step.done) step = work.next();
      const expected = keys.map((_, i) => i).sort((a, b) => keys[a]! - keys[b]! || a - b);
      expect([...step.value]).toEqual(expected);
    }
  });

  it('lets others run', () => {
    let yields = 0;
    for (const _ of sorted(100_000, (a, b) => b - a)) yields++;
    expect(yields).toBeGreaterThan(50);
    for (const _ of counting(100_000, () => {})) yields--;
    expect(yields).toBeGreaterThan(0);
  });
});

describe('TopK', () => {
  const topK = async (x: Tensor, k: number, attrs = {}) => plain(await runAll('TopK', [x, i64([k])], attrs, 2));

  it('agrees with sorting, ties by index', async () => {
    const random = noise(3);
    for (const largest of [0, 1]) {
      for (const [length, k] of [
        [1, 1],
        [40, 40],
        [40, 7],
        [101, 1],
        [33, 0],
      ] as const) {
        const data = Array.from({ length }, () => Math.floor(random.next().value * 12));
        const order = data
          .map((_, i) => i)
          .sort((a, b) => (largest ? data[b]! - data[a]! : data[a]! - data[b]!) || a - b);
        const best = order.slice(0, k);
        expect(await topK(f32(data), k, { largest })).toEqual([best.map((i) => data[i]), best]);
      }
    }
  });

  it('works along any axis and on halves', async () => {
    const x = tensor('float16', [1, 9, 5, 2, 3, 4], [3, 2]);
    expect(await topK(x, 2, { axis: 0 })).toEqual([
      [5, 9, 3, 4],
      [1, 0, 2, 2],
    ]);
  });

  it('puts NaN first', async () => {
    expect(await topK(f32([1, Number.NaN, 2]), 2)).toEqual([
      [Number.NaN, 2],
      [1, 2],
    ]);
  });

  it('takes nothing of nothing', async () => {
    expect(await topK(f32([], [0, 3]), 2)).toEqual([[], []]);
    expect(await topK(i64([3, 1], [2, 1]), 0)).toEqual([[], []]);
  });
});

describe('Unique', () => {
  const unique = async (x: Tensor, attrs = {}) => plain(await runAll('Unique', [x], attrs, 4));

  it('sorts numbers as numbers, NaN last and once', async () => {
    expect(await unique(f32([10, 9, Number.NaN, 9, Number.NaN, -1]))).toEqual([
      [-1, 9, 10, Number.NaN],
      [5, 1, 0, 2],
      [2, 1, 3, 1, 3, 0],
      [1, 2, 1, 2],
    ]);
    expect((await unique(tensor('float16', [2, -1, 2])))[0]).toEqual([-1, 2]);
  });

  it('takes strings, and the order in which they came', async () => {
    expect(await unique(tensor('string', ['b', 'a', 'b']), { sorted: 0 })).toEqual([
      ['b', 'a'],
      [0, 1],
      [0, 1, 0],
      [2, 1],
    ]);
  });

  it('compares slices', async () => {
    const [y, first] = await runAll('Unique', [i64([1, 0, 1, 2, 0, 2], [2, 3])], { axis: 1 }, 2);
    expect(y!.dims).toEqual([2, 2]);
    expect(plain([y!, first!])).toEqual([
      [0, 1, 0, 2],
      [1, 0],
    ]);
  });

  it('finds nothing in nothing', async () => {
    expect(await unique(f32([], [0]))).toEqual([[], [], [], []]);
    const [y] = await runAll('Unique', [f32([], [2, 0])], { axis: 1 }, 1);
    expect(y!.dims).toEqual([2, 0]);
  });
});

describe('NonZero and Compress', () => {
  it('take NaN for true, and both zeros for false', async () => {
    for (const dtype of ['float32', 'float16', 'bfloat16'] as const)
      expect(plain([await run('NonZero', [tensor(dtype, [0, -0, Number.NaN, 2], [2, 2])])])).toEqual([[1, 1, 0, 1]]);
    expect((await run('NonZero', [tensor('string', ['', 'a'])])).data).toEqual(BigInt64Array.of(1n));
  });

  it('give what is empty a shape', async () => {
    expect((await run('NonZero', [f32([0, 0], [1, 2])])).dims).toEqual([2, 0]);
    expect((await run('NonZero', [f32([5], [])])).dims).toEqual([0, 1]);
    expect((await run('Compress', [f32([1, 2], [1, 2]), tensor('bool', [])], { axis: 1 })).dims).toEqual([1, 0]);
  });

  it('take a condition that is too short, and strings', async () => {
    const x = tensor('string', ['a', 'b', 'c', 'd'], [2, 2]);
    expect((await run('Compress', [x, tensor('bool', [false, true, true])])).data).toEqual(['b', 'c']);
    const last = await run('Compress', [x, tensor('bool', [false, true])], { axis: -1 });
    expect(last).toMatchObject({ dims: [2, 1], data: ['b', 'd'] });
  });
});

describe('ArgMax, Hardmax, CumSum', () => {
  it('break ties and find NaN', async () => {
    const x = f32([3, 1, 3, 1], [1, 4]);
    const at = async (op: string, attrs: object) => plain([await run(op, [x], { axis: 1, ...attrs })])[0];
    expect(await at('ArgMax', {})).toEqual([0]);
    expect(await at('ArgMax', { select_last_index: 1 })).toEqual([2]);
    expect(await at('ArgMin', { select_last_index: 1 })).toEqual([3]);
    expect(plain([await run('ArgMax', [f32([1, Number.NaN, 9])])])).toEqual([[1]]);
    expect(plain([await run('Hardmax', [tensor('float16', [1, 2, 2])], { axis: 0 })])).toEqual([[0, 1, 0]]);
    expect((await run('ArgMax', [f32([], [0, 2])], { axis: 1 })).dims).toEqual([0, 1]);
  });

  it('wrap around in integers and round as floats do', async () => {
    const sum = async (x: Tensor, attrs = {}) => plain([await run('CumSum', [x, i64([0], [])], attrs)])[0];
    expect(await sum(tensor('int32', [2 ** 31 - 1, 1]))).toEqual([2 ** 31 - 1, -(2 ** 31)]);
    expect(await sum(f32([2 ** 24, 1, 1]))).toEqual([2 ** 24, 2 ** 24, 2 ** 24]);
    expect(await sum(i64([1, 2, 3]), { exclusive: 1, reverse: 1 })).toEqual([5, 3, 0]);
  });
});

describe('NonMaxSuppression', () => {
  const boxes = f32([0, 0, 1, 1, 1, 1, 0, 0, 0, 2, 1, 3], [1, 3, 4]);
  const scores = f32([0.9, 0.95, 0.1], [1, 1, 3]);
  const select = async (...limits: (Tensor | undefined)[]) =>
    values(await run('NonMaxSuppression', [boxes, scores, ...limits]));

  it('takes corners in any order, and drops what overlaps', async () => {
    expect(await select(i64([9]), f32([0.5]))).toEqual([0n, 0n, 1n, 0n, 0n, 2n]);
    expect(await select(i64([9]), f32([0.5]), f32([0.5]))).toEqual([0n, 0n, 1n]);
    expect(await select(i64([9]), f32([1]))).toEqual([0n, 0n, 1n, 0n, 0n, 0n, 0n, 0n, 2n]);
  });

  it('selects nothing unless it is told how many', async () => {
    expect(await run('NonMaxSuppression', [boxes, scores])).toMatchObject({ dims: [0, 3] });
  });
});

describe('TfIdfVectorizer', () => {
  const attrs = {
    min_gram_length: 1,
    max_gram_length: 2,
    max_skip_count: 1,
    ngram_counts: [0, 2],
    ngram_indexes: [2, 0, 1],
    weights: [0.5, 2, 3],
    pool_strings: ['a', 'b', 'a', 'b'],
  };
  const x = tensor('string', ['a', 'c', 'b', 'a', 'b'], [1, 5]);

  it.each([
    ['TF', [2, 2, 2]],
    ['IDF', [2, 3, 0.5]],
    ['TFIDF', [4, 6, 1]],
  ])('counts strings by %s', async (mode, expected) => {
    const y = await run('TfIdfVectorizer', [x], { ...attrs, mode });
    expect(y.dims).toEqual([1, 3]);
    expect(values(y)).toEqual(expected);
  });
});
