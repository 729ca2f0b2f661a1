import type { Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { noise } from './noise.ts';
import { run, runAll, tensor, values } from './run.ts';

const f32 = (data: number[], dims?: number[]) => tensor('float32', data, dims);
const numbers = (x: Tensor): number[] => values(x) as number[];
const ones = (n: number) => f32(new Array(n).fill(1));
const zeros = (n: number) => f32(new Array(n).fill(0));

const close = (actual: Tensor, expected: Tensor | readonly number[], digits = 5): void => {
  const wanted = Array.isArray(expected) ? expected : numbers(expected as Tensor);
  expect(actual.size).toBe(wanted.length);
  numbers(actual).forEach((x, i) => {
    expect(x, `element ${i}`).toBeCloseTo(wanted[i], digits);
  });
};

describe('LayerNormalization', () => {
  it('gives mean and inverse deviation too', async () => {
    const x = f32([1, 3, 0, 8], [2, 2]);
    const [y, mean, inverse] = await runAll('LayerNormalization', [x, ones(2)], { epsilon: 0 }, 3);
    expect([values(y), values(mean), values(inverse)]).toEqual([
      [-1, 1, -1, 1],
      [2, 4],
      [1, 0.25],
    ]);
    expect(mean.dims).toEqual([2, 1]);
    const whole = await runAll('LayerNormalization', [x, ones(2)], { axis: 0 }, 2);
    expect(whole[1].dims).toEqual([1, 1]);
    expect(values(whole[1])).toEqual([3]);
  });

  it('keeps statistics of halves in float32', async () => {
    const x = tensor('float16', [1, 2, 4], [1, 3]);
    const [y, mean] = await runAll('LayerNormalization', [x, tensor('float16', [1, 1, 1])], {}, 2);
    expect([y.type, mean.type]).toEqual(['float16', 'float32']);
    expect(numbers(mean)[0]).toBeCloseTo(7 / 3, 6);
  });

  it('broadcasts scale and bias', async () => {
    const x = noise(2, 3, 4);
    const plain = await run('LayerNormalization', [x, f32([1], [1])], { axis: 1 });
    const y = await run('LayerNormalization', [x, f32([1, 2, 3], [3, 1]), f32([10, 20, 30, 40])], { axis: 1 });
    close(
      y,
      numbers(plain).map((v, i) => v * (1 + (Math.floor(i / 4) % 3)) + 10 * (1 + (i % 4))),
    );
    await expect(run('LayerNormalization', [x, ones(3)])).rejects.toThrow(/3 is not 4/);
  });
});

describe('normalisations agree where they must', () => {
  const x = noise(2, 6, 5);

  it('groups of all channels, of one, and of one instance', async () => {
    const scale = [ones(6), zeros(6)];
    const instance = await run('InstanceNormalization', [x, ...scale]);
    close(await run('GroupNormalization', [x, ...scale], { num_groups: 6 }), instance);
    const layer = await run('LayerNormalization', [x, f32([1], [1])], { axis: 1 });
    close(await run('GroupNormalization', [x, ...scale], { num_groups: 1 }), layer);
    const mean = await run('MeanVarianceNormalization', [x], { axes: [2] });
    close(mean, await run('InstanceNormalization', [x, ...scale], { epsilon: 0 }), 4);
    await expect(run('GroupNormalization', [x, ...scale], { num_groups: 4 })).rejects.toThrow(/6 channels in 4 groups/);
  });

  it('batches, in training and with the statistics of training', async () => {
    const [scale, bias, old] = [noise(6), noise(6), noise(6)];
    const training = await runAll(
      'BatchNormalization',
      [x, scale, bias, old, old],
      { training_mode: 1, momentum: 0.25 },
      3,
    );
    const current = [1, 2].map((k) => f32(numbers(training[k]).map((v, i) => (v - 0.25 * numbers(old)[i]) / 0.75)));
    close(await run('BatchNormalization', [x, scale, bias, ...current]), training[0], 4);
    const turned = await run('MeanVarianceNormalization', [x], { axes: [0, 2] });
    const plain = await run('BatchNormalization', [x, ones(6), zeros(6), old, old], { training_mode: 1, epsilon: 0 });
    close(turned, plain, 4);
    await expect(runAll('BatchNormalization', [x, scale, bias, old, old], {}, 3)).rejects.toThrow(/training_mode/);
  });

  it('gives nothing for no batch', async () => {
    expect((await run('BatchNormalization', [noise(0, 2, 3), ...new Array(4).fill(ones(2))])).dims).toEqual([0, 2, 3]);
    expect((await run('LayerNormalization', [noise(0, 3), ones(3)])).dims).toEqual([0, 3]);
  });
});

describe('norms and responses', () => {
  it('LpNormalization leaves zeros', async () => {
    const x = f32([3, 4, 0, 0], [2, 2]);
    expect(values(await run('LpNormalization', [x], {}))).toEqual([Math.fround(0.6), Math.fround(0.8), 0, 0]);
    expect(values(await run('LpNormalization', [x], { p: 1, axis: 0 }))).toEqual([1, 1, 0, 0]);
  });

  it('LRN sums over neighbouring channels, more after than before', async () => {
    const x = f32([1, 2, 3, 4], [1, 4, 1]);
    const y = await run('LRN', [x], { size: 2, alpha: 2, beta: 1, bias: 0 });
    close(y, [1 / 5, 2 / 13, 3 / 25, 4 / 16]);
  });
});

describe('Softmax', () => {
  it('runs along any axis, over large numbers and hidden ones', async () => {
    const x = f32([1000, 0, 1000, 0, -1000, 0], [3, 2]);
    expect(values(await run('Softmax', [x], { axis: 0 })).map((v) => Math.round((v as number) * 6))).toEqual([
      3, 2, 3, 2, 0, 2,
    ]);
    const hidden = f32([Number.NEGATIVE_INFINITY, 0, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY], [2, 2]);
    expect(values(await run('Softmax', [hidden]))).toEqual([0, 1, Number.NaN, Number.NaN]);
    close(await run('LogSoftmax', [f32([1000, 1000])]), [-Math.log(2), -Math.log(2)]);
    expect((await run('Softmax', [noise(2, 0)])).dims).toEqual([2, 0]);
  });

  it('covers rows longer than a unit', async () => {
    const x = noise(70_000);
    const exps = numbers(x).map(Math.exp);
    const total = exps.reduce((a, b) => a + b, 0);
    const y = numbers(await run('Softmax', [x]));
    for (const i of [0, 65_535, 65_536, 69_999]) expect(y[i]).toBeCloseTo(exps[i] / total, 8);
    const logs = numbers(await run('LogSoftmax', [x]));
    expect(logs[69_999]).toBeCloseTo(numbers(x)[69_999] - Math.log(total), 4);
  });
});

describe('losses', () => {
  const logs = f32([-1, -2, -3, -4, -5, -6], [2, 3]);
  const labels = tensor('int64', [2n, 0n]);
  const weights = f32([1, 10, 100]);

  it('are averaged by weight', async () => {
    const loss = async (inputs: Tensor[], attrs = {}) =>
      values(await run('NegativeLogLikelihoodLoss', [logs, ...inputs], attrs));
    expect(await loss([labels], { reduction: 'none' })).toEqual([3, 4]);
    expect(await loss([labels])).toEqual([3.5]);
    expect(await loss([labels, weights])).toEqual([Math.fround(304 / 101)]);
    expect(await loss([labels, weights], { reduction: 'sum' })).toEqual([304]);
    expect(await loss([labels, weights], { ignore_index: 2 })).toEqual([4]);
    expect(await loss([tensor('int32', [-7, 0])], { ignore_index: -7 })).toEqual([4]);
    await expect(loss([tensor('int64', [3n, 0n])])).rejects.toThrow(/label is 3; there are 3 classes/);
    await expect(loss([labels], { reduction: 'max' })).rejects.toThrow(/"reduction" is "max"/);
  });

  it('of scores give log-probabilities too', async () => {
    const scores = noise(2, 3, 4);
    const at = tensor('int64', [0n, 1n, 2n, 0n, 1n, 1n, 2n, 2n], [2, 4]);
    const [loss, logProb] = await runAll('SoftmaxCrossEntropyLoss', [scores, at], {}, 2);
    close(logProb, await run('LogSoftmax', [scores], { axis: 1 }));
    close(loss, await run('NegativeLogLikelihoodLoss', [logProb, at]));
    close(await run('SoftmaxCrossEntropyLoss', [scores, at]), loss);
  });
});
