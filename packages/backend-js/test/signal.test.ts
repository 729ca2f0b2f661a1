import type { Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { noise } from './noise.ts';
import { run, tensor, values } from './run.ts';

const numbers = (x: Tensor): number[] => values(x).map(Number);
const scalar = (x: number) => tensor('int64', [BigInt(x)], []);
const f32 = (data: readonly number[], dims?: number[]) => tensor('float32', data, dims);

const close = (actual: Tensor, expected: readonly number[], digits = 5): void => {
  expect(actual.size).toBe(expected.length);
  numbers(actual).forEach((x, i) => {
    expect(x, `element ${i}`).toBeCloseTo(expected[i], digits);
  });
};

/** The transform of interleaved complex numbers by its definition. */
function plain(x: readonly number[], sign = -1): number[] {
  const n = x.length / 2;
  return Array.from({ length: n }, (_, k) => {
    let [re, im] = [0, 0];
    for (let j = 0; j < n; j++) {
      const angle = (sign * 2 * Math.PI * ((j * k) % n)) / n;
      re += x[2 * j] * Math.cos(angle) - x[2 * j + 1] * Math.sin(angle);
      im += x[2 * j] * Math.sin(angle) + x[2 * j + 1] * Math.cos(angle);
    }
    return [re, im];
  }).flat();
}

describe('DFT', () => {
  it('is its definition for every length, and its inverse', async () => {
    for (let n = 1; n <= 33; n++) {
      const x = noise(n, 2);
      const y = await run('DFT', [x, undefined, scalar(0)]);
      close(y, plain(numbers(x)), 4);
      close(await run('DFT', [y, undefined, scalar(0)], { inverse: 1 }), numbers(x), 4);
    }
  });

  it('is exact for long lengths that have no small factors', async () => {
    const n = 10_007;
    const wave = Array.from({ length: n }, (_, j) => Math.cos((2 * Math.PI * 1234 * j) / n));
    const y = numbers(await run('DFT', [tensor('float64', wave, [n, 1]), undefined, scalar(0)], { onesided: 1 }));
    expect(y[2 * 1234]).toBeCloseTo(n / 2, 6);
    expect(Math.max(...y.filter((_, i) => i >> 1 !== 1234).map(Math.abs))).toBeLessThan(1e-6);
  });

  it('transforms any axis', async () => {
    const x = noise(2, 3, 4, 1);
    const y = numbers(await run('DFT', [x, undefined, scalar(1)]));
    const lane = [0, 1, 2].flatMap((j) => [numbers(x)[12 + 4 * j + 2], 0]);
    const own = [0, 1, 2].flatMap((k) => [0, 1].map((part) => y[2 * (12 + 4 * k + 2) + part]));
    close(f32(own), plain(lane));
  });

  it('pads and cuts to the length it is given, and goes back from one side', async () => {
    const x = noise(1, 5, 1);
    for (const length of [3, 5, 8]) {
      const padded = [...numbers(x), 0, 0, 0].slice(0, length);
      const y = await run('DFT', [x, scalar(length)], { onesided: 1 });
      expect(y.dims).toEqual([1, Math.floor(length / 2) + 1, 2]);
      close(y, plain(padded.flatMap((v) => [v, 0])).slice(0, y.size));
      const back = await run('DFT', [y, scalar(length)], { onesided: 1, inverse: 1 });
      expect(back.dims).toEqual([1, length, 1]);
      close(back, padded);
    }
  });

  it('refuses what it cannot transform', async () => {
    await expect(run('DFT', [noise(3, 2)], { onesided: 1 })).rejects.toThrow(/real input/);
    await expect(run('DFT', [noise(3, 1)], { onesided: 1, inverse: 1 })).rejects.toThrow(/complex input/);
    await expect(run('DFT', [noise(3, 2), undefined, scalar(1)])).rejects.toThrow(/real and imaginary/);
    await expect(run('DFT', [noise(3, 3)])).rejects.toThrow(/last axis must be 1 or 2/);
  });
});

describe('STFT', () => {
  it('transforms windowed frames', async () => {
    const [x, window] = [noise(2, 11, 1), noise(4)];
    const y = await run('STFT', [x, scalar(3), window]);
    expect(y.dims).toEqual([2, 3, 3, 2]);
    const frame = [0, 1, 2, 3].flatMap((k) => [numbers(x)[11 + 6 + k] * numbers(window)[k], 0]);
    close(f32(numbers(y).slice(30)), plain(frame).slice(0, 6));
    const whole = await run('STFT', [x, scalar(1), undefined, scalar(11)], { onesided: 0 });
    expect(whole.dims).toEqual([2, 1, 11, 2]);
    await expect(run('STFT', [x, scalar(0), window])).rejects.toThrow(/frame_step is 0/);
    await expect(run('STFT', [x, scalar(1), window, scalar(5)])).rejects.toThrow(/4 is not 5/);
    await expect(run('STFT', [noise(1, 8, 2), scalar(1), window])).rejects.toThrow(/onesided to 0/);
  });
});

describe('windows', () => {
  it('are periodic or symmetric', async () => {
    close(await run('HannWindow', [scalar(4)]), [0, 0.5, 1, 0.5]);
    close(await run('HannWindow', [scalar(5)], { periodic: 0 }), [0, 0.5, 1, 0.5, 0]);
    close(await run('BlackmanWindow', [scalar(4)]), [0, 0.34, 1, 0.34]);
    close(await run('HammingWindow', [scalar(2)], { output_datatype: 11 }), [4 / 46, 1], 8);
    close(await run('HannWindow', [scalar(1)], { periodic: 0 }), [1]);
    expect((await run('HannWindow', [scalar(0)])).dims).toEqual([0]);
    await expect(run('HannWindow', [scalar(-1)])).rejects.toThrow(/shape/);
    await expect(run('HannWindow', [scalar(3)], { output_datatype: 9 })).rejects.toThrow(/no numeric type/);
  });
});

describe('MelWeightMatrix', () => {
  const mel = (...[bins, length, rate, lower, upper]: number[]) =>
    run('MelWeightMatrix', [scalar(bins), scalar(length), scalar(rate), f32([lower], []), f32([upper], [])]);

  it('has a peak of 1 in every filter', async () => {
    const y = await mel(8, 64, 8000, 100, 4000);
    expect(y.dims).toEqual([33, 8]);
    for (let f = 0; f < 8; f++) expect(Math.max(...numbers(y).filter((_, i) => i % 8 === f))).toBe(1);
  });

  it('does not run away from edges beyond the spectrum', async () => {
    expect((await mel(3, 16, 0, 0, 1e30)).dims).toEqual([9, 3]);
    expect((await mel(3, 16, 8000, 0, Number.NaN)).dims).toEqual([9, 3]);
  });
});
