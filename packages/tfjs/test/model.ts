// Makes tiny TensorFlow.js models, and runs what they are imported to, node by node, on the scalar backend.
import { createJsBackend } from '@espalier/backend-js';
import { createEvaluator, type Graph, inferGraph, onnxOps, Tensor } from '@espalier/core';
import { expect } from 'vitest';

/** An attribute in the JSON form of its proto. */
export const attr = {
  int: (value: number) => ({ i: `${value}` }),
  float: (value: number) => ({ f: value }),
  bool: (value: boolean) => ({ b: value }),
  string: (value: string) => ({ s: btoa(value) }),
  type: (name: 'DT_FLOAT' | 'DT_INT32' | 'DT_BOOL' | 'DT_INT64' | 'DT_STRING') => ({ type: name }),
  ints: (...values: number[]) => ({ list: { i: values.map(String) } }),
  strings: (...values: string[]) => ({ list: { s: values.map((value) => btoa(value)) } }),
  shape: (...dims: number[]) => ({ shape: { dim: dims.map((size) => ({ size: `${size}` })) } }),
};

export interface NodeDef {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr?: Record<string, unknown>;
}

const types = { float32: 'DT_FLOAT', int32: 'DT_INT32', bool: 'DT_BOOL', string: 'DT_STRING' } as const;
type Known = keyof typeof types;

export function placeholder(name: string, dtype: Known, dims: readonly number[]): NodeDef {
  return { name, op: 'Placeholder', attr: { dtype: attr.type(types[dtype]), shape: attr.shape(...dims) } };
}

export const constant = (name: string): NodeDef => ({ name, op: 'Const', attr: {} });

/** A model.json and its one shard. */
export function model(
  nodes: readonly NodeDef[],
  weights: Readonly<Record<string, Tensor>> = {},
  more: Record<string, unknown> = {},
): { json: Record<string, unknown>; shard: Uint8Array } {
  const entries = Object.entries(weights);
  const specs = entries.map(([name, { type, dims }]) => ({ name, dtype: type, shape: dims }));
  const shard = Uint8Array.from(entries.flatMap(([, tensor]) => [...tensor.bytes]));
  const manifest = [{ paths: ['weights.bin'], weights: specs }];
  return {
    json: {
      format: 'graph-model',
      modelTopology: { node: nodes, versions: { producer: 1 } },
      weightsManifest: manifest,
      ...more,
    },
    shard,
  };
}

const evaluate = createEvaluator(createJsBackend(), onnxOps);

/** Runs a graph, and checks that what was inferred of it holds. */
export async function runGraph(graph: Graph, feeds: Readonly<Record<string, Tensor>>): Promise<Tensor[]> {
  const inferred = inferGraph(graph, onnxOps);
  const values = new Map<string, Tensor>([...graph.constants, ...Object.entries(feeds)]);
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => (name === '' ? undefined : values.get(name)));
    const outputs = await evaluate(node, inputs);
    node.outputs.forEach((name, i) => {
      const facts = inferred.values.get(name)!;
      const dims = facts.shape.map((d, axis) => (typeof d === 'number' ? d : outputs[i]!.dims[axis]));
      expect([name, outputs[i]!.type, outputs[i]!.dims]).toEqual([name, facts.dtype, dims]);
      values.set(name, outputs[i]!);
    });
  }
  return graph.outputs.map((name) => values.get(name)!);
}

/** Floats of this shape that single precision holds exactly, between -2 and 2. */
export function floats(...dims: number[]): Tensor {
  const size = dims.reduce((a, b) => a * b, 1);
  return new Tensor(
    'float32',
    Float32Array.from({ length: size }, (_, i) => (((i * 7 + 3) % 17) - 8) / 4),
    dims,
  );
}

export const f32 = (values: number[], dims = [values.length]): Tensor => new Tensor('float32', values, dims);
export const i32 = (values: number[], dims = [values.length]): Tensor => new Tensor('int32', values, dims);
export const bool = (values: number[], dims = [values.length]): Tensor =>
  new Tensor('bool', Uint8Array.from(values), dims);
