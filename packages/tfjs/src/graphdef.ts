/**
 * The parts of a TensorFlow.js `model.json` that a graph is made from, checked: the GraphDef's nodes, the signature and the
 * weights manifest. Source: `tensorflow/core/framework/{graph,node_def,attr_value,types}.proto` in their JSON form, and the
 * interfaces `ModelJSON` and `WeightsManifestEntry` of tfjs-core.
 */

import type { DType } from '@espalier/core';

/** One output of a node: `name` is output 0, `name:1` the next. */
export interface Ref {
  readonly node: string;
  readonly index: number;
}

export interface TfNode {
  readonly name: string;
  readonly op: string;
  /** Data inputs; control inputs only order side effects, which these graphs do not have. */
  readonly inputs: readonly Ref[];
  readonly attrs: Attrs;
}

/** An input or output that the signature names; `shape` has -1 for sizes that vary. */
export interface TfPort {
  readonly name: string;
  readonly ref: Ref;
  readonly dtype: DType | undefined;
  readonly shape: readonly number[] | undefined;
}

export interface TfWeight {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly quantization:
    | { readonly dtype: string; readonly scale: number | undefined; readonly min: number | undefined }
    | undefined;
}

export interface TfModel {
  readonly nodes: ReadonlyMap<string, TfNode>;
  /** Undefined where the model has none. */
  readonly inputs: readonly TfPort[] | undefined;
  readonly outputs: readonly TfPort[] | undefined;
  readonly groups: readonly { readonly paths: readonly string[]; readonly weights: readonly TfWeight[] }[];
}

/** Reports what is wrong with the file. */
export type Fail = (message: string) => never;

const FORMAT_HELP = 'convert it with tensorflowjs_converter --output_format=tfjs_graph_model';

/** @throws through `fail` where the JSON is not a graph model; the weights' bytes are not looked at */
export function parseModel(json: unknown, fail: Fail): TfModel {
  const model = record(json, 'model.json', fail);
  const topology = record(model['modelTopology'], '"modelTopology"', fail);
  const isLayers = model['format'] === 'layers-model' || 'model_config' in topology || 'class_name' in topology;
  if (isLayers) fail(`is a Keras layers model, not a graph model: ${FORMAT_HELP}`);
  const nodes = new Map<string, TfNode>();
  for (const entry of list(topology['node'], '"modelTopology.node"', fail)) {
    const node = parseNode(entry, fail);
    if (nodes.has(node.name)) fail(`has two nodes "${node.name}"`);
    nodes.set(node.name, node);
  }
  const userDefined = model['userDefinedMetadata'];
  const signature = model['signature'] ?? (isRecord(userDefined) ? userDefined['signature'] : undefined);
  const ports = (side: 'inputs' | 'outputs'): TfPort[] | undefined => {
    const found = isRecord(signature) ? signature[side] : undefined;
    return isRecord(found) && Object.keys(found).length > 0 ? parsePorts(found, fail) : undefined;
  };
  const groups = list(model['weightsManifest'] ?? [], '"weightsManifest"', fail).map((group) =>
    parseGroup(group, fail),
  );
  return { nodes, inputs: ports('inputs'), outputs: ports('outputs'), groups };
}

function parseNode(entry: unknown, fail: Fail): TfNode {
  const { name, op, input = [], attr = {} } = record(entry, 'an entry of "modelTopology.node"', fail);
  if (typeof name !== 'string' || typeof op !== 'string' || name === '') return fail('has a node without a name or op');
  const inputs = list(input, `the input of node "${name}"`, fail).map((text) =>
    typeof text === 'string' ? text : fail(`has an input of node "${name}" that is not text`),
  );
  const data = inputs.filter((text) => !text.startsWith('^')).map((text) => parseRef(text, fail));
  return { name, op, inputs: data, attrs: new Attrs(name, record(attr, `the attr of node "${name}"`, fail), fail) };
}

/** `name`, `name:1`, or, inside functions, `name:output:1`. */
function parseRef(text: string, fail: Fail): Ref {
  const [node, ...rest] = text.split(':');
  const index = rest.length === 0 ? 0 : Number(rest.at(-1));
  if (!node || rest.length > 2 || !Number.isInteger(index) || index < 0)
    fail(`names the value "${text}", which is not node:index`);
  return { node: node!, index };
}

function parsePorts(ports: Record<string, unknown>, fail: Fail): TfPort[] {
  return Object.entries(ports).map(([name, value]) => {
    const port = record(value, `"${name}" of the signature`, fail);
    // The signature of some models names its tensor only by the key.
    const ref = parseRef(typeof port['name'] === 'string' ? port['name'] : name, fail);
    const { dtype, tensorShape } = port;
    return {
      name,
      ref,
      dtype: dtype === undefined ? undefined : dtypeOf(dtype),
      shape: tensorShape === undefined ? undefined : parseShape(tensorShape, fail),
    };
  });
}

function parseGroup(entry: unknown, fail: Fail): TfModel['groups'][number] {
  const group = record(entry, 'an entry of "weightsManifest"', fail);
  const paths = list(group['paths'], 'the paths of a weight group', fail).map((path) =>
    typeof path === 'string' ? path : fail('has a weight path that is not text'),
  );
  const weights = list(group['weights'], 'the weights of a group', fail).map((value): TfWeight => {
    const { name, dtype, shape, quantization } = record(value, 'an entry of "weights"', fail);
    if (typeof name !== 'string' || typeof dtype !== 'string') return fail('has a weight without a name or dtype');
    const dims = list(shape, `the shape of weight "${name}"`, fail);
    if (!dims.every((d) => Number.isSafeInteger(d) && (d as number) >= 0))
      fail(`has the weight "${name}" with the shape ${JSON.stringify(shape)}`);
    if (quantization === undefined) return { name, dtype, shape: dims as number[], quantization };
    const q = record(quantization, `the quantization of weight "${name}"`, fail);
    const number = (key: string): number | undefined => (Number.isFinite(q[key]) ? (q[key] as number) : undefined);
    const stored = { dtype: String(q['dtype']), scale: number('scale'), min: number('min') };
    return { name, dtype, shape: dims as number[], quantization: stored };
  });
  return { paths, weights };
}

/** The attributes of a node, as the proto's JSON form has them: bytes in base64 or as a list of codes, integers as text or numbers. */
export class Attrs {
  private readonly node: string;
  private readonly values: Record<string, unknown>;
  private readonly fail: Fail;

  constructor(node: string, values: Record<string, unknown>, fail: Fail) {
    this.node = node;
    this.values = values;
    this.fail = fail;
  }

  int(name: string, absent: number): number {
    const value = this.field(name, 'i');
    return value === undefined ? absent : this.toInt(name, value);
  }

  /** Also where the file writes a whole number as an integer. */
  float(name: string, absent: number): number {
    const value = this.field(name, 'f') ?? this.field(name, 'i');
    if (value === undefined) return absent;
    const number = Number(value);
    return Number.isNaN(number) && value !== 'NaN' ? this.bad(name) : number;
  }

  bool(name: string, absent: boolean): boolean {
    const value = this.field(name, 'b');
    return value === undefined ? absent : typeof value === 'boolean' ? value : this.bad(name);
  }

  string(name: string, absent: string): string {
    const value = this.field(name, 's');
    return value === undefined ? absent : this.toText(name, value);
  }

  ints(name: string, absent: readonly number[]): readonly number[] {
    const values = this.listField(name, 'i');
    return values === undefined ? absent : values.map((value) => this.toInt(name, value));
  }

  strings(name: string): readonly string[] {
    return (this.listField(name, 's') ?? []).map((value) => this.toText(name, value));
  }

  /** Undefined where it is absent, or a type that tensors here do not have. */
  dtype(name: string): DType | undefined {
    return dtypeOf(this.field(name, 'type'));
  }

  /** -1 for sizes that vary; undefined where even the rank is unknown. */
  shape(name: string): readonly number[] | undefined {
    const value = this.field(name, 'shape');
    return value === undefined ? undefined : parseShape(value, this.fail);
  }

  private field(name: string, field: string): unknown {
    const value = Object.hasOwn(this.values, name) ? this.values[name] : undefined;
    return isRecord(value) ? (value[field] ?? undefined) : undefined;
  }

  private listField(name: string, field: string): readonly unknown[] | undefined {
    const value = this.field(name, 'list');
    if (value === undefined) return undefined;
    const items = isRecord(value) ? (value[field] ?? []) : value;
    return Array.isArray(items) ? items : this.bad(name);
  }

  private toInt(name: string, value: unknown): number {
    const number = typeof value === 'string' && value !== '' ? Number(value) : value;
    return Number.isSafeInteger(number) ? (number as number) : this.bad(name);
  }

  private toText(name: string, value: unknown): string {
    if (Array.isArray(value)) return String.fromCharCode(...value.map((code) => this.toInt(name, code)));
    try {
      return atob(value as string);
    } catch {
      return this.bad(name);
    }
  }

  private bad(name: string): never {
    return this.fail(`has a node "${this.node}" whose attribute "${name}" cannot be read`);
  }
}

function parseShape(value: unknown, fail: Fail): readonly number[] | undefined {
  const { unknownRank, dim = [] } = record(value, 'a shape', fail);
  if (unknownRank) return undefined;
  return list(dim, 'the dims of a shape', fail).map((entry) => {
    const size = Number(record(entry, 'a dim of a shape', fail)['size'] ?? 0);
    return Number.isSafeInteger(size) && size >= -1 ? size : fail(`has a shape with the size ${size}`);
  });
}

/** As tfjs computes: every integer is 32 bits wide, every float too. */
const dtypes: ReadonlyMap<unknown, DType> = new Map<unknown, DType>(
  (
    [
      [1, 'DT_FLOAT', 'float32'],
      [2, 'DT_DOUBLE', 'float32'],
      [3, 'DT_INT32', 'int32'],
      [4, 'DT_UINT8', 'int32'],
      [5, 'DT_INT16', 'int32'],
      [6, 'DT_INT8', 'int32'],
      [9, 'DT_INT64', 'int32'],
      [10, 'DT_BOOL', 'bool'],
      [19, 'DT_HALF', 'float32'],
    ] as const
  ).flatMap(([code, name, dtype]) => [[code, dtype] as const, [name, dtype] as const]),
);

function dtypeOf(type: unknown): DType | undefined {
  return dtypes.get(type);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function record(value: unknown, what: string, fail: Fail): Record<string, unknown> {
  return isRecord(value) ? value : fail(`has ${what} that is not an object`);
}

function list(value: unknown, what: string, fail: Fail): readonly unknown[] {
  return Array.isArray(value) ? value : fail(`has ${what} that is not a list`);
}
