/** Element by element ops, softmax and layer normalisation against the scalar backend, at both widths and with guard pages. */

import { type Attributes, type Node, Tensor, UnsupportedError } from '@espalier/core';
import { walk } from '@espalier/lowering';
import { expect, it } from 'vitest';
import { normalization } from '../src/kernels/normalization/index.ts';
import { pointwise } from '../src/kernels/pointwise/index.ts';
import { softmax } from '../src/kernels/softmax/index.ts';
import { describeKernels } from './kernels.ts';

function nodeOf(op: string, inputs: readonly unknown[], attrs: Attributes, outputs: number): Node {
  return {
    name: op.toLowerCase(),
    op,
    domain: op === 'SkipLayerNormalization' ? 'espalier' : '',
    inputs: inputs.map((input, i) => (input ? `i${i}` : '')),
    outputs: Array.from({ length: outputs }, (_, i) => `o${i}`),
    attrs,
  };
}

/** Floats from -scale to scale by a linear congruential generator. */
function floats(dims: readonly number[], scale = 4): Tensor {
  const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
  let state = 12345 + data.length;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = (state / 2 ** 31 - 1) * scale;
  }
  return new Tensor('float32', data, dims);
}

describeKernels('kernels of elements', [...pointwise, ...softmax, ...normalization], 4, ({ native, js }) => {
  async function same(op: string, inputs: readonly (Tensor | undefined)[], attrs: Attributes = {}, outputs = 1) {
    const node = nodeOf(op, inputs, attrs, outputs);
    const [wanted, got] = [await js(node, inputs), await native(node, inputs)];
    for (const [i, tensor] of wanted.entries()) {
      const [w, g] = [tensor.data as Float32Array, got[i]!.data as Float32Array];
      expect(got[i]!.dims).toEqual(tensor.dims);
      for (let k = 0; k < w.length; k++) {
        const near = Object.is(w[k], g[k]) || Math.abs(w[k]! - g[k]!) <= 2e-6 * Math.max(1, Math.abs(w[k]!));
        if (!near) throw new Error(`${op}[${k}] is ${g[k]}, not ${w[k]}`);
      }
    }
  }

  const large = [3, 5, 7, 1000] as const;
  it.each([
    ['equal shapes', large, large],
    ['a scalar', large, []],
    ['a scalar on the left', [1], large],
    ['a vector', large, [1000]],
    ['trailing axes', [7, 1000], large],
    ['a column', large, [3, 5, 7, 1]],
    ['a column on the left', [3, 5, 7, 1], large],
    ['a mask', large, [3, 1, 1, 1000]],
    ['axes in turn', [3, 1, 7, 1], [1, 5, 1, 1000]],
    ['rows longer than a unit', [2, 70001], [2, 1]],
    ['short rows', [40000, 3], [3]],
    ['rows of one element', [9000, 1, 2, 1], [1, 4, 1, 1]],
  ])('broadcasts %s', async (_, a, b) => {
    for (const op of ['Add', 'Sub', 'Div']) await same(op, [floats(a), floats(b)]);
  });

  it('gives whole tensors that take many units, with a tail', async () => {
    for (const op of ['Relu', 'Gelu', 'Sqrt', 'Exp']) await same(op, [floats([100_003])]);
    await same('Softmax', [floats([301, 333], 90)], { axis: -1 });
    await same('LogSoftmax', [floats([301, 333], 90)], { axis: -1 });
    for (const op of ['Softmax', 'LogSoftmax']) {
      for (const axis of [0, 1, 2]) await same(op, [floats([37, 29, 61], 20)], { axis });
      await same(op, [floats([3, 500, 1])], { axis: 1 });
      await same(op, [floats([2, 0, 3])], { axis: 1 });
    }
    await same(
      'SkipLayerNormalization',
      [[301, 333], [301, 333], [333], [333]].map((d) => floats(d)),
      {},
      2,
    );
    await same('LayerNormalization', [floats([5, 50_001]), floats([50_001])]);
  });

  it('takes the values that are no numbers as the definition does', async () => {
    const odd = [NaN, Infinity, -Infinity, 0, 1, -1, 1e38, -1e38, 1e-40];
    const pairs = odd.flatMap((x) => odd.map((y) => [x, y] as const));
    const [a, b] = [0, 1].map(
      (side) =>
        new Tensor(
          'float32',
          Float32Array.from(pairs, (pair) => pair[side]!),
        ),
    );
    for (const op of ['Max', 'Min', 'Add', 'Div']) await same(op, [a, b]);
    for (const op of ['Relu', 'Abs', 'Neg', 'LeakyRelu', 'Sigmoid', 'Tanh', 'Exp', 'Erf', 'Gelu']) await same(op, [a]);
    const rows = [
      [-Infinity, -Infinity, -Infinity],
      [1, -Infinity, 2],
      [Infinity, 0, 0],
      [NaN, 1, 2],
    ].flat();
    for (const op of ['Softmax', 'LogSoftmax']) {
      await same(op, [new Tensor('float32', Float32Array.from(rows), [4, 3])], { axis: 1 });
      await same(op, [new Tensor('float32', Float32Array.from(rows), [1, 3, 4])], { axis: 1 });
    }
  });

  it('clips between bounds that are there', async () => {
    const [x, low, high] = [floats([77]), new Tensor('float32', [-1], []), new Tensor('float32', [2], [])];
    for (const bounds of [[], [low], [undefined, high], [low, high], [high, low]]) await same('Clip', [x, ...bounds]);
  });

  it('does not lose a small variance beside a large mean', async () => {
    const x = new Tensor(
      'float32',
      Float32Array.from({ length: 300 }, (_, i) => 1000 + (i % 7)),
      [3, 100],
    );
    await same('LayerNormalization', [x, floats([100])]);
  });

  it.each([
    ['Max', new Array(9).fill([4]), {}, 1, 'it reads 9 tensors, more than 8'],
    [
      'LayerNormalization',
      [
        [4, 4],
        [4, 4],
      ],
      { axis: 0 },
      1,
      'axes other than the last',
    ],
    ['LayerNormalization', [[4, 4], [1]], {}, 1, 'not known to be vectors of the last axis'],
    ['LayerNormalization', [[4, 4], [4]], {}, 2, 'no mean and deviation'],
  ])('says why it leaves %s to another', async (op, shapes, attrs, outputs, reason) => {
    const inputs = shapes.map((dims) => floats(dims));
    const given = native(nodeOf(op, inputs, attrs as Attributes, outputs), inputs);
    await expect(given).rejects.toBeInstanceOf(UnsupportedError);
    await expect(given).rejects.toThrow(reason);
  });
});

it('never reads past an operand that symbols promised to be larger', () => {
  expect(() => walk([2, 3], [2, 3], [2])).toThrow(expect.objectContaining({ code: 'SHAPE_MISMATCH' }));
});
