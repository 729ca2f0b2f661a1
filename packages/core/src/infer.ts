/**
 * Types and shapes of every value of a graph, and the contents of those that are shape arithmetic: integer tensors whose
 * elements are expressions over symbols.
 */

import { type Assumption, withAssumptions } from './assumptions.ts';
import { formatType, kindOf } from './container.ts';
import type { Dim } from './dim.ts';
import { dim } from './dim.ts';
import { type DType, dtypes } from './dtype.ts';
import { EspalierError, UnsupportedError } from './errors.ts';
import {
  type Attribute,
  type Graph,
  type Node,
  ownInputCount,
  stepNodes,
  usedValues,
  type ValueType,
} from './graph.ts';
import {
  attributesOf,
  type Inference,
  type OpSchema,
  type OpTable,
  type OutputFacts,
  type ParamSchema,
  paramAt,
  type SubgraphOutputs,
  schemaOf,
} from './schema.ts';
import { formatShape, sizeOf } from './shape.ts';
import type { Tensor } from './tensor.ts';

/** Integer tensors of more elements are data, not shape arithmetic. */
export const CONTENTS_LIMIT = 1024;

/** What is known of one value. */
export interface ValueFacts extends ValueType {
  /** The value, where it is constant. */
  readonly constant?: Tensor | undefined;
  /** The elements, where they are integers made of constants and shapes. */
  readonly contents?: readonly Dim[] | undefined;
}

export interface Inferred {
  /** By value name; values of outer scopes are not repeated. */
  readonly values: ReadonlyMap<string, ValueFacts>;
  /** Symbols that a node (by name) binds only at run time. */
  readonly fresh: ReadonlyMap<string, readonly string[]>;
  /** Inferred subgraphs of a node, by its name. */
  readonly subgraphs: ReadonlyMap<string, readonly InferredSubgraph[]>;
  /** What must hold of the sizes of a run, and the first node that asks for it; subgraphs have their own. */
  readonly assumed: readonly (Assumption & { readonly node: string })[];
}

export type Scope = (name: string) => ValueFacts | undefined;

/**
 * What nodes were found to make, kept for graphs that share most of their nodes, as those before and after a pass do. Good for one
 * table of ops.
 */
export class InferenceMemo {
  private readonly nodes = new WeakMap<Node, { inputs: readonly (ValueFacts | undefined)[]; found: InferredNode }>();
  private readonly tensors = new WeakMap<Tensor, ValueFacts>();

  /** What the node makes of these inputs, found before or now. */
  node(node: Node, inputs: readonly (ValueFacts | undefined)[], infer: () => InferredNode): InferredNode {
    const known = this.nodes.get(node);
    if (known && inputs.every((facts, i) => sameFacts(facts, known.inputs[i]))) return known.found;
    const found = infer();
    // What a subgraph makes depends on all that it sees.
    if (found.subgraphs.length === 0) this.nodes.set(node, { inputs, found });
    return found;
  }

  constant(tensor: Tensor): ValueFacts {
    let facts = this.tensors.get(tensor);
    if (!facts) {
      facts = constantFacts(tensor);
      this.tensors.set(tensor, facts);
    }
    return facts;
  }
}

/** True where rules see no difference. */
function sameFacts(a: ValueFacts | undefined, b: ValueFacts | undefined): boolean {
  if (a === b || !a || !b) return a === b;
  return (
    a.dtype === b.dtype &&
    a.constant === b.constant &&
    a.container === b.container &&
    sameDims(a.shape, b.shape) &&
    sameDims(a.contents, b.contents)
  );
}

const sameDims = (a: readonly Dim[] | undefined, b: readonly Dim[] | undefined): boolean =>
  a === b || (a !== undefined && a.length === b?.length && a.every((d, i) => d === b[i]));

/** The facts of a constant tensor. */
export function constantFacts(tensor: Tensor): ValueFacts {
  return { dtype: tensor.type, shape: tensor.dims, constant: tensor, contents: integerContents(tensor) };
}

function integerContents(tensor: Tensor): readonly Dim[] | undefined {
  if (tensor.size > CONTENTS_LIMIT || tensor.type === 'string') return undefined;
  const { kind, bits } = dtypes[tensor.type];
  if (kind === 'float' || bits === 4) return undefined;
  const values = Array.from(tensor.data as ArrayLike<number | bigint>, Number);
  return values.every(Number.isSafeInteger) ? values : undefined;
}

/**
 * Infers a whole graph.
 * @param memo saves inferring nodes again that other graphs had
 * @throws UnsupportedError listing every node that no schema describes or whose dtypes it does not take
 * @throws EspalierError `BAD_GRAPH` or `SHAPE_MISMATCH` naming the first malformed node
 */
export function inferGraph(graph: Graph, ops: OpTable, outer: Scope = () => undefined, memo?: InferenceMemo): Inferred {
  const values = new Map<string, ValueFacts>();
  const fresh = new Map<string, readonly string[]>();
  const nested = new Map<string, readonly InferredSubgraph[]>();
  const assumed = new Map<string, Assumption & { node: string }>();
  const unsupported: string[] = [];
  const unknown = new Set<string>();
  // A walk by callback makes nothing for the collector; every rewrite of a graph has all its constants again.
  graph.constants.forEach((tensor, name) => {
    values.set(name, memo?.constant(tensor) ?? constantFacts(tensor));
  });
  for (const { name, dtype, shape, container } of graph.inputs)
    if (!values.has(name)) values.set(name, { dtype, shape, container });
  const scope: Scope = (name) => values.get(name) ?? outer(name);
  for (const node of graph.nodes) {
    if (unknown.size > 0 && usedValues(node).some((name) => unknown.has(name))) {
      for (const name of node.outputs) unknown.add(name);
      const schema = schemaOf(ops, node);
      if (!schema) unsupported.push(`${node.name}: no op ${label(node)}`);
      continue;
    }
    try {
      const inferred = inferNode(node, ops, scope, memo);
      inferred.values.forEach((facts, name) => {
        values.set(name, facts);
      });
      if (inferred.fresh.length > 0) fresh.set(node.name, inferred.fresh);
      if (inferred.subgraphs.length > 0) nested.set(node.name, inferred.subgraphs);
      for (const assumption of inferred.assumed) {
        const key = `${assumption.kind} ${assumption.a} ${assumption.b}`;
        if (!assumed.has(key)) assumed.set(key, { ...assumption, node: node.name });
      }
    } catch (error) {
      if ((error as EspalierError).code !== 'UNSUPPORTED') throw error;
      const reasons = (error as UnsupportedError).reasons;
      unsupported.push(...(reasons.length > 0 ? reasons : [(error as Error).message]));
      for (const name of node.outputs) unknown.add(name);
    }
  }
  if (unsupported.length > 0) {
    throw new UnsupportedError(
      `${unsupported.length} node(s) of "${graph.name}" are not supported:\n  ${unsupported.join('\n  ')}`,
      unsupported,
    );
  }
  return { values, fresh, subgraphs: nested, assumed: [...assumed.values()] };
}

function label(node: Pick<Node, 'op' | 'domain'>): string {
  return node.domain === '' ? node.op : `${node.domain}.${node.op}`;
}

export interface InferredNode {
  /** By value name, for every output that is wanted. */
  readonly values: ReadonlyMap<string, ValueFacts>;
  readonly fresh: readonly string[];
  /** The subgraphs it carries, with the types that their inputs were given. */
  readonly subgraphs: readonly InferredSubgraph[];
  readonly assumed: readonly Assumption[];
}

export interface InferredSubgraph {
  /** The node's own graph, as it is found among its attributes. */
  readonly source: Graph;
  /** The same with its inputs' types. */
  readonly graph: Graph;
  readonly inferred: Inferred;
}

/** Infers one node whose inputs `scope` knows. Throws as {@link inferGraph}. */
export function inferNode(node: Node, ops: OpTable, scope: Scope, memo?: InferenceMemo): InferredNode {
  if (!memo) return inferAnew(node, ops, scope, undefined);
  const inputs = node.inputs.map((name) => (name === '' ? undefined : scope(name)));
  return memo.node(node, inputs, () => inferAnew(node, ops, scope, memo));
}

function inferAnew(node: Node, ops: OpTable, scope: Scope, memo: InferenceMemo | undefined): InferredNode {
  const schema = schemaOf(ops, node);
  if (!schema)
    throw new UnsupportedError(`${node.name}: no op ${label(node)}`, [`${node.name}: no op ${label(node)}`], {
      node: node.name,
    });
  const context = new NodeInference(node, schema, ops, scope, memo);
  try {
    const { value, assumed } = withAssumptions(() => {
      schema.infer(context);
      return context.finish();
    });
    return { ...value, assumed: [...assumed, ...value.assumed] };
  } catch (error) {
    if (error instanceof Error && 'code' in error && !error.message.startsWith(`${node.name} (`)) {
      const { code } = error as EspalierError;
      const text = `${node.name} (${label(node)}): ${error.message}`;
      if (code === 'UNSUPPORTED') {
        // Those of a subgraph name nodes of it.
        const { reasons } = error as UnsupportedError;
        throw new UnsupportedError(text, reasons.length > 0 ? reasons : [text], { node: node.name });
      }
      throw new EspalierError(code, text, { node: node.name, cause: error });
    }
    throw error;
  }
}

/** True for symbols in the shapes of values. */
function isIn(values: ReadonlyMap<string, ValueFacts>): (symbol: string) => boolean {
  const shapes = [...values.values()].flatMap((facts) => facts.shape);
  const used = new Set(shapes.flatMap((d) => dim.symbols(d)));
  return (symbol) => used.has(symbol);
}

class NodeInference implements Inference {
  readonly node: Node;
  readonly attrs: Inference['attrs'];
  readonly inputCount: number;
  readonly outputCount: number;
  private readonly schema: OpSchema;
  private readonly ops: OpTable;
  private readonly scope: Scope;
  private readonly memo: InferenceMemo | undefined;
  private readonly inputs: (ValueFacts | undefined)[];
  private readonly variables = new Map<string, DType>();
  private readonly outputs = new Map<number, ValueFacts>();
  private readonly freshSymbols: string[] = [];
  private readonly nested = new Map<Graph, InferredSubgraph>();
  private readonly assumedBySteps: Assumption[] = [];

  constructor(node: Node, schema: OpSchema, ops: OpTable, scope: Scope, memo: InferenceMemo | undefined) {
    this.node = node;
    this.memo = memo;
    this.schema = schema;
    this.ops = ops;
    this.scope = scope;
    this.attrs = attributesOf(schema, node);
    const own = node.inputs.slice(0, ownInputCount(node));
    this.inputs = own.map((name) => (name === '' ? undefined : this.lookup(name)));
    this.inputCount = this.inputs.length;
    this.outputCount = node.outputs.length;
    this.checkSignature();
  }

  private lookup(name: string): ValueFacts {
    const facts = this.scope(name);
    if (!facts) this.fail(`reads "${name}", which nothing before it makes`);
    return facts;
  }

  private checkSignature(): void {
    const { inputs, outputs, attributes, types } = this.schema;
    this.schema.inputs.forEach((param, i) => {
      if (!param.optional && !this.inputs[i]) this.fail(`its input ${i} (${param.name}) is missing`);
    });
    if (this.outputCount > outputs.length && !outputs.at(-1)?.variadic)
      this.fail(`has ${this.outputCount} outputs, not ${outputs.length}`);
    for (const [name, { required }] of Object.entries(attributes)) {
      if (required && this.attrs[name] === undefined) this.fail(`its attribute "${name}" is missing`);
    }
    for (const name of Object.keys(this.node.attrs)) {
      if (!Object.hasOwn(attributes, name))
        this.unsupported(`the attribute "${name}" is not one of ${label(this.node)}`);
    }
    this.inputs.forEach((facts, i) => {
      const param = paramAt(inputs, i);
      if (!param) this.fail(`has ${this.inputCount} inputs, not ${inputs.length}`);
      if (!facts) return;
      const allowed = types[param.type] ?? [param.type as DType];
      if (!allowed.includes(facts.dtype))
        this.unsupported(`input ${i} (${param.name}) is ${facts.dtype}; it takes ${allowed.join(', ')}`);
      const kinds = this.schema.kinds?.[param.type] ?? ['tensor'];
      if (!kinds.includes(kindOf(facts)))
        this.unsupported(`input ${i} (${param.name}) is ${formatType(facts)}; it takes ${kinds.join(' or ')}`);
      if (param.variadic === 'mixed') return;
      const bound = this.variables.get(param.type);
      if (bound && bound !== facts.dtype) this.fail(`its inputs of type ${param.type} are ${bound} and ${facts.dtype}`);
      this.variables.set(param.type, facts.dtype);
    });
  }

  has(index: number): boolean {
    return this.inputs[index] !== undefined;
  }

  input(index: number): ValueFacts {
    return this.inputs[index] ?? this.fail(`its input ${index} is missing`);
  }

  shape(index: number): readonly Dim[] {
    return this.input(index).shape;
  }

  constant(index: number): Tensor | undefined {
    return this.inputs[index]?.constant;
  }

  contents(index: number): readonly Dim[] | undefined {
    return this.inputs[index]?.contents;
  }

  integers(index: number): readonly number[] | undefined {
    const contents = this.contents(index);
    return contents?.every((d) => typeof d === 'number') ? (contents as readonly number[]) : undefined;
  }

  int(name: string): number {
    const value = this.attrs[name];
    return Number.isSafeInteger(value) ? (value as number) : this.fail(`its attribute "${name}" is not an integer`);
  }

  float(name: string): number {
    const value = this.attrs[name];
    return typeof value === 'number' ? value : this.fail(`its attribute "${name}" is not a number`);
  }

  string(name: string): string {
    const value = this.attrs[name];
    return typeof value === 'string' ? value : this.fail(`its attribute "${name}" is not a string`);
  }

  ints(name: string): readonly number[] {
    return this.maybeInts(name) ?? this.fail(`its attribute "${name}" is missing`);
  }

  maybeInts(name: string): readonly number[] | undefined {
    const value = this.attrs[name] as Attribute | undefined;
    if (value === undefined) return undefined;
    const fits = Array.isArray(value) && value.every((x) => Number.isSafeInteger(x));
    return fits ? (value as readonly number[]) : this.fail(`its attribute "${name}" is not a list of integers`);
  }

  output(index: number, shape: readonly Dim[], more: OutputFacts = {}): void {
    const dtype = more.dtype ?? this.outputDType(index);
    for (const d of shape)
      if (typeof d === 'number' && d < 0) this.fail(`its output ${index} would have the shape ${formatShape(shape)}`);
    if (shape.every((d) => typeof d === 'number')) sizeOf(shape as readonly number[]);
    const { contents, container } = more;
    const keep = contents !== undefined && contents.length <= CONTENTS_LIMIT;
    this.outputs.set(index, { dtype, shape, ...(keep ? { contents } : {}), ...(container ? { container } : {}) });
  }

  private outputDType(index: number): DType {
    const param: ParamSchema | undefined = paramAt(this.schema.outputs, index);
    if (!param) this.fail(`has more outputs than ${this.schema.outputs.length}`);
    const named = Object.hasOwn(dtypes, param.type) ? [param.type as DType] : (this.schema.types[param.type] ?? []);
    const dtype = this.variables.get(param.type) ?? (named.length === 1 ? named[0] : undefined);
    return dtype ?? this.fail(`cannot tell the dtype of its output ${index}`);
  }

  fresh(output: number, axis: number): string {
    // What a symbol may not hold is written as its code, so that different values never share a symbol.
    const name = this.node.outputs[output] || `${this.node.name}.`;
    const base = name.replace(/[^A-Za-z0-9_]/g, (char) => `.${char.charCodeAt(0).toString(16)}.`);
    const symbol = `_${base}.${output}.${axis}`;
    this.freshSymbols.push(symbol);
    return symbol;
  }

  subgraph(graph: Graph, inputs: readonly ValueType[]): SubgraphOutputs {
    if (inputs.length !== graph.inputs.length)
      this.fail(`its subgraph "${graph.name}" takes ${graph.inputs.length} inputs, not ${inputs.length}`);
    const typed = { ...graph, inputs: graph.inputs.map((info, i) => ({ ...inputs[i]!, name: info.name })) };
    const inferred = inferGraph(typed, this.ops, this.scope, this.memo);
    this.nested.set(graph, { source: graph, graph: typed, inferred });
    return {
      outputs: graph.outputs.map((name) => inferred.values.get(name) ?? this.lookup(name)),
      fresh: new Set([...inferred.fresh.values()].flat()),
    };
  }

  fail(message: string): never {
    throw new EspalierError('BAD_GRAPH', `${this.node.name} (${label(this.node)}) ${message}`, {
      node: this.node.name,
    });
  }

  unsupported(message: string): never {
    const text = `${this.node.name} (${label(this.node)}): ${message}`;
    throw new UnsupportedError(text, [text], { node: this.node.name });
  }

  finish(): InferredNode {
    this.applyEpilogue();
    const values = new Map<string, ValueFacts>();
    this.node.outputs.forEach((name, i) => {
      if (name === '') return;
      const facts = this.outputs.get(i) ?? this.fail(`has no output ${i}`);
      values.set(name, facts);
    });
    return {
      values,
      fresh: this.freshSymbols.length > 0 ? this.freshSymbols.filter(isIn(values)) : [],
      subgraphs: [...this.nested.values()],
      assumed: this.assumedBySteps,
    };
  }

  private applyEpilogue(): void {
    for (const [i, step] of (this.node.epilogue ?? []).entries()) {
      const names = step.inputs.map(
        (at) => this.node.inputs[at] ?? this.fail(`its epilogue reads input ${at}, which is missing`),
      );
      const running = ' running';
      const known = new Map([[running, this.outputs.get(0)!]]);
      for (const node of stepNodes(step, `${this.node.name}/${step.op}_${i}`, [running, running], names)) {
        const { values, assumed } = inferNode(node, this.ops, (name) => known.get(name) ?? this.scope(name));
        for (const [name, facts] of values) known.set(name, facts);
        this.assumedBySteps.push(...assumed);
      }
      this.outputs.set(0, known.get(running)!);
    }
  }
}
