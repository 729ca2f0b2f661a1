import type { Attributes } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { run, tensor, values } from './run.ts';

const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;
const draw = async (op: string, attrs: Attributes) => values(await run(op, [], attrs)) as number[];

describe('random ops', () => {
  const shape = [100, 100];

  it('are uniform', async () => {
    const x = await draw('RandomUniform', { shape, low: -1, high: 3, seed: 1 });
    expect(Math.min(...x)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...x)).toBeLessThan(3);
    expect(Math.abs(mean(x) - 1)).toBeLessThan(0.05);
    expect(Math.abs(mean(x.map((v) => (v - 1) ** 2)) - 16 / 12)).toBeLessThan(0.05);
    expect(new Set(x).size).toBeGreaterThan(9900);
  });

  it('are normal', async () => {
    const x = await draw('RandomNormal', { shape, mean: 5, scale: 2, seed: 2, dtype: 11 });
    const z = x.map((v) => (v - 5) / 2);
    expect(Math.abs(mean(z))).toBeLessThan(0.05);
    expect(Math.abs(mean(z.map((v) => v ** 2)) - 1)).toBeLessThan(0.05);
    expect(Math.abs(mean(z.map((v) => v ** 4)) - 3)).toBeLessThan(0.3);
    // Neighbours share nothing.
    expect(Math.abs(mean(z.slice(1).map((v, i) => v * z[i]!)))).toBeLessThan(0.05);
  });

  it('repeat themselves with a seed only', async () => {
    const attrs = { shape: [8] };
    expect(await draw('RandomNormal', { ...attrs, seed: 7 })).toEqual(
      await draw('RandomNormal', { ...attrs, seed: 7 }),
    );
    expect(await draw('RandomNormal', { ...attrs, seed: 7 })).not.toEqual(
      await draw('RandomNormal', { ...attrs, seed: 7.5 }),
    );
    expect(await draw('RandomNormal', attrs)).not.toEqual(await draw('RandomNormal', attrs));
  });

  it('are like another tensor', async () => {
    const like = await run('RandomUniformLike', [tensor('int32', [1, 2, 3])], { dtype: 10 });
    expect([like.type, like.dims]).toEqual(['float16', [3]]);
    await expect(run('RandomNormalLike', [tensor('int32', [1])])).rejects.toMatchObject({ code: 'BAD_GRAPH' });
  });

  it('draw by probability', async () => {
    const p = Array.from({ length: 3000 }, (_, i) => (i % 3) / 2);
    const x = values(await run('Bernoulli', [tensor('float32', p)], { seed: 3, dtype: 7 })) as bigint[];
    expect(x.every((v, i) => p[i] === 0.5 || v === BigInt(p[i]!))).toBe(true);
    expect(Math.abs(mean(x.filter((_, i) => p[i] === 0.5).map(Number)) - 0.5)).toBeLessThan(0.06);
  });

  it('draw classes by log-probability', async () => {
    const { NEGATIVE_INFINITY: never } = Number;
    const x = tensor('float32', [Math.log(1000), Math.log(3000), never, 90, never, never], [2, 3]);
    const y = await run('Multinomial', [x], { sample_size: 4000, seed: 4 });
    expect([y.type, y.dims]).toEqual(['int32', [2, 4000]]);
    const drawn = values(y) as number[];
    const first = drawn.slice(0, 4000);
    expect(first.every((k) => k < 2)).toBe(true);
    expect(Math.abs(mean(first) - 0.75)).toBeLessThan(0.03);
    expect(drawn.slice(4000).every((k) => k === 0)).toBe(true);
  });
});
