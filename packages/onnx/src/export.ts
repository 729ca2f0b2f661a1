/** Writes graphs as ONNX models that others can read too. */

import {
  type Attribute,
  type AttributeSchema,
  type Dim,
  EspalierError,
  type Graph,
  type Inferred,
  inferGraph,
  type Node,
  type OpSchema,
  type OpTable,
  onnxOps,
  schemaOf,
  type Tensor,
  type ValueType,
} from '@espalier/core';
import { adapters } from './adapters.ts';
import { changedSince, OPSET } from './opset.ts';
import {
  type AttributeProto,
  attributeTypes,
  type GraphProto,
  type ModelProto,
  modelProto,
  type NodeProto,
  type ValueInfoProto,
} from './proto.ts';
import { writeTensor } from './tensors.ts';
import { writeType } from './types.ts';
import { encode } from './wire.ts';

export interface ExportOptions {
  /** The ops that nodes use; all that Espalier knows when absent. */
  readonly ops?: OpTable;
  /** What the file says of itself (`metadata_props`). */
  readonly properties?: Readonly<Record<string, string>>;
  /** The oldest opset to write, for readers that know no later one; 22 when absent. */
  readonly opset?: number;
  /**
   * Takes the bytes of an initializer of {@link EXTERNAL_BYTES} or more and says where they now are: the path of a file,
   * relative to the model's, and the offset in it. All stand in the model when absent.
   */
  external?(bytes: Uint8Array): { readonly location: string; readonly offset: number };
}

/** Smaller initializers stay in the model: shapes and scalars, which readers want at once. */
export const EXTERNAL_BYTES = 1024;

/** ONNX files hold at most 2 GB, as protobuf's readers take no more. */
const MAX_BYTES = 2 ** 31 - 1;

/**
 * The bytes of an ONNX model of the opset asked for, or of the first later one that has all its ops in their form of today. Names, symbols and constants stay
 * as they are: importing the bytes gives the same graph.
 * @throws EspalierError as `inferGraph`; `UNSUPPORTED` for nodes that passes have fused; `LIMIT` beyond 2 GB
 */
export function exportOnnx(graph: Graph, options: ExportOptions = {}): Uint8Array {
  const { ops = onnxOps, properties = {}, opset: asked = OPSET } = options;
  const inferred = inferGraph(graph, ops);
  const writer = new GraphWriter(ops, options.external);
  const proto = writer.graph(graph, inferred);
  const since = writer.used.flatMap(([, { domain, name, versions }]) =>
    domain === '' ? [versions[0]!, ...adapters.filter(({ op }) => op === name).map(({ before }) => before)] : [],
  );
  const opset = Math.max(Math.min(asked, OPSET), ...since);
  for (const [node, schema] of writer.used) {
    const changed = changedSince(schema, opset);
    if (changed !== undefined)
      throw new EspalierError(
        'UNSUPPORTED',
        `${node}: ${schema.name} changed in opset ${changed}, and other nodes need opset ${opset}`,
        { node },
      );
  }
  const domains = new Set(['', ...writer.used.map(([, schema]) => schema.domain)]);
  if (writer.bytes > MAX_BYTES)
    throw new EspalierError('LIMIT', `the weights take ${writer.bytes} bytes; an ONNX file holds at most ${MAX_BYTES}`);
  const model: ModelProto = {
    irVersion: irVersion(opset),
    producerName: 'espalier',
    graph: proto,
    opsetImport: [...domains].sort().map((domain) => ({ domain, version: BigInt(domain === '' ? opset : 1) })),
    metadataProps: Object.entries(properties).map(([key, value]) => ({ key, value: utf8.encode(value) })),
    functions: [],
  };
  return encode(modelProto, model);
}

/** The IR version that came with an opset: older readers refuse later ones. */
function irVersion(opset: number): bigint {
  return BigInt(opset <= OPSET ? 10 : Math.min(opset - 12, 13));
}

const utf8 = new TextEncoder();
const typeNumbers = new Map([...attributeTypes].map(([number, [type]]) => [type as string, number]));

class GraphWriter {
  /** Names of the nodes written, with what they are. */
  readonly used: (readonly [string, OpSchema])[] = [];
  /** Bytes of tensors. */
  bytes = 0;
  private readonly ops: OpTable;
  private readonly external: ExportOptions['external'];

  constructor(ops: OpTable, external: ExportOptions['external']) {
    this.ops = ops;
    this.external = external;
  }

  graph(graph: Graph, inferred: Inferred | undefined): GraphProto {
    return {
      name: graph.name || 'graph',
      node: graph.nodes.map((node) => this.node(node, inferred)),
      initializer: [...graph.constants].map(([name, tensor]) => this.tensor(tensor, name)),
      input: graph.inputs.map((info) => valueInfo(info.name, info)),
      output: graph.outputs.map((name) => valueInfo(name, inferred?.values.get(name))),
      sparseInitializer: [],
    };
  }

  private node(node: Node, inferred: Inferred | undefined): NodeProto {
    const { name, op, domain } = node;
    const fail = (message: string): never => {
      throw new EspalierError('UNSUPPORTED', `${name} (${op}) ${message}`, { node: name });
    };
    if (node.epilogue || node.decomposition) fail('is fused: export the graph as it was before passes');
    const schema = schemaOf(this.ops, node)!;
    this.used.push([name, schema]);
    const bodies = inferred?.subgraphs.get(name) ?? [];
    const body = (graph: Graph): GraphProto => {
      const typed = bodies.find(({ source }) => source === graph);
      return this.graph(typed?.graph ?? graph, typed?.inferred);
    };
    const attribute = Object.entries(node.attrs).map(([key, value]) => {
      const { type } = schema.attributes[key]!;
      if (type === 'dims' && domain === '')
        fail(`has sizes as its attribute "${key}": export the graph as it was before passes`);
      return { name: key, ...noLists, ...this.attribute(type, value, body) };
    });
    return { name, opType: op, domain, input: [...node.inputs], output: [...node.outputs], attribute };
  }

  private attribute(
    type: AttributeSchema['type'],
    value: Attribute,
    body: (graph: Graph) => GraphProto,
  ): Partial<AttributeProto> {
    const stored = type === 'dims' ? 'strings' : type;
    const typed = { type: typeNumbers.get(stored)! };
    const list = value as readonly (number & string & Dim)[];
    switch (stored) {
      case 'int':
        return { ...typed, i: BigInt(value as number) };
      case 'float':
        return { ...typed, f: Math.fround(value as number) };
      case 'string':
        return { ...typed, s: utf8.encode(value as string) };
      case 'tensor':
        return { ...typed, t: this.tensor(value as Tensor) };
      case 'graph':
        return { ...typed, g: body(value as Graph) };
      case 'type':
        return { ...typed, tp: writeType(value as ValueType) };
      case 'ints':
        return { ...typed, ints: list.map(BigInt) };
      case 'floats':
        return { ...typed, floats: list.map(Math.fround) };
      case 'strings':
        return { ...typed, strings: list.map((each) => utf8.encode(String(each))) };
    }
  }

  private tensor(tensor: Tensor, name?: string): ReturnType<typeof writeTensor> {
    const proto = writeTensor(tensor, name);
    const length = proto.rawData?.byteLength ?? 0;
    if (!this.external || name === undefined || length < EXTERNAL_BYTES) {
      this.bytes += length;
      return proto;
    }
    const { rawData, ...rest } = proto;
    const place = Object.entries({ ...this.external(rawData!), length });
    const externalData = place.map(([key, value]) => ({ key, value: utf8.encode(String(value)) }));
    return { ...rest, externalData, dataLocation: 1 };
  }
}

const noLists = { floats: [], ints: [], strings: [], tensors: [], graphs: [] };

function valueInfo(name: string, type: ValueType | undefined): ValueInfoProto {
  return type ? { name, type: writeType(type) } : { name };
}
