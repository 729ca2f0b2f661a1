/** What is close enough, and that every op has calls. */

import { createJsBackend } from '@espalier/backend-js';
import { createEvaluator, type DType, type Node, onnxOps, opKey, runtimeOps, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { firstDifference } from '../src/compare.ts';
import { encode } from '../src/elements.ts';
import { opCases, type tolerance } from '../src/index.ts';
import { exact, largest, nearby, sums, ulps } from '../src/tolerance.ts';

const evaluate = createEvaluator(createJsBackend(), onnxOps);
const vector = (elements: readonly number[], dtype: DType = 'float32'): Tensor =>
  encode(dtype, [elements.length], elements);

/** What is said of `actual` where the reference gives `wanted`; undefined where it is close enough. */
async function compare(
  within: tolerance.Tolerance,
  actual: Tensor,
  wanted: Tensor,
  node?: Node,
  inputs: Tensor[] = [],
) {
  const empty: Node = { name: 'n', op: 'Relu', domain: '', inputs: ['x'], outputs: ['y'], attrs: {} };
  const [slack] = await within({ node: node ?? empty, inputs, outputs: [wanted], evaluate });
  return firstDifference(actual, { tensor: wanted, slack });
}

describe('tolerance', () => {
  it('to the bit: signs of zero count, and NaN is NaN', async () => {
    expect(await compare(exact, vector([Number.NaN, -0]), vector([Number.NaN, -0]))).toBeUndefined();
    expect(await compare(exact, vector([1, 0]), vector([1, -0]))).toBe('at [1] is 0 instead of -0');
    expect(await compare(ulps(0), vector([0]), vector([-0]))).toBeUndefined();
    expect(await compare(ulps(0), vector([1]), vector([Number.NaN]))).toMatch(/is 1 instead of NaN/);
    const big = 2n ** 60n;
    const longs = (x: bigint): Tensor => new Tensor('int64', [x]);
    expect(await compare(exact, longs(big + 1n), longs(big))).toMatch(`is ${big + 1n} instead of ${big}`);
  });

  it('in roundings, near infinity too', async () => {
    expect(await compare(ulps(2), vector([1 + 2 ** -22]), vector([1]))).toBeUndefined();
    expect(await compare(ulps(1), vector([1 + 2 ** -22]), vector([1]))).toMatch(
      /at \[0\] is 1.00000023.* instead of 1 \(allowed/,
    );
    expect(await compare(ulps(2, 1), vector([2 ** -23]), vector([0]))).toBeUndefined();
    expect(await compare(ulps(2), vector([2 ** -23]), vector([0]))).toBeDefined();
    const most = (2 - 2 ** -23) * 2 ** 127;
    expect(await compare(ulps(1), vector([Number.POSITIVE_INFINITY]), vector([most]))).toBeUndefined();
    expect(await compare(ulps(1), vector([Number.POSITIVE_INFINITY]), vector([most / 2]))).toBeDefined();
    expect(
      await compare(ulps(1), vector([Number.NEGATIVE_INFINITY]), vector([Number.POSITIVE_INFINITY])),
    ).toBeDefined();
    // A half type is not given more roundings for being coarse.
    expect(await compare(ulps(64), vector([1 + 2 ** -7], 'float16'), vector([1], 'float16'))).toBeDefined();
  });

  it('of sums: what rounding may do where large terms cancel, and no missing term', async () => {
    const a = new Tensor('float32', [1e4, 1, -1e4], [1, 3]);
    const b = new Tensor('float32', [1, 1, 1], [3, 1]);
    const node: Node = { name: 'n', op: 'MatMul', domain: '', inputs: ['a', 'b'], outputs: ['y'], attrs: {} };
    const of = (x: number) =>
      compare(
        sums(() => 3),
        new Tensor('float32', [x], [1, 1]),
        new Tensor('float32', [1], [1, 1]),
        node,
        [a, b],
      );
    expect(await of(1 + 2 ** -10)).toBeUndefined();
    expect(await of(0)).toMatch(/is 0 instead of 1/);
  });

  it('of levels: the other one only where a rounding decides', async () => {
    const node: Node = { name: 'n', op: 'QuantizeLinear', domain: '', inputs: ['x', 's'], outputs: ['y'], attrs: {} };
    const inputs = [vector([2.5, 2.4]), new Tensor('float32', [1], [])];
    const [wanted] = await evaluate(node, inputs);
    const of = (levels: number[]) => compare(nearby(1), vector(levels, 'uint8'), wanted!, node, inputs);
    expect(await of([3, 2])).toBeUndefined();
    expect(await of([2, 3])).toMatch(/at \[1\] is 3 instead of 2/);
  });

  it('of the largest element', async () => {
    expect(await compare(largest(16), vector([1000, 1e-4]), vector([1000, 0]))).toBeUndefined();
    expect(await compare(largest(16), vector([1, 1e-4]), vector([1, 0]))).toMatch(/at \[1\]/);
  });

  it('says what else is wrong', async () => {
    expect(await compare(exact, vector([1]), vector([1, 2]))).toBe('has shape [1] instead of [2]');
    expect(await compare(exact, vector([1], 'float16'), vector([1]))).toBe('is float16 instead of float32');
    expect(await compare(exact, vector([0, 0, 3]), vector([1, 2, 3]))).toBe(
      'at [0] is 0 instead of 1; 2 of 3 elements are wrong',
    );
  });
});

it('every op that kernels compute has calls, and nothing else has', () => {
  const known = opCases.map(({ op, domain = '' }) => opKey(domain, op));
  expect(known).toEqual([...new Set(known)]);
  const kernels = [...onnxOps.keys()].filter((key) => !runtimeOps.has(key));
  expect([...known].sort()).toEqual(kernels.sort());
});
