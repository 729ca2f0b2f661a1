/** Calls of many units, blocks and panels against the scalar backend, on two threads. */

import { createJsBackend } from '@espalier/backend-js';
import { type Attributes, createEvaluator, onnxOps, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { createWasmBackend, type WasmBackend } from '../src/index.ts';
import { run } from './run.ts';

const backend = (await createWasmBackend({ threads: 2 })) as WasmBackend;
const js = createEvaluator(createJsBackend(), onnxOps);

/** Floats from -1 to 1 by a linear congruential generator, a share of them zero. */
function floats(dims: readonly number[], zeros = 0): Tensor {
  const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
  let state = 12345 + data.length;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  for (let i = 0; i < data.length; i++) data[i] = next() < zeros ? 0 : 2 * next() - 1;
  return new Tensor('float32', data, dims);
}

async function same(
  kernel: string,
  op: string,
  inputs: readonly Tensor[],
  {
    attrs = {},
    domain = '',
    constant,
    within = 1e-5,
  }: { attrs?: Attributes; domain?: string; constant?: number; within?: number } = {},
): Promise<void> {
  const node = { name: 'n', op, domain, inputs: inputs.map((_, i) => `i${i}`), outputs: ['o'], attrs };
  const [wanted] = await js(node, inputs);
  const w = wanted!.data as Float32Array;
  // Not what it is to be.
  const given = await run(
    backend,
    kernel,
    node,
    inputs,
    new Tensor('float32', new Float32Array(w.length).fill(1e9), wanted!.dims),
    constant,
  );
  const g = given.data as Float32Array;
  const scale = w.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
  const wrong = w.findIndex((x, i) => !(Math.abs(x - g[i]!) <= within * scale));
  expect(wrong, `${kernel}: it is ${g[wrong]}, not ${w[wrong]}`).toBe(-1);
}

describe('products', () => {
  it.each([
    [100, 300, 77],
    [1, 769, 130],
    [7, 64, 500],
    [33, 1, 65],
  ])('%i x %i x %i', async (m, k, n) => {
    const operands = [floats([m, k]), floats([k, n])];
    await same('matmul_f32_dense', 'MatMul', operands, { constant: 1 });
    await same('matmul_f32_variable', 'MatMul', operands);
  });

  it.each([
    [100, 400, 130, 0.7],
    [33, 193, 64, 0.95],
    [5, 385, 200, 0.5],
    [1, 192, 3, 0.99],
    [32, 50, 129, 1],
  ])('%i x %i x %i, sparse', async (m, k, n, zeros) => {
    await same('matmul_f32_csr', 'MatMul', [floats([m, k]), floats([k, n], zeros)], { constant: 1 });
  });

  it.each([
    [100, 900, 130, 0.7],
    [33, 769, 64, 0.95],
    [5, 771, 200, 0.5],
    [1, 384, 3, 0.99],
    [40, 50, 129, 1],
  ])('%i x %i x %i, sparse bytes', async (m, k, n, zeros) => {
    const bytes = (type: 'uint8' | 'int8', { data, dims }: Tensor): Tensor =>
      new Tensor(
        type,
        Array.from(data as Float32Array, (x) => Math.trunc(100 * x) + (type === 'uint8' ? 100 : 0)),
        dims,
      );
    const zero = new Tensor('uint8', [93], []);
    const weights = bytes('int8', floats([k, n], zeros));
    const inputs = [bytes('uint8', floats([m, k])), floats([]), zero, weights, floats([n])];
    for (const format of ['csr', 'bsr1x2', 'dense'])
      await same(`quantizedmatmul_i8_${format}`, 'QuantizedMatMul', inputs, { domain: 'espalier', constant: 3 });
  });

  it('in batches', async () => {
    await same('matmul_f32_variable', 'MatMul', [floats([3, 1, 50, 40]), floats([2, 40, 30])]);
    await same('matmul_f32_dense', 'MatMul', [floats([3, 2, 50, 40]), floats([40, 30])], { constant: 1 });
  });
});

describe('convolutions', () => {
  const attrs = (pads: number, stride: number, group = 1) => ({
    pads: [pads, pads, pads, pads],
    strides: [stride, stride],
    ...{ dilations: [1, 1], kernel_shape: [3, 3], auto_pad: 'NOTSET', group },
  });

  it.each([
    [1, 1],
    [0, 2],
    [2, 3],
  ])('of many pixels, padded by %i, every %i', async (pads, stride) => {
    const x = floats([2, 20, 37, 41]);
    for (const [kernel, zeros] of [
      ['conv_f32_dense', 0],
      ['conv_f32_csr', 0.8],
    ] as const) {
      const operands = [x, floats([70, 20, 3, 3], zeros), floats([70])];
      await same(kernel, 'Conv', operands, { constant: 1, attrs: attrs(pads, stride) });
    }
    const grouped = [x, floats([30, 10, 3, 3]), floats([30])];
    await same('conv_f32_dense', 'Conv', grouped, { constant: 1, attrs: attrs(pads, stride, 2) });
    const depthwise = [x, floats([40, 1, 3, 3]), floats([40])];
    await same('conv_f32_planes', 'Conv', depthwise, { constant: 1, attrs: attrs(pads, stride, 20) });
    const { group: _, ...window } = attrs(pads, stride);
    await same('maxpool', 'MaxPool', [x], { attrs: { ...window, ceil_mode: 0, storage_order: 0 } });
    await same('averagepool', 'AveragePool', [x], { attrs: { ...window, ceil_mode: 0, count_include_pad: 0 } });
  });
});

describe('attention', () => {
  const call = (batch: number, heads: number, shared: number, queries: number, keys: number, size: number) => [
    floats([batch, heads, queries, size]),
    floats([batch, shared, keys, size]),
    floats([batch, shared, keys, size]),
  ];
  const attrs = { layout: 'BHSD', is_causal: 0, nan_to_zero: 0 };

  it('of many queries and keys, with shared heads', async () => {
    const operands = call(2, 4, 2, 130, 77, 33);
    await same('attention', 'Attention', operands, { domain: 'espalier', attrs });
    await same('attention', 'Attention', [...operands, floats([130, 77])], { domain: 'espalier', attrs });
    await same('attention', 'Attention', [...operands, floats([2, 1, 130, 1])], { domain: 'espalier', attrs });
  });

  it('that looks back only', async () => {
    await same('attention', 'Attention', call(1, 2, 2, 100, 100, 16), {
      domain: 'espalier',
      attrs: { ...attrs, is_causal: 1 },
    });
  });
});

describe('elements', () => {
  it('of many units', async () => {
    for (const op of ['Gelu', 'Exp', 'Tanh'])
      await same(op.toLowerCase(), op, [floats([100_003])], { attrs: op === 'Gelu' ? { approximate: 'none' } : {} });
    await same('add_f32', 'Add', [floats([301, 5, 333]), floats([5, 1])]);
    await same('sub_f32', 'Sub', [floats([40_000, 3]), floats([3])]);
  });

  it('in rows', async () => {
    for (const axis of [-1, 0]) {
      await same('softmax', 'Softmax', [floats([301, 333])], { attrs: { axis } });
      await same('logsoftmax', 'LogSoftmax', [floats([301, 333])], { attrs: { axis } });
    }
    await same('layernormalization', 'LayerNormalization', [floats([50, 5_001]), floats([5_001])], {
      attrs: { axis: -1, epsilon: 1e-5, stash_type: 1 },
    });
  });

  it('that move', async () => {
    await same('transpose', 'Transpose', [floats([7, 130, 65])], { attrs: { perm: [2, 0, 1] } });
    await same('transpose', 'Transpose', [floats([2, 128, 12, 64])], { attrs: { perm: [0, 2, 1, 3] } });
    await same('concat', 'Concat', [floats([30, 1000]), floats([30, 501])], { attrs: { axis: 1 } });
  });
});
