/** Graph passes over real models: what the planner gets to see. */

import { readFileSync } from 'node:fs';
import { createJsBackend } from '@espalier/backend-js';
import { createEvaluator, type Graph, inferGraph, onnxOps, subgraphs } from '@espalier/core';
import { fixtureTest } from '@espalier/fixtures';
import { importOnnx } from '@espalier/onnx';
import { runPasses } from '@espalier/planner';
import { expect } from 'vitest';

const evaluate = createEvaluator(createJsBackend(), onnxOps);

/** How often each op, with its epilogue, is in a graph and in those nested in it. */
function countOps(graph: Graph, counts: Record<string, number> = {}): Record<string, number> {
  for (const node of graph.nodes) {
    const name = [node.op, ...(node.epilogue ?? []).map((step) => step.op)].join('+');
    counts[name] = (counts[name] ?? 0) + 1;
    for (const [, inner] of subgraphs(node)) countOps(inner, counts);
  }
  return counts;
}

/** Of its weights; halves are computed with as float32. */
const bytesOf = (graph: Graph): number =>
  [...graph.constants.values()].reduce((sum, t) => sum + t.bytes.byteLength * (t.type === 'float16' ? 2 : 1), 0);

/** What each model consists of after all passes; views and what makes sizes are left out. */
const expected: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'minilm-l6-v2_int8w.onnx': {
    'DequantizeMatMul+Add': 30,
    'DequantizeMatMul+Add+Gelu': 6,
    SkipLayerNormalization: 12,
    LayerNormalization: 1,
    Attention: 6,
  },
  'resnet20_cifar10.onnx': { 'Conv+Relu': 10, 'Conv+Add+Relu': 9, 'MatMul+Add': 1, GlobalAveragePool: 1 },
  'SqueezeNet_fp16.onnx': { 'Conv+Relu': 26, Concat: 8, MaxPool: 3, GlobalAveragePool: 1, Softmax: 1, Cast: 2 },
  'mnist_cntk_opt.onnx': { 'Conv+Relu': 2, 'MatMul+Add': 1, MaxPool: 2 },
  'magika_v3_3.onnx': {
    'MatMul+Add+Gelu': 1,
    'Conv+Gelu': 1,
    'MatMul+Add': 1,
    LayerNormalization: 2,
    GlobalMaxPool: 1,
    Softmax: 1,
    Transpose: 1,
  },
  'silero_vad_16k_op15.onnx': { 'Conv+Relu': 4, Conv: 1, 'Conv+Sigmoid': 1, LSTM: 1, If: 1 },
};

/** Gone from every model here, but for what one of them is said to keep above. */
const gone = [
  'BatchNormalization',
  'Erf',
  'Exp',
  'Gemm',
  'Identity',
  'IsNaN',
  'Shape',
  'Size',
  'Sqrt',
  'Tanh',
  'Transpose',
];

for (const [name, ops] of Object.entries(expected)) {
  fixtureTest(`${name} becomes what it consists of`, [`models/${name}`], async (file) => {
    const { graph } = await importOnnx(readFileSync(file!));
    const { graph: result } = await runPasses(graph, { ops: onnxOps, evaluate });
    const counts = countOps(result);
    console.log(`${name}: ${graph.nodes.length} -> ${result.nodes.length} nodes\n`, counts);
    expect(counts).toMatchObject(ops);
    const left = gone.filter((op) => op in counts && !(op in ops));
    expect(left).toEqual(name.startsWith('silero') ? ['Identity', 'Sqrt'] : []);
    expect(bytesOf(result)).toBeLessThan(bytesOf(graph) * 1.001 + 1024);
    const again = await runPasses(result, { ops: onnxOps, evaluate });
    expect(countOps(again.graph)).toEqual(counts);
    const { values } = inferGraph(result, onnxOps);
    for (const output of graph.outputs) expect(values.get(output)!.shape.join()).not.toMatch(/floor|min|broadcast/);
  });
}

fixtureTest(
  'MiniLM: every attention knows its heads and takes rows as they are',
  ['models/minilm-l6-v2_int8w.onnx'],
  async (file) => {
    const { graph } = await importOnnx(readFileSync(file!));
    const { graph: result } = await runPasses(graph, { ops: onnxOps, evaluate });
    const { values } = inferGraph(result, onnxOps);
    const found = result.nodes.filter(({ op }) => op === 'Attention');
    for (const { inputs, attrs } of found) {
      expect(attrs).toMatchObject({ layout: 'BSHD', scale: expect.closeTo(32 ** -0.5, 6), nan_to_zero: 1 });
      expect(inputs.slice(0, 3).map((name) => values.get(name)!.shape)).toEqual(
        new Array(3).fill(['batch', 'sequence', 12, 32]),
      );
    }
    expect(new Set(found.map(({ inputs }) => inputs[3])).size).toBe(1);
  },
);
