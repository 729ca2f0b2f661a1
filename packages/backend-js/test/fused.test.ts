import type { Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { integers, noise } from './noise.ts';
import { run, runAll, tensor, values } from './run.ts';

const numbers = (x: Tensor): number[] => values(x) as number[];
const close = (actual: Tensor, expected: Tensor, digits = 5): void => {
  expect(actual.dims).toEqual(expected.dims);
  numbers(actual).forEach((x, i) => {
    expect(x, `element ${i}`).toBeCloseTo(numbers(expected)[i], digits);
  });
};
const attention = (inputs: (Tensor | undefined)[], attrs = {}) => run('espalier::Attention', inputs, attrs);

describe('Attention', () => {
  const [q, k, v] = [noise(2, 4, 3, 8), noise(2, 2, 5, 8), noise(2, 2, 5, 6)];

  /** The same by ONNX's ops; each key head is repeated for its queries. */
  async function composed(mask?: Tensor): Promise<Tensor> {
    const repeat = async (x: Tensor): Promise<Tensor> => {
      const [b, h, s, d] = x.dims;
      const shape = (...dims: number[]) => tensor('int64', dims.map(BigInt));
      const wide = await run('Expand', [x.reshape([b, h, 1, s, d]), shape(b, h, 2, s, d)]);
      return wide.reshape([b, h * 2, s, d]);
    };
    const turned = await run('Transpose', [await repeat(k)], { perm: [0, 1, 3, 2] });
    const scores = await run('Mul', [await run('MatMul', [q, turned]), tensor('float32', [1 / Math.sqrt(8)], [])]);
    const masked = mask ? await run('Add', [scores, mask]) : scores;
    return run('MatMul', [await run('Softmax', [masked]), await repeat(v)]);
  }

  it('is its decomposition, with masks of any shape', async () => {
    close(await attention([q, k, v]), await composed());
    for (const dims of [[3, 5], [2, 1, 3, 5], [2, 4, 1, 5], [1, 5], [5]]) {
      const mask = noise(...dims);
      close(await attention([q, k, v, mask]), await composed(mask));
      const where = tensor(
        'bool',
        numbers(mask).map((x) => x > -0.5),
        dims,
      );
      const hidden = tensor(
        'float32',
        numbers(mask).map((x) => (x > -0.5 ? 0 : -1e9)),
        dims,
      );
      close(await attention([q, k, v, where]), await composed(hidden));
    }
    await expect(attention([q, k, v, noise(2, 5)])).rejects.toThrow(/2 and 3/);
  });

  it('takes heads behind positions', async () => {
    const swap = (x: Tensor) => run('Transpose', [x], { perm: [0, 2, 1, 3] });
    const y = await attention([await swap(q), await swap(k), await swap(v)], { layout: 'BSHD', is_causal: 1 });
    expect(y.dims).toEqual([2, 3, 4, 6]);
    close(await swap(y), await attention([q, k, v], { is_causal: 1 }));
  });

  it('looks back only where it is causal, and scales as told', async () => {
    const mask = tensor('float32', [0, -1e9, -1e9, -1e9, -1e9, 0, 0, -1e9, -1e9, -1e9, 0, 0, 0, -1e9, -1e9], [3, 5]);
    close(await attention([q, k, v], { is_causal: 1 }), await composed(mask));
    const doubled = tensor(
      'float32',
      numbers(q).map((x) => x * Math.sqrt(8) * 0.25),
      [...q.dims],
    );
    close(await attention([q, k, v], { scale: 0.25 }), await attention([doubled, k, v]));
  });

  it('gives NaN, or zero where asked, for a query that sees nothing', async () => {
    const mask = tensor('bool', [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1].map(Boolean), [3, 5]);
    const y = numbers(await attention([q, k, v, mask]));
    const z = numbers(await attention([q, k, v, mask], { nan_to_zero: 1 }));
    y.forEach((x, i) => {
      const isHidden = Math.floor(i / 6) % 3 === 1;
      expect(Number.isNaN(x)).toBe(isHidden);
      expect(z[i]).toBe(isHidden ? 0 : x);
    });
    expect(numbers(await attention([q, noise(2, 2, 0, 8), noise(2, 2, 0, 6)])).every((x) => x === 0)).toBe(true);
  });

  it('names heads that do not divide', async () => {
    await expect(attention([noise(1, 3, 2, 4), noise(1, 2, 2, 4), noise(1, 2, 2, 4)])).rejects.toThrow(/3 query heads/);
    await expect(attention([q, noise(2, 2, 5, 7), v])).rejects.toThrow(/head sizes of Q and K: 8 is not 7/);
    await expect(attention([q, k, v], { layout: 'SBHD' })).rejects.toThrow(/"layout" is "SBHD"/);
  });
});

describe('SkipLayerNormalization', () => {
  it('adds, then normalises', async () => {
    const [x, skip, scale, bias] = [noise(2, 3, 4), noise(2, 3, 4), noise(4), noise(4)];
    const [y, sum] = await runAll('espalier::SkipLayerNormalization', [x, skip, scale, bias], { epsilon: 0.01 }, 2);
    close(sum, await run('Add', [x, skip]));
    close(y, await run('LayerNormalization', [sum, scale, bias], { epsilon: Math.fround(0.01) }));
    close(
      (await runAll('espalier::SkipLayerNormalization', [x, skip, scale]))[0],
      await run('LayerNormalization', [sum, scale]),
    );
  });
});

describe('products with quantised weights', () => {
  const x = noise(2, 3, 6);

  it('give floats of exact sums', async () => {
    const a = integers('uint8', [2, 3, 6], 0, 255);
    for (const dtype of ['int8', 'uint8'] as const) {
      for (const dims of [[], [5]]) {
        const b = integers(dtype, [6, 5], 0, 127);
        const bScale = tensor(
          'float32',
          numbers(noise(...dims)).map((v) => v + 2),
          dims,
        );
        const [aScale, aZero, bZero] = [
          tensor('float32', [0.3], []),
          tensor('uint8', [77], []),
          integers(dtype, dims, 0, 60),
        ];
        const sums = await run('MatMulInteger', [a, b, aZero, bZero]);
        const scaled = await run('Mul', [await run('Cast', [sums], { to: 1 }), await run('Mul', [aScale, bScale])]);
        const product = await run('espalier::QuantizedMatMul', [a, aScale, aZero, b, bScale, bZero]);
        expect(values(product)).toEqual(values(scaled));
      }
    }
  });

  it('widen weights per tensor, per axis and in blocks', async () => {
    const cases = [
      { dims: [] as number[], attrs: {} },
      { dims: [5], attrs: { axis: 1 } },
      { dims: [6], attrs: { axis: 0 } },
      { dims: [3, 5], attrs: { axis: 0, block_size: 2 } },
      { dims: [6, 2], attrs: { axis: -1, block_size: 3 } },
    ];
    for (const dtype of ['int8', 'uint8', 'int4', 'uint4'] as const) {
      const small = (dims: number[]) =>
        tensor(
          dtype,
          numbers(noise(...dims)).map((v) => Math.round(v * 3 + (dtype.startsWith('u') ? 4 : 0))),
          dims,
        );
      for (const { dims, attrs } of cases) {
        const [b, scale, zero] = [small([6, 5]), noise(...dims), small(dims)];
        const weights = await run('DequantizeLinear', [b, scale, zero], attrs);
        close(await run('espalier::DequantizeMatMul', [x, b, scale, zero], attrs), await run('MatMul', [x, weights]));
      }
    }
    const b = integers('int8', [6, 5], -5, 5);
    await expect(run('espalier::DequantizeMatMul', [x, b, noise(4)])).rejects.toThrow(/4 is not 5/);
    await expect(run('espalier::DequantizeMatMul', [x, b, noise(6, 5)], { axis: 0, block_size: 2 })).rejects.toThrow(
      /6 is not 3/,
    );
  });
});
