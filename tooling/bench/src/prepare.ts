/** From what was asked on the command line to a file that both engines read, and feeds for it. */

import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { type PatternName, parsePattern, prune } from '@espalier/compress';
import { EspalierError, type Graph } from '@espalier/core';
import { exportOnnx, importOnnx } from '@espalier/onnx';
import { createRuntime } from '@espalier/runtime';
import type { EngineOptions } from './engines/engine.ts';
import { makeBackends } from './engines/espalier.ts';
import { files } from './models/files.ts';
import { type Feeds, feedsFor, models, type Sizes } from './models/index.ts';
import { inPrecision, type Precision, runOnce } from './precision/index.ts';

export interface ModelOptions {
  readonly precision: Precision;
  /** What Espalier is asked to round products of floats to. */
  readonly ask: EngineOptions['precision'];
  /** Share of zeros in the weights, in blocks of this shape. */
  readonly sparsity: number;
  readonly block: string;
  readonly layers?: number;
  /** In place of the model's own. */
  readonly sizes: Sizes;
  readonly backends: readonly string[];
  readonly threads: number;
  readonly mask: readonly string[];
}

export interface PreparedModel {
  readonly graph: Graph;
  readonly file: string;
  /** Of the file and its weights. */
  readonly bytes: number;
  readonly sizes: Sizes;
  readonly feeds: Feeds;
  /** What the model gave before its activations became integers. */
  readonly float?: Feeds;
  /** Deletes what was written. */
  dispose(): void;
}

/** Weights go to a file of their own where the model would otherwise be larger. */
const LARGE = 1.5e9;
/** The oldest that has LayerNormalization, which exporters write now. */
const OPSET = 17;

/**
 * Makes a model, or reads it from a file, and writes it in the precision that is asked for. A file that need not change is
 * used as it is.
 */
export async function prepareModel(name: string, options: ModelOptions): Promise<PreparedModel> {
  const known = models[name];
  const graph = known ? known.build(options.layers) : await readGraph(name);
  const feeding = known ?? files[basename(name)];
  const sizes = { ...sizesOf(graph), ...feeding?.sizes, ...options.sizes };
  const feeds = feedsFor(graph, { ...feeding, sizes });
  const block = options.block as PatternName;
  const sparsity = options.sparsity > 0 ? { sparsity: options.sparsity } : {};
  const isPruned = options.sparsity > 0 || 'keep' in parsePattern(block);
  const isChanged = isPruned || options.precision.startsWith('int8');
  if (!known && !isChanged)
    return { graph, file: name, bytes: statSync(name).size, sizes, feeds, dispose: () => undefined };

  const zeroed = isPruned ? await prune(graph, { block, ...sparsity }) : graph;
  const backends = await makeBackends({ ...options, precision: 'float32' });
  const runtime = createRuntime({ backends });
  const ready = await inPrecision(zeroed, options.precision, { runtime, feeds, sizes });
  const isRounded = options.precision === 'int8-dynamic' || options.precision === 'int8-static';
  const float = isRounded ? { float: await runOnce(runtime, zeroed, feeds, sizes) } : {};
  runtime.dispose();
  const folder = mkdtempSync(join(tmpdir(), 'espalier-bench-'));
  const dispose = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const file = join(folder, `${basename(name, '.onnx')}.onnx`);
    return { graph: ready, file, bytes: writeModel(ready, file), sizes, feeds, ...float, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** Bytes written. */
function writeModel(graph: Graph, file: string): number {
  const weights = [...graph.constants.values()].reduce((sum, tensor) => sum + tensor.bytes.byteLength, 0);
  if (weights < LARGE) {
    const bytes = exportOnnx(graph, { opset: OPSET });
    writeFileSync(file, bytes);
    return bytes.byteLength;
  }
  const data = openSync(`${file}.data`, 'w');
  let offset = 0;
  try {
    const bytes = exportOnnx(graph, {
      opset: OPSET,
      external: (part) => {
        const at = offset;
        for (let written = 0; written < part.byteLength; ) written += writeSync(data, part, written);
        offset += part.byteLength;
        return { location: `${basename(file)}.data`, offset: at };
      },
    });
    writeFileSync(file, bytes);
    return bytes.byteLength + offset;
  } finally {
    closeSync(data);
  }
}

async function readGraph(file: string): Promise<Graph> {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const names = Object.keys(models).join(', ');
    throw new EspalierError('NOT_FOUND', `"${file}" is no file, and none of the models ${names}`, { cause: error });
  }
  const external = (location: string, offset: number, length: number): Uint8Array =>
    readFileSync(join(dirname(file), location)).subarray(offset, offset + length);
  return (await importOnnx(bytes, { file, external })).graph;
}

/** 1 for every open size but those of sequences: 128. */
function sizesOf({ inputs }: Graph): Sizes {
  const symbols = inputs.flatMap(({ shape }) => shape).filter((dim) => typeof dim === 'string');
  return Object.fromEntries(symbols.map((symbol) => [symbol, /seq/.test(symbol) ? 128 : 1]));
}
