/** What every test of a pass does: run it, check the graph it makes, and compare values. */

import { type DType, dim, dtypes, type Graph, onnxOps, Tensor, toFloat16 } from '@espalier/core';
import { expect } from 'vitest';
import { decompose, type Pass, runPasses } from '../src/index.ts';
import { checkGraph, opsOf } from './graph.ts';
import { evaluate, interpret } from './interpret.ts';

/** Numbers in [0, 1), the same in every run. */
export function randomNumbers(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Elements between -2 and 2; integers from 0 to 4, where there is no sign, or from -4 to 4. */
export function randomTensor(dims: readonly number[], random: () => number, dtype: DType = 'float32'): Tensor {
  const { kind } = dtypes[dtype];
  const size = dims.reduce((a, b) => a * b, 1);
  const draw = (): number => {
    if (kind === 'float') return random() * 4 - 2;
    return kind === 'int' ? Math.floor(random() * 9) - 4 : Math.floor(random() * (kind === 'bool' ? 2 : 5));
  };
  const values = Array.from({ length: size }, draw);
  return new Tensor(dtype, dtype === 'float16' ? Uint16Array.from(values, toFloat16) : values, dims);
}

/** Integers of few bits, any of them. */
export function randomBits(dtype: DType, dims: readonly number[], random: () => number): Tensor {
  const size = dims.reduce((a, b) => a * b, 1);
  const low = dtype === 'int8' ? -128 : 0;
  const bytes = Uint8Array.from({ length: size }, () => Math.floor(random() * 256));
  if (dtype === 'int4' || dtype === 'uint4')
    return Tensor.fromBytes(dtype, bytes.subarray(0, Math.ceil(size / 2)), dims);
  return new Tensor(
    dtype,
    Array.from(bytes, (byte) => low + byte),
    dims,
  );
}

/** Sizes for symbols: each another small number. */
const sizes: Readonly<Record<string, number>> = { batch: 2, seq: 5, n: 3, m: 4, past: 3 };

export function randomFeeds(graph: Graph, seed = 1): Record<string, Tensor> {
  const random = randomNumbers(seed);
  return Object.fromEntries(
    graph.inputs.map(({ name, dtype, shape }) => {
      const dims = shape.map((d) => dim.evaluate(d, sizes));
      return [name, randomTensor(dims, random, dtype)];
    }),
  );
}

export async function apply(graph: Graph, ...passes: readonly Pass[]): Promise<Graph> {
  const { graph: result } = await runPasses(graph, { ops: onnxOps, evaluate, passes: [passes] });
  checkGraph(result, graph);
  return result;
}

function expectClose(actual: readonly Tensor[], expected: readonly Tensor[], tolerance: number, floor: number): void {
  expected.forEach((want, i) => {
    const got = actual[i]!;
    expect([got.type, got.dims]).toEqual([want.type, want.dims]);
    const [a, b] = [got, want].map((tensor) => Array.from(tensor.data as ArrayLike<number>, Number)) as [
      number[],
      number[],
    ];
    const scale = Math.max(floor, ...b.filter(Number.isFinite).map(Math.abs));
    const limit = dtypes[want.type].kind === 'float' ? tolerance * scale : 0;
    const wrong = b.findIndex((x, k) => !(Object.is(x, a[k]) || x === a[k] || Math.abs(x - a[k]!) <= limit));
    expect(wrong < 0 ? undefined : `output ${i} at ${wrong}: ${a[wrong]} for ${b[wrong]}`).toBeUndefined();
  });
}

/**
 * Both graphs, and the second one taken apart, give the same on a few random inputs, up to `tolerance` of the largest element
 * (taken as at least `floor`).
 */
export async function expectSameValues(
  original: Graph,
  rewritten: Graph,
  tolerance = 2e-6,
  floor = 1e-6,
): Promise<void> {
  const apart = rewritten.nodes.reduce((graph, node) => {
    return node.decomposition || node.epilogue ? decompose(graph, node) : graph;
  }, rewritten);
  checkGraph(apart, original);
  for (const seed of [1, 2]) {
    const feeds = randomFeeds(original, seed);
    const expected = await interpret(original, feeds);
    expectClose(await interpret(rewritten, feeds), expected, tolerance, floor);
    expectClose(await interpret(apart, feeds), expected, tolerance, floor);
  }
}

/** The passes make `ops` of the graph, keep its values, and find nothing left to do. */
export async function expectRewrite(
  graph: Graph,
  passes: readonly Pass[],
  ops: readonly string[],
  tolerance?: number,
): Promise<Graph> {
  const result = await apply(graph, ...passes);
  expect(opsOf(result)).toEqual(ops);
  await expectSameValues(graph, result, tolerance);
  expect(await apply(result, ...passes)).toBe(result);
  return result;
}

/** The passes leave the graph as it is. */
export async function expectUntouched(graph: Graph, passes: readonly Pass[]): Promise<void> {
  const result = await apply(graph, ...passes);
  expect(opsOf(result)).toEqual(opsOf(graph));
  expect(result).toBe(graph);
}

/** Quantised outputs lie at most `most` steps apart, most of them none. */
export async function expectWithinSteps(original: Graph, rewritten: Graph, most = 1): Promise<void> {
  const random = randomNumbers(5);
  for (let round = 0; round < 3; round++) {
    const [{ name, shape }] = original.inputs as [Graph['inputs'][number]];
    const feeds = {
      [name]: randomBits(
        'uint8',
        shape.map((d) => (typeof d === 'number' ? d : 4)),
        random,
      ),
    };
    const outputs = [original, rewritten].map(async (each) => (await interpret(each, feeds))[0]!.data as Uint8Array);
    const [want, got] = (await Promise.all(outputs)) as [Uint8Array, Uint8Array];
    const steps = Array.from(want, (v, i) => Math.abs(v - got[i]!));
    expect(Math.max(...steps)).toBeLessThanOrEqual(most);
    expect(steps.filter((step) => step > 0).length).toBeLessThanOrEqual(steps.length / 20);
    expect(new Set(want).size).toBeGreaterThan(3);
  }
}
