/** What an op is: its signature, its opset versions, and the rule that gives its outputs' types and shapes. */

import type { Dim } from './dim.ts';
import type { DType } from './dtype.ts';
import type { Attribute, Attributes, Container, Graph, Node, ValueKind, ValueType } from './graph.ts';
import type { Tensor } from './tensor.ts';

export interface ParamSchema {
  readonly name: string;
  /** A type variable of the schema, or a dtype. */
  readonly type: string;
  readonly optional?: boolean;
  /** The last parameter, any number of times (at least once unless `optional`); `mixed` when the dtypes may differ. */
  readonly variadic?: boolean | 'mixed';
}

export interface AttributeSchema {
  readonly type: 'int' | 'float' | 'string' | 'tensor' | 'graph' | 'type' | 'ints' | 'floats' | 'strings' | 'dims';
  readonly required?: boolean;
  readonly default?: Attribute;
}

export interface OpSchema {
  readonly name: string;
  /** '' for ONNX's own. */
  readonly domain: string;
  /** Opset versions in which the op came or changed, ascending, all that are known (also beyond 22). */
  readonly versions: readonly number[];
  /** Those of `versions` that only let more dtypes in, and so change nothing for a model that loads. */
  readonly widened?: readonly number[];
  readonly inputs: readonly ParamSchema[];
  readonly outputs: readonly ParamSchema[];
  /** The dtypes that each type variable may stand for. */
  readonly types: Readonly<Record<string, readonly DType[]>>;
  /** The kinds of values that a type variable may stand for; tensors alone where absent. */
  readonly kinds?: Readonly<Record<string, readonly ValueKind[]>>;
  readonly attributes: Readonly<Record<string, AttributeSchema>>;
  /** Inputs (by index) whose values decide the shape of an output. */
  readonly shapeInputs?: readonly number[];
  /**
   * True when the first output is the first input's bytes with another shape: no kernel is needed. A number says so of
   * nodes with at most that many inputs.
   */
  readonly view?: true | number;
  /** Says the outputs' shapes (and contents, where they are shape arithmetic). */
  infer(context: Inference): void;
}

/** What a rule may say of an output beside its shape. */
export interface OutputFacts {
  readonly dtype?: DType | undefined;
  readonly contents?: readonly Dim[] | undefined;
  /** Where it is no tensor; its shape is []. */
  readonly container?: Container | undefined;
}

export interface SubgraphOutputs {
  readonly outputs: readonly (ValueType & OutputFacts)[];
  /** Symbols that only a run of the subgraph binds: nobody outside knows them. */
  readonly fresh: ReadonlySet<string>;
}

/** What an inference rule sees of a node and says of its outputs. */
export interface Inference {
  readonly node: Node;
  /** The node's attributes with the schema's defaults. */
  readonly attrs: Attributes;
  /** How many inputs are given (trailing omitted ones not counted). */
  readonly inputCount: number;
  readonly outputCount: number;
  /** True when input `index` is given. */
  has(index: number): boolean;
  /** The type of input `index`. @throws EspalierError `BAD_GRAPH` when it is left out */
  input(index: number): ValueType;
  /** Its shape. */
  shape(index: number): readonly Dim[];
  /** Its value, where it is a constant (or, at run time, has been read). */
  constant(index: number): Tensor | undefined;
  /** Its elements in row-major order, where it is an integer (or bool) tensor made of constants and shapes. */
  contents(index: number): readonly Dim[] | undefined;
  /** The same, where all of them are numbers. */
  integers(index: number): readonly number[] | undefined;
  /** An attribute as a number / list / string. @throws EspalierError `BAD_GRAPH` when it is missing or of another kind */
  int(name: string): number;
  float(name: string): number;
  string(name: string): string;
  ints(name: string): readonly number[];
  /** Like `ints`, undefined where the attribute is absent. */
  maybeInts(name: string): readonly number[] | undefined;
  /** Says the shape of output `index`; the dtype follows from the schema's type variable unless given. */
  output(index: number, shape: readonly Dim[], more?: OutputFacts): void;
  /** A symbol for a size that only the run can know; `axis` tells apart those of one output. */
  fresh(output: number, axis: number): string;
  /** Infers a subgraph with these types for its inputs and gives its outputs' types. */
  subgraph(graph: Graph, inputs: readonly ValueType[]): SubgraphOutputs;
  /** Reports the node as malformed. */
  fail(message: string): never;
  /** Reports the node as well-formed but beyond what is implemented. */
  unsupported(message: string): never;
}

/** Schemas by `op` for ONNX's own domain and `domain::op` for others. */
export type OpTable = ReadonlyMap<string, OpSchema>;

export function opKey(domain: string, op: string): string {
  return domain === '' ? op : `${domain}::${op}`;
}

export function opTable(...groups: readonly (readonly OpSchema[])[]): OpTable {
  return new Map(groups.flat().map((schema) => [opKey(schema.domain, schema.name), schema]));
}

export function schemaOf(ops: OpTable, node: Pick<Node, 'op' | 'domain'>): OpSchema | undefined {
  return ops.get(opKey(node.domain, node.op));
}

/** True when the node's only wanted output is its first input's bytes. */
export function isView(
  { view }: OpSchema,
  { inputs, outputs: [, ...more] }: Pick<Node, 'inputs' | 'outputs'>,
): boolean {
  if (view === undefined || more.some((name) => name !== '')) return false;
  return view === true || inputs.length <= view;
}

/** A node's attributes with the schema's defaults filled in. */
export function attributesOf(schema: OpSchema, node: Pick<Node, 'attrs'>): Attributes {
  const filled: Record<string, Attribute> = {};
  for (const [name, { default: value }] of Object.entries(schema.attributes))
    if (value !== undefined) filled[name] = value;
  return { ...filled, ...node.attrs };
}

/** The parameter that input or output `index` is. */
export function paramAt(params: readonly ParamSchema[], index: number): ParamSchema | undefined {
  return params[index] ?? (params.at(-1)?.variadic ? params.at(-1) : undefined);
}
