// Small versions of every model, in every precision: they load, and run as the scalar backend runs them.

import { createJsBackend } from '@espalier/backend-js';
import { createNativeBackend } from '@espalier/backend-native';
import { dim, type Graph, inferGraph, onnxOps, Tensor } from '@espalier/core';
import { exportOnnx, importOnnx } from '@espalier/onnx';
import { difference } from '@espalier/peers';
import { createRuntime, type Runtime } from '@espalier/runtime';
import { describe, expect, test } from 'vitest';
import { bert } from '../src/models/bert.ts';
import { mobileNetV2, resNet50 } from '../src/models/convolutional.ts';
import { type Feeds, feedsFor, models, type Sizes } from '../src/models/index.ts';
import { llama } from '../src/models/llama.ts';
import { inPrecision, type Precision, precisions } from '../src/precision/index.ts';

interface Small {
  readonly graph: Graph;
  readonly sizes: Sizes;
  readonly outputs: Readonly<Record<string, readonly (string | number)[]>>;
}

const small: Readonly<Record<string, Small>> = {
  bert: {
    graph: bert('bert', { layers: 2, hidden: 32, heads: 4, feedForward: 64, vocabulary: 50, positions: 16 }),
    sizes: { batch: 2, seq: 9 },
    outputs: { last_hidden_state: ['batch', 'seq', 32] },
  },
  llama: {
    graph: llama('llama', { layers: 1, hidden: 32, heads: 4, keyHeads: 2, feedForward: 48 }),
    sizes: { batch: 2, seq: 3, past: 5 },
    outputs: {
      last_hidden_state: ['batch', 'seq', 32],
      'present.0.key': ['batch', 2, 'past+seq', 8],
      'present.0.value': ['batch', 2, 'past+seq', 8],
    },
  },
  resnet50: {
    graph: resNet50('resnet50', { size: 33, stages: 2, width: 1 / 16 }),
    sizes: { batch: 2 },
    outputs: { output: ['batch', 1000] },
  },
  mobilenetv2: {
    graph: mobileNetV2('mobilenetv2', { size: 32, stages: 3, width: 1 / 4 }),
    sizes: { batch: 2 },
    outputs: { output: ['batch', 1000] },
  },
};

const native = createNativeBackend({ threads: 1 });
const js = createJsBackend();
const scalar = createRuntime({ backends: [js] });

async function run(runtime: Runtime, graph: Graph, feeds: Feeds, sizes: Sizes): Promise<Record<string, Tensor>> {
  const session = await runtime.createSession(graph, { dims: sizes });
  try {
    return await session.run(feeds);
  } finally {
    await session.dispose();
  }
}

const prepared = new Map<string, Promise<Graph>>();

function prepare(name: string, precision: Precision): Promise<Graph> {
  const key = `${name} ${precision}`;
  const { graph, sizes } = small[name]!;
  const ready =
    prepared.get(key) ??
    inPrecision(graph, precision, { runtime: scalar, feeds: feedsFor(graph, { sizes, vocabulary: 50 }), sizes });
  prepared.set(key, ready);
  return ready;
}

/** Root mean square of the differences, the worst of the outputs. */
const apart = (a: Record<string, Tensor>, b: Record<string, Tensor>): number =>
  Math.max(...Object.keys(b).map((name) => difference(a[name]!, b[name]!).typical));

describe.each(Object.keys(small))('%s', (name) => {
  const { graph, sizes, outputs } = small[name]!;
  const feeds = feedsFor(graph, { sizes, vocabulary: 50 });

  test.each(precisions)('%s is a model of opset 17, or 18, that has the outputs it should', async (precision) => {
    const ready = await prepare(name, precision);
    const { graph: read, metadata } = await importOnnx(exportOnnx(ready, { opset: 17 }));
    expect(metadata.opsets).toEqual({ '': name === 'llama' ? 18 : 17 });
    const { values } = inferGraph(read, onnxOps);
    const found = Object.fromEntries(read.outputs.map((output) => [output, values.get(output)!.shape]));
    const same = (a: readonly (string | number)[], b: readonly (string | number)[]): boolean =>
      a.length === b.length && a.every((d, i) => dim.evaluate(d, sizes) === dim.evaluate(b[i]!, sizes));
    expect(Object.keys(found)).toEqual(Object.keys(outputs));
    for (const [output, shape] of Object.entries(outputs)) expect(same(found[output]!, shape), output).toBe(true);
  });

  test('integers say nearly what floats say', async () => {
    const float = await run(scalar, graph, feeds, sizes);
    for (const value of Object.values(float)) expect((value.data as Float32Array).every(Number.isFinite)).toBe(true);
    const of = async (precision: Precision): Promise<number> =>
      apart(await run(scalar, await prepare(name, precision), feeds, sizes), float);
    const [stored, dynamic, static8] = [await of('int8-weights'), await of('int8-dynamic'), await of('int8-static')];
    for (const error of [stored, dynamic, static8]) {
      expect(error).toBeGreaterThan(1e-5);
      expect(error).toBeLessThan(0.1);
    }
  });

  test.skipIf('reason' in native).each(precisions)('%s runs on native as on the scalar backend', async (precision) => {
    if ('reason' in native) return;
    const runtime = createRuntime({ backends: [native, js] });
    const ready = await prepare(name, precision);
    // A sum in another order may round an integer the other way, and the layers behind it with it.
    const tolerance = precision.startsWith('int8-') && precision !== 'int8-weights' ? 2e-2 : 1e-5;
    expect(apart(await run(runtime, ready, feeds, sizes), await run(scalar, ready, feeds, sizes))).toBeLessThan(
      tolerance,
    );
  });
});

describe('the real models', () => {
  test('have as many weights as they should', () => {
    const parameters = (graph: Graph): number =>
      [...graph.constants.values()].reduce(
        (sum, { size, type }) => sum + (type === 'float32' && size > 1 ? size : 0),
        0,
      );
    // Without the pooler, as torchvision and transformers count them.
    expect(parameters(models['minilm']!.build())).toBe(22_713_216 - 384 * 385);
    expect(parameters(models['resnet50']!.build())).toBe(25_557_032 - 26_560);
    expect(parameters(models['mobilenetv2']!.build())).toBe(3_504_872 - 17_056);
    const layer = 2 * 2048 ** 2 + 2 * 2048 * 256 + 3 * 2048 * 5632 + 2 * 2048;
    expect(parameters(models['llama']!.build(1))).toBe(layer + 2048 + 32);
  });

  test('are the same every time', () => {
    const [a, b] = [0, 1].map(() => models['mobilenetv2']!.build(2));
    for (const [name, tensor] of a!.constants)
      expect(Buffer.compare(b!.constants.get(name)!.bytes, tensor.bytes), name).toBe(0);
  });
});

test('feeds are what the inputs mean', () => {
  const { graph, sizes } = small['llama']!;
  const feeds = feedsFor(graph, { sizes });
  expect(feeds['position_ids']!.data).toEqual(BigInt64Array.from([5n, 6n, 7n, 5n, 6n, 7n]));
  const ids = feedsFor(small['bert']!.graph, { sizes: { batch: 1, seq: 16 }, vocabulary: 50 });
  expect(ids['attention_mask']!.data).toEqual(new BigInt64Array(16).fill(1n));
  expect(ids['token_type_ids']!.data).toEqual(new BigInt64Array(16));
  const words = [...(ids['input_ids']!.data as BigInt64Array)].map(Number);
  expect(Math.max(...words)).toBeLessThan(50);
  expect(new Set(words).size).toBeGreaterThan(8);
});

test('a masked token does not change the others', async () => {
  const { graph } = small['bert']!;
  const sizes = { batch: 1, seq: 4 };
  const feeds = feedsFor(graph, { sizes, vocabulary: 50 });
  const masked = { ...feeds, attention_mask: new Tensor('int64', [1n, 1n, 1n, 0n], [1, 4]) };
  const other = {
    ...masked,
    input_ids: new Tensor('int64', [...(feeds['input_ids']!.data as BigInt64Array).slice(0, 3), 7n], [1, 4]),
  };
  const [a, b] = [await run(scalar, graph, masked, sizes), await run(scalar, graph, other, sizes)];
  const part = (outputs: Record<string, Tensor>, from: number, to: number): Float32Array =>
    (outputs['last_hidden_state']!.data as Float32Array).slice(32 * from, 32 * to);
  expect(part(a, 0, 3)).toEqual(part(b, 0, 3));
  expect(part(a, 3, 4)).not.toEqual(part(b, 3, 4));
});
