/** The precisions that a model can be timed in. */

import { type Graph, inferGraph, onnxOps } from '@espalier/core';
import type { Runtime } from '@espalier/runtime';
import type { Feeds, Sizes } from '../models/index.ts';
import { quantizeDynamic } from './dynamic.ts';
import { quantizeStatic, type Range, valuesToCalibrate } from './static.ts';
import { storeAsIntegers } from './stored.ts';

/** What is in the file; `int8-weights` computes in float32. */
export const precisions = ['fp32', 'int8-dynamic', 'int8-static', 'int8-weights'] as const;
export type Precision = (typeof precisions)[number];

/** The graph in a precision. @param calibration runs the graph where scales are to be found */
export async function inPrecision(
  graph: Graph,
  precision: Precision,
  calibration: { readonly runtime: Runtime; readonly feeds: Feeds; readonly sizes: Sizes },
): Promise<Graph> {
  if (precision === 'int8-dynamic') return quantizeDynamic(graph);
  if (precision === 'int8-weights') return storeAsIntegers(graph);
  if (precision !== 'int8-static') return graph;
  return quantizeStatic(graph, await findRanges(graph, calibration));
}

async function findRanges(
  graph: Graph,
  { runtime, feeds, sizes }: { readonly runtime: Runtime; readonly feeds: Feeds; readonly sizes: Sizes },
): Promise<Map<string, Range>> {
  const inferred = inferGraph(graph, onnxOps);
  const wanted = valuesToCalibrate(graph);
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  const made = wanted.filter((name) => !inputs.has(name) && inferred.values.get(name)?.constant === undefined);
  const values = { ...feeds, ...(await runOnce(runtime, { ...graph, outputs: made }, feeds, sizes)) };
  return new Map(wanted.map((name) => [name, rangeOf(values[name]!.data as Float32Array)]));
}

/** The outputs of a graph. */
export async function runOnce(runtime: Runtime, graph: Graph, feeds: Feeds, sizes: Sizes): Promise<Feeds> {
  const session = await runtime.createSession(graph, { dims: sizes });
  try {
    return await session.run(feeds);
  } finally {
    await session.dispose();
  }
}

function rangeOf(data: Float32Array): Range {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const x of data) {
    if (x < min) min = x;
    if (x > max) max = x;
  }
  return [min, max];
}
