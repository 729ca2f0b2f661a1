/** Weights that stand in other files: their paths are checked and their sizes known before anything is read. */

import { EspalierError, throwIfAborted } from '@espalier/core';
import type { GraphProto, ModelProto, NodeProto, TensorProto } from './proto.ts';
import { typeOf } from './tensors.ts';
import { utf8 } from './wire.ts';
import { placed, quote, within } from './within.ts';

/**
 * Gives `length` bytes from `offset` of the file at `location`, a path relative to the model's folder that has no `..` and
 * is not absolute.
 */
export type ExternalData = (location: string, offset: number, length: number) => Uint8Array | Promise<Uint8Array>;

interface Range {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/**
 * Puts the external data of every tensor in its place.
 * @throws EspalierError `UNSAFE_PATH`, `NOT_FOUND` or `BAD_FILE` naming the tensor
 */
export async function loadExternalData(
  model: ModelProto,
  external: ExternalData | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const loaded = new Map<string, Uint8Array>();
  for (const tensor of tensorsOf(model)) {
    if (!tensor.dataLocation) continue;
    const place = `tensor ${quote(tensor.name ?? '')}`;
    const range = within(place, () => rangeOf(tensor));
    if (!range) continue;
    throwIfAborted(signal);
    const key = JSON.stringify(range);
    try {
      const bytes = loaded.get(key) ?? (await load(range, external));
      loaded.set(key, bytes);
      tensor.rawData = bytes;
    } catch (error) {
      throw placed(place, error);
    }
  }
}

async function load({ location, offset, length }: Range, external: ExternalData | undefined): Promise<Uint8Array> {
  if (!external)
    throw new EspalierError(
      'NOT_FOUND',
      `its data is in the file ${quote(location)}: pass \`external\`, or read the model with readOnnxFile of @espalier/onnx/node`,
    );
  const bytes = await external(location, offset, length);
  if (bytes.length !== length)
    throw new EspalierError('BAD_FILE', `${quote(location)} gave ${bytes.length} bytes at ${offset}, not ${length}`);
  return bytes;
}

/** Where a tensor's bytes are; undefined for a dtype that Espalier lacks, which is reported later. */
function rangeOf(tensor: TensorProto): Range | undefined {
  if (tensor.dataLocation !== 1)
    throw new EspalierError(
      'BAD_FILE',
      `its data location is ${tensor.dataLocation}, neither here (0) nor external (1)`,
    );
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, utf8(value ?? new Uint8Array(0))]));
  const location = checkLocation(entries.get('location') ?? '');
  const number = (key: string): number | undefined => {
    const text = entries.get(key);
    if (text === undefined) return undefined;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value)) throw new EspalierError('BAD_FILE', `its ${key} is ${quote(text)}`);
    return value;
  };
  const type = typeOf(tensor);
  if (!type) return undefined;
  if (type.dtype === 'string') throw new EspalierError('BAD_FILE', 'is of strings, which cannot be external');
  const length = number('length') ?? type.bytes;
  if (length !== type.bytes)
    throw new EspalierError('BAD_FILE', `is ${type.dtype} [${type.dims}] of ${type.bytes} bytes, but has ${length}`);
  return { location, offset: number('offset') ?? 0, length };
}

/** @throws EspalierError `UNSAFE_PATH` for what may lead out of the model's folder */
export function checkLocation(location: string): string {
  const unsafe =
    location === '' ||
    location.includes('\0') ||
    /^([a-z][a-z\d+.-]*:|[/\\])/i.test(location) ||
    location.split(/[/\\]/).includes('..');
  if (unsafe)
    throw new EspalierError(
      'UNSAFE_PATH',
      `external data at ${quote(location)} is not a path within the model's folder: refusing to read it`,
    );
  return location;
}

function* tensorsOf(model: ModelProto): Generator<TensorProto> {
  if (model.graph) yield* inGraph(model.graph);
  for (const each of model.functions) {
    yield* inNodes(each.node);
    for (const attribute of each.attributeProto) if (attribute.t) yield attribute.t;
  }
}

function* inGraph(graph: GraphProto): Generator<TensorProto> {
  yield* graph.initializer;
  yield* inNodes(graph.node);
}

function* inNodes(nodes: readonly NodeProto[]): Generator<TensorProto> {
  for (const { attribute } of nodes) {
    for (const { t, tensors, g, graphs } of attribute) {
      if (t) yield t;
      yield* tensors;
      for (const graph of g ? [g, ...graphs] : graphs) yield* inGraph(graph);
    }
  }
}
