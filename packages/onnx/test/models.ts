/** Models for tests, from parts; what is not said is as in a small valid model. */

import { type DType, dtypes, type Graph, type Inferred, inferGraph, onnxOps } from '@espalier/core';
import { type ImportOptions, importOnnx } from '../src/index.ts';
import {
  type AttributeProto,
  attributeTypes,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  modelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../src/proto.ts';
import { encode } from '../src/wire.ts';

const utf8 = new TextEncoder();

export function tensor(
  name: string,
  dtype: DType,
  dims: readonly (number | bigint)[],
  more: Partial<TensorProto> = {},
): TensorProto {
  return {
    name,
    dataType: dtypes[dtype].onnx,
    dims: dims.map(BigInt),
    floatData: [],
    int32Data: [],
    int64Data: [],
    doubleData: [],
    uint64Data: [],
    stringData: [],
    externalData: [],
    ...more,
  };
}

/** A tensor with its elements as raw data. */
export function filled(name: string, dtype: DType, dims: readonly number[], values: readonly number[]): TensorProto {
  const { array, bits, kind } = dtypes[dtype];
  const data = new array(values.length);
  values.forEach((value, i) => {
    (data as { [index: number]: unknown })[i] = bits === 64 && kind !== 'float' ? BigInt(value) : value;
  });
  return tensor(name, dtype, dims, { rawData: new Uint8Array(data.buffer) });
}

/** Weights in the file `location`. */
export function external(
  name: string,
  dims: readonly number[],
  entries: Readonly<Record<string, string>>,
): TensorProto {
  const externalData = Object.entries(entries).map(([key, value]) => ({ key, value: utf8.encode(value) }));
  return tensor(name, 'float32', dims, { dataLocation: 1, externalData });
}

export function value(
  name: string,
  dtype: DType = 'float32',
  dims: readonly (number | bigint | string)[] = [2, 3],
): ValueInfoProto {
  const dim = dims.map((d) => (typeof d === 'string' ? { dimParam: d } : { dimValue: BigInt(d) }));
  return { name, type: { tensorType: { elemType: dtypes[dtype].onnx, shape: { dim } } } };
}

type AttributeValue = number | string | readonly number[] | readonly string[] | TensorProto | GraphProto;

/** Numbers are ints; `{ f }` or `{ floats }` say otherwise. */
export function attribute(name: string, held: AttributeValue | Partial<AttributeProto>): AttributeProto {
  const blank: AttributeProto = { name, floats: [], ints: [], strings: [], tensors: [], graphs: [] };
  const of = (field: string, content: unknown): AttributeProto => {
    const [number] = [...attributeTypes].find(([, [, each]]) => each === field)!;
    return { ...blank, type: number, [field]: content };
  };
  if (typeof held === 'number') return of('i', BigInt(held));
  if (typeof held === 'string') return of('s', utf8.encode(held));
  if (Array.isArray(held)) {
    return typeof held[0] === 'string'
      ? of(
          'strings',
          (held as string[]).map((each) => utf8.encode(each)),
        )
      : of('ints', (held as number[]).map(BigInt));
  }
  if ('rawData' in held) return of('t', held);
  if ('node' in held) return of('g', held);
  const [field] = Object.keys(held);
  const known = [...attributeTypes].some(([, [, each]]) => each === field);
  return known && Object.keys(held).length === 1
    ? of(field!, Object.values(held)[0])
    : { ...blank, ...(held as Partial<AttributeProto>) };
}

export function node(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, Parameters<typeof attribute>[1]>> = {},
  more: Partial<NodeProto> = {},
): NodeProto {
  const list = Object.entries(attributes).map(([name, held]) => attribute(name, held));
  return { opType, input: [...input], output: [...output], attribute: list, ...more };
}

export function graph(parts: Partial<GraphProto> = {}): GraphProto {
  return {
    name: 'g',
    node: [node('Relu', ['x'], ['y'])],
    initializer: [],
    input: [value('x')],
    output: [value('y')],
    sparseInitializer: [],
    ...parts,
  };
}

export function fn(name: string, parts: Partial<FunctionProto>): FunctionProto {
  return {
    name,
    domain: 'local',
    input: ['a'],
    output: ['b'],
    attribute: [],
    node: [],
    opsetImport: [{ domain: '', version: 17n }],
    attributeProto: [],
    ...parts,
  };
}

export function model(parts: Partial<GraphProto> = {}, opset = 17, more: Partial<ModelProto> = {}): Uint8Array {
  return encode(modelProto, {
    irVersion: 8n,
    opsetImport: [
      { domain: '', version: BigInt(opset) },
      { domain: 'local', version: 1n },
    ],
    graph: graph(parts),
    metadataProps: [],
    functions: [],
    ...more,
  });
}

/** Loads a model as far as shapes go. */
export async function loaded(
  bytes: Uint8Array,
  options: ImportOptions = {},
): Promise<{ graph: Graph; inferred: Inferred }> {
  const { graph: found } = await importOnnx(bytes, options);
  return { graph: found, inferred: inferGraph(found, onnxOps) };
}
