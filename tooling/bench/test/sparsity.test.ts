// Zeros are as many as asked for and where the pattern says.

import { type Graph, Tensor } from '@espalier/core';
import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../src/models/builder.ts';
import { parseBlock, prune } from '../src/models/sparsity.ts';

/** A product of 64 inputs and 48 outputs, its transpose, and a convolution of as many channels. */
function graph(): Graph {
  const b = new GraphBuilder('weights');
  const x = b.input('x', 'float32', [1, 64]);
  b.output('product', b.op('MatMul', [x, b.weight('matmul', [64, 48], 1)]));
  b.output('gemm', b.op('Gemm', [x, b.weight('gemm', [48, 64], 1), b.weight('bias', [48], 1)], { transB: 1 }));
  const image = b.input('image', 'float32', [1, 64, 5, 5]);
  b.output('conv', b.op('Conv', [image, b.weight('conv', [48, 64, 3, 3], 1)]));
  b.output('depthwise', b.op('Conv', [image, b.weight('depthwise', [64, 1, 3, 3], 1)], { group: 64 }));
  return b.finish();
}

/** Whether the weight from an input to an output is zero. */
const readers: Readonly<Record<string, (data: Float32Array, output: number, input: number) => boolean>> = {
  matmul: (data, output, input) => data[input * 48 + output] === 0,
  gemm: (data, output, input) => data[output * 64 + input] === 0,
  conv: (data, output, input) => data[(output * 64 + input) * 9 + 4] === 0,
};

const dataOf = (of: Graph, name: string): Float32Array => of.constants.get(name)!.data as Float32Array;
const zeros = (data: Float32Array): number => data.reduce((count, x) => count + Number(x === 0), 0);

describe.each(Object.keys(readers))('the weights of %s', (name) => {
  const isZero = readers[name]!;

  test('single ones', () => {
    const data = dataOf(prune(graph(), 0.9, parseBlock('1x1')), name);
    expect(zeros(data) / data.length).toBeCloseTo(0.9, 3);
  });

  test('blocks of one output and four inputs', () => {
    const data = dataOf(prune(graph(), 0.75, parseBlock('1x4')), name);
    expect(zeros(data)).toBe(0.75 * data.length);
    for (let o = 0; o < 48; o++)
      for (let i = 0; i < 64; i++) expect(isZero(data, o, i)).toBe(isZero(data, o, i - (i % 4)));
  });

  test('blocks of sixteen outputs and four inputs', () => {
    const data = dataOf(prune(graph(), 0.5, parseBlock('16x4')), name);
    expect(zeros(data)).toBe(0.5 * data.length);
    for (let o = 0; o < 48; o++)
      for (let i = 0; i < 64; i++) expect(isZero(data, o, i)).toBe(isZero(data, o - (o % 16), i - (i % 4)));
  });

  test('two of four inputs', () => {
    const data = dataOf(prune(graph(), 0, parseBlock('2:4')), name);
    for (let o = 0; o < 48; o++)
      for (let i = 0; i < 64; i += 4) expect([0, 1, 2, 3].filter((j) => isZero(data, o, i + j))).toHaveLength(2);
  });
});

test('biases, and convolutions of one input, keep theirs', () => {
  const pruned = prune(graph(), 0.9, parseBlock('1x1'));
  for (const name of ['bias', 'depthwise']) expect(dataOf(pruned, name)).toEqual(dataOf(graph(), name));
});

test('edges that fill no block stay', () => {
  const b = new GraphBuilder('edges');
  b.output('y', b.op('MatMul', [b.input('x', 'float32', [1, 6]), b.weight('w', [6, 3], 1)]));
  const data = dataOf(prune(b.finish(), 0.99, parseBlock('2x4')), 'w');
  expect(zeros(data)).toBe(8);
  expect([...data.slice(12)].every((x) => x !== 0)).toBe(true);
});

test('shapes of blocks that are none are refused', () => {
  for (const text of ['', '4', '0x4', '4:4', '5:4', '1x4x1', 'axb']) expect(() => parseBlock(text)).toThrow(/block/);
});

test('the pattern is the same every time, and another for another weight', () => {
  const pruned = (): Graph => prune(graph(), 0.5, parseBlock('1x1'));
  expect(dataOf(pruned(), 'matmul')).toEqual(dataOf(pruned(), 'matmul'));
  const pattern = (name: string): string =>
    dataOf(pruned(), name)
      .map((x) => Number(x === 0))
      .join('');
  expect(pattern('matmul')).not.toBe(pattern('gemm'));
  expect(new Tensor('float32', dataOf(pruned(), 'matmul')).size).toBe(64 * 48);
});
