/** Imports ONNX models. */

import { EspalierError, type Graph, type OpTable, onnxOps, Slicer, throwIfAborted } from '@espalier/core';
import { buildGraph, domainOf, opsetsOf } from './build.ts';
import { type ExternalData, loadExternalData } from './external.ts';
import { normalise, rejectUnsupported } from './normalise.ts';
import { type GraphProto, type ModelProto, modelProto, type NodeProto } from './proto.ts';
import { decode, utf8 } from './wire.ts';
import { placed } from './within.ts';

export interface ImportOptions {
  /** The file's name, for messages. */
  readonly file?: string;
  /** Reads weights that stand in other files. */
  readonly external?: ExternalData;
  /** The ops that nodes may use; all of ONNX's that Espalier knows when absent. */
  readonly ops?: OpTable;
  readonly signal?: AbortSignal;
}

export interface OnnxMetadata {
  readonly irVersion: number;
  /** The tool that wrote the file. */
  readonly producer: string;
  readonly producerVersion: string;
  /** The model's own name space and version. */
  readonly domain: string;
  readonly modelVersion: number;
  readonly description: string;
  /** The version of each domain's ops that the file was written for; '' is ONNX's own. */
  readonly opsets: Readonly<Record<string, number>>;
  /** Whatever else the file says of itself (`metadata_props`). */
  readonly properties: Readonly<Record<string, string>>;
}

export interface OnnxModel {
  readonly graph: Graph;
  readonly metadata: OnnxMetadata;
}

/**
 * Reads an ONNX model of opset 7 or later (or an older one whose ops have not changed since) as a graph of opset 22.
 * Tensors lie over `bytes`, which must not change afterwards. An input that has an initializer becomes a constant;
 * functions that the file defines are inlined. Types of values are not inferred here: see `inferGraph`.
 *
 * Source: https://onnx.ai/onnx/repo-docs/IR.html
 *
 * @throws UnsupportedError listing all nodes and inputs that Espalier cannot run
 * @throws EspalierError `BAD_FILE`, `BAD_GRAPH` or `LIMIT` for what is no valid model; `UNSAFE_PATH` or `NOT_FOUND` for
 * weights in other files; `ABORTED`
 */
export async function importOnnx(bytes: Uint8Array, options: ImportOptions = {}): Promise<OnnxModel> {
  const { file, external, ops = onnxOps, signal } = options;
  const slicer = new Slicer(signal);
  try {
    throwIfAborted(signal);
    const model = decodeModel(bytes);
    const opsets = opsetsOf(model.opsetImport);
    await loadExternalData(model, external, signal);
    await slicer.pause();
    const built = buildGraph(model, opsets);
    const reasons = [...built.reasons];
    await slicer.pause();
    const graph = normalise(built.graph, { ...built, ops, reasons });
    rejectUnsupported(graph, ops, reasons, built.unreadable);
    return { graph, metadata: metadataOf(model, opsets) };
  } catch (error) {
    throw file === undefined ? error : placed(file, error, { file });
  }
}

/**
 * What a file says of itself, and how often it uses each op (those of other domains as `domain.op`): subgraphs and functions
 * counted as they stand. For files that cannot be imported too.
 * @throws EspalierError `BAD_FILE` or `LIMIT` for what is no model
 */
export function inspectOnnx(bytes: Uint8Array): { metadata: OnnxMetadata; ops: ReadonlyMap<string, number> } {
  const model = decodeModel(bytes);
  const ops = new Map<string, number>();
  const count = (nodes: readonly NodeProto[]): void => {
    for (const { domain, opType = '', attribute } of nodes) {
      const name = domainOf(domain) === '' ? opType : `${domain}.${opType}`;
      ops.set(name, (ops.get(name) ?? 0) + 1);
      for (const { g, graphs } of attribute) for (const graph of g ? [g, ...graphs] : graphs) count(graph.node);
    }
  };
  count(model.graph.node);
  for (const { node } of model.functions) count(node);
  return { metadata: metadataOf(model, opsetsOf(model.opsetImport)), ops };
}

function decodeModel(bytes: Uint8Array): ModelProto & { graph: GraphProto } {
  const { graph, ...model } = decode(modelProto, bytes);
  if (!graph || model.irVersion === undefined)
    throw new EspalierError('BAD_FILE', 'it is no ONNX model: it has no graph, or no IR version');
  return { ...model, graph };
}

function metadataOf(model: ModelProto, opsets: ReadonlyMap<string, number>): OnnxMetadata {
  const properties = model.metadataProps.map(({ key = '', value }) => [key, utf8(value ?? new Uint8Array(0))]);
  return {
    irVersion: Number(model.irVersion),
    producer: model.producerName ?? '',
    producerVersion: model.producerVersion ?? '',
    domain: model.domain ?? '',
    modelVersion: Number(model.modelVersion ?? 0n),
    description: model.docString ? utf8(model.docString) : '',
    opsets: Object.fromEntries(opsets),
    properties: Object.fromEntries(properties),
  };
}
