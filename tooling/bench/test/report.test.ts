// What the reports are made of: kinds of nodes, limits, onnxruntime's profile.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { byKind } from '../src/commands/compare.ts';
import { elsewhere, modelNames } from '../src/commands/models.ts';
import type { NodeTime } from '../src/engines/engine.ts';
import { kindOf } from '../src/engines/kinds.ts';
import { readProfile } from '../src/engines/onnxruntime.ts';
import { leastTimes } from '../src/engines/session.ts';
import { arithmeticLimit } from '../src/limits.ts';
import { table } from '../src/text.ts';

test.each([
  ['MatMul', [3, 2], 'product'],
  ['MatMul', [4, 4], 'attention'],
  ['FusedMatMul', [4, 4], 'attention'],
  ['DynamicQuantizeMatMul', [3, 2], 'product'],
  ['MatMulIntegerToFloat', [3, 2], 'product'],
  ['Softmax', [4], 'attention'],
  ['SkipLayerNormalization', [3, 3], 'normalization'],
  ['BiasGelu', [3, 1], 'activation'],
  ['QuantizeLinear', [3], 'quantization'],
  ['DequantizeLinear', [3], 'quantization'],
  ['QLinearConv', [4], 'convolution'],
  ['QLinearAdd', [4, 4], 'element by element'],
  ['Unsqueeze', [2], 'movement'],
  ['Reshape', [3, 1], 'movement'],
  ['Range', [], 'other'],
] as const)('%s of %j is %s', (op, ranks, kind) => {
  expect(kindOf(op, ranks)).toBe(kind);
});

const node = (kind: NodeTime['kind'], kernel: string, seconds: number, macs: number): NodeTime => ({
  ...{ node: kernel, op: kernel, kind, kernel, seconds, macs, bytes: 100, predicted: seconds / 2 },
});

test('times are summed by kind, beside the other engine and the limit', () => {
  const rates = { native: { macs: 1, bytes: 1, call: 1, fma: 100, dot: 400, threads: 2 } };
  const ours = [
    node('product', 'native/matmul_f32_dense_14x32__avx512', 2, 200),
    node('product', 'native/matmulinteger_i8_dense_6x64__avx512vnni', 1, 400),
    node('movement', 'js/gather_dense__js', 1, 7),
  ];
  const theirs = [node('product', 'MatMul', 6, 0), node('normalization', 'LayerNormalization', 3, 0)];
  const [product, normalization, movement] = byKind(ours, theirs, rates);
  expect(product).toMatchObject({ kind: 'product', nodes: 2, seconds: 3, theirs: 6, predicted: 1.5 });
  expect(product!.gops).toBeCloseTo((2 * 600) / 3 / 1e9);
  expect(product!.ofLimit).toBeCloseTo((200 / 200 + 400 / 800) / 3);
  expect(normalization).toMatchObject({ kind: 'normalization', nodes: 0, seconds: 0, theirs: 3 });
  expect(movement).toMatchObject({ kind: 'movement', seconds: 1, theirs: 0 });
  expect(movement!.gops).toBeUndefined();
});

describe('the limit of a kernel', () => {
  const rates = { macs: 1, bytes: 1, call: 1, fma: 10, dot: 40, bf16: 20, amx: 600, threads: 2 };
  test.each([
    ['matmul_f32_dense_14x32__avx512', 20],
    ['matmulinteger_i8_dense_6x64__avx512vnni', 80],
    ['matmulinteger_i8_dense_4x16__avx2', 40],
    ['matmulinteger_i8_dense_32x32__amxint8', 1200],
    ['matmul_f32bf16_dense_32x32__amxbf16', 600],
    ['matmul_f32bf16_dense_14x32__avx512bf16', 40],
  ])('%s', (kernel, limit) => expect(arithmeticLimit(kernel, rates)).toBe(limit));

  test('is not known where it was not measured', () => {
    const { dot: _, ...others } = rates;
    expect(arithmeticLimit('matmulinteger_i8_dense_6x64__avx512vnni', others)).toBeUndefined();
    expect(arithmeticLimit('matmul_f32_dense_14x32__avx512', undefined)).toBeUndefined();
  });
});

test('a profile of onnxruntime is read run by run, and the least time of each node kept', () => {
  const event = (name: string, dur: number, op?: string) => ({
    ...{ cat: op ? 'Node' : 'Session', name, dur, ts: 0, ph: 'X' },
    ...(op ? { args: { op_name: op, input_type_shape: [{ float: [1, 8, 4] }, { float: [4, 4] }] } } : { args: {} }),
  });
  const runs = readProfile(
    JSON.stringify([
      event('model_loading_uri', 9),
      event('MatMul_1_kernel_time', 50, 'MatMul'),
      event('Add_2_fence_before', 1, 'Add'),
      event('Add_2_kernel_time', 7, 'Add'),
      event('model_run', 60),
      event('MatMul_1_kernel_time', 40, 'MatMul'),
      event('Add_2_kernel_time', 8, 'Add'),
      event('model_run', 60),
    ]),
  );
  expect(runs.map((nodes) => nodes.map(({ seconds }) => Math.round(seconds * 1e6)))).toEqual([
    [50, 7],
    [40, 8],
  ]);
  expect(leastTimes(runs).map(({ node, kind, seconds }) => [node, kind, Math.round(seconds * 1e6)])).toEqual([
    ['MatMul_1', 'product', 40],
    ['Add_2', 'element by element', 7],
  ]);
});

test('folders stand for the models in them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    for (const file of ['b.onnx', 'a.onnx', 'a.json']) writeFileSync(join(folder, file), '');
    expect(modelNames(['bert', folder], undefined)).toEqual(['bert', join(folder, 'a.onnx'), join(folder, 'b.onnx')]);
  } finally {
    rmSync(folder, { recursive: true });
  }
  expect(modelNames([], undefined)).toEqual(['mobilenetv2', 'resnet50']);
});

test('ops that other backends had to run are named once', () => {
  const nodes = ['native/conv', 'runtime/control', 'js/det', 'js/det', 'wasm/relu'].map((kernel) =>
    node('other', kernel, 1, 0),
  );
  expect(elsewhere({ nodes, backend: 'native' })).toEqual(['js/det', 'wasm/relu']);
});

test('tables have columns', () => {
  expect(
    table([
      ['a', 'bb', 'c'],
      ['long', '1', ''],
    ]),
  ).toBe('a     bb  c\nlong   1');
});
