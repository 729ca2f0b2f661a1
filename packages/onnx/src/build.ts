/**
 * The messages of a file as a graph whose nodes still are of the file's opsets: values and nodes named, calls of functions
 * that the file defines replaced by their bodies, Constant nodes by initializers, everything in topological order.
 */

import {
  type Attribute,
  dtypeFromOnnx,
  EspalierError,
  type Graph,
  type Node,
  sizeOf,
  type Tensor,
  type ValueInfo,
} from '@espalier/core';
import { type Argument, constantOf, typeOfAttribute } from './attributes.ts';
import { Names } from './names.ts';
import { checkProduced, inOrder } from './order.ts';
import type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OperatorSetIdProto,
  TensorProto,
  ValueInfoProto,
} from './proto.ts';
import { Symbols } from './symbols.ts';
import { dataTypeName, readTensor } from './tensors.ts';
import { readContainer, readType } from './types.ts';
import { utf8 } from './wire.ts';
import { quote, quoteAll, within } from './within.ts';

/** Nodes in all, those of inlined functions and of subgraphs included. */
const MAX_NODES = 1 << 17;
/** Subgraphs and function calls within each other. */
const MAX_NESTING = 64;
/** Inputs or outputs of one node. */
const MAX_OPERANDS = 1 << 13;

/** Names of the nodes of a function start with that of its call, where this is not longer. */
const MAX_PREFIX = 128;

/** A node with the version of its domain that the file (or function) it came from declares. */
export interface FileNode extends Node {
  readonly opset: number;
}

export interface Built {
  /** Its nodes, those of subgraphs too, are {@link FileNode}s. */
  readonly graph: Graph;
  /** Names of all values, to which passes may add. */
  readonly values: Names;
  readonly nodes: Names;
  /** What Espalier has no type for, a line each. */
  readonly reasons: readonly string[];
  /** The values that are of such types. */
  readonly unreadable: ReadonlySet<string>;
}

/** Where nodes stand: in the model, or in the body of a function that is called from it. */
interface Scope {
  readonly opsets: ReadonlyMap<string, number>;
  rename(name: string): string;
  /** Put before the names of nodes. */
  readonly prefix: string;
  /** What references to attributes stand for. */
  readonly attributes?: ReadonlyMap<string, Argument>;
  /** The functions whose bodies these are, outermost first. */
  readonly calls: readonly string[];
  readonly depth: number;
}

/** A graph being built. */
interface Draft {
  readonly own: Set<string>;
  readonly constants: Map<string, Tensor>;
  readonly nodes: FileNode[];
}

/** '' for ONNX's own domain, under either of its names. */
export function domainOf(domain: string | undefined): string {
  return domain === undefined || domain === 'ai.onnx' ? '' : domain;
}

/** @throws EspalierError `BAD_FILE` for versions that contradict each other or are none */
export function opsetsOf(imports: readonly OperatorSetIdProto[]): Map<string, number> {
  const opsets = new Map<string, number>();
  for (const { domain, version = 0n } of imports) {
    const key = domainOf(domain);
    const number = Number(version);
    if (number < 1 || number > 1e6)
      throw new EspalierError('BAD_FILE', `it imports version ${version} of domain "${key}"`);
    const before = opsets.get(key) ?? number;
    if (before !== number)
      throw new EspalierError('BAD_FILE', `it imports versions ${before} and ${number} of domain "${key}"`);
    opsets.set(key, number);
  }
  return opsets;
}

/** @throws EspalierError `BAD_FILE`, `BAD_GRAPH` or `LIMIT` naming what is malformed */
export function buildGraph(model: ModelProto & { graph: GraphProto }, opsets: ReadonlyMap<string, number>): Built {
  const builder = new Builder(model.graph, model.functions);
  const graph = builder.graph(model.graph, { opsets, rename: (name) => name, prefix: '', calls: [], depth: 0 });
  const { values, nodes, reasons, unreadable } = builder;
  return { graph, values, nodes, reasons, unreadable };
}

class Builder {
  readonly values = new Names();
  readonly nodes = new Names();
  readonly reasons: string[] = [];
  /** Values whose type Espalier lacks; they are among the reasons. */
  readonly unreadable = new Set<string>();
  private readonly functions = new Map<string, FunctionProto>();
  private readonly symbols: Symbols;
  private nodeCount = 0;

  constructor(main: GraphProto, functions: readonly FunctionProto[]) {
    this.symbols = new Symbols(main.input);
    for (const each of functions) {
      const key = functionKey(each.domain, each.name, each.overload);
      if (this.functions.has(key)) throw new EspalierError('BAD_GRAPH', `the function ${quote(key)} is defined twice`);
      this.functions.set(key, each);
    }
    for (const name of namesIn(main)) this.values.add(name);
  }

  graph(proto: GraphProto, outer: Scope): Graph {
    const isMain = outer.depth === 0;
    const scope = this.inside(proto, outer);
    const draft: Draft = { own: new Set(), constants: new Map(), nodes: [] };
    const initializers = new Map(proto.initializer.map((tensor) => [tensor.name, tensor]));
    const inputs: ValueInfo[] = [];
    for (const input of proto.input) {
      const initializer = initializers.get(input.name);
      if (initializer) checkDefault(input, initializer);
      else {
        const name = define(draft, scope.rename(input.name ?? ''), 'graph input');
        const info = within(`graph input ${quote(name)}`, () => this.valueInfo(input, name, isMain));
        if (info) inputs.push(info);
      }
    }
    for (const tensor of proto.initializer) {
      const name = define(draft, scope.rename(tensor.name ?? ''), 'initializer');
      this.constant(draft, name, `initializer ${quote(name)}`, tensor);
    }
    if (proto.sparseInitializer.length > 0) this.reasons.push('the graph has sparse initializers');
    for (const node of proto.node) this.node(node, scope, draft);

    const outputs = proto.output.map(({ name }) => scope.rename(name ?? ''));
    const name = proto.name ?? '';
    if (outputs.length === 0) throw new EspalierError('BAD_GRAPH', `the graph ${quote(name)} has no outputs`);
    if (new Set(outputs).size < outputs.length)
      throw new EspalierError('BAD_GRAPH', `the graph ${quote(name)} gives out a value twice: ${quoteAll(outputs)}`);
    const nodes = inOrder(draft.nodes);
    // What a subgraph lacks, it takes from outside: the node that carries it is seen to read that.
    if (isMain) checkProduced(nodes, outputs, new Set([...draft.own, ...this.unreadable]));
    return { name, inputs, outputs, nodes, constants: draft.constants };
  }

  /** The scope of a graph's own names. In the body of a function, they get names that are free in the model. */
  private inside(proto: GraphProto, outer: Scope): Scope {
    const depth = this.nest(outer);
    if (outer.calls.length === 0) return { ...outer, depth };
    const own = new Set(definedIn(proto));
    const names = new Map<string, string>();
    return {
      ...outer,
      depth,
      rename: (name) => (own.has(name) ? this.local(names, outer.prefix, name) : outer.rename(name)),
    };
  }

  private nest({ depth }: Scope): number {
    if (depth >= MAX_NESTING)
      throw new EspalierError('LIMIT', `subgraphs and function calls nest deeper than ${MAX_NESTING}`);
    return depth + 1;
  }

  private local(names: Map<string, string>, prefix: string, name: string): string {
    if (name === '') return '';
    let local = names.get(name);
    if (local === undefined) {
      local = this.values.unique(`${prefix}${name}`);
      names.set(name, local);
    }
    return local;
  }

  private valueInfo(proto: ValueInfoProto, name: string, isMain: boolean): ValueInfo | undefined {
    const { tensorType } = proto.type ?? {};
    const unreadable = (what: string): undefined => {
      this.reasons.push(`graph input ${quote(name)} is ${what}`);
      this.unreadable.add(name);
    };
    const container = readContainer(proto.type ?? {});
    if (container) return typeof container === 'string' ? unreadable(container) : { name, ...container };
    if (!tensorType?.elemType) {
      if (isMain) throw new EspalierError('BAD_GRAPH', 'has no type');
      // Inference gives the inputs of a body the types of what its node passes in.
      return { name, dtype: 'float32', shape: [] };
    }
    const dtype = dtypeFromOnnx(tensorType.elemType);
    if (!dtype) return unreadable(`${dataTypeName(tensorType.elemType)}, which Espalier does not have`);
    if (!tensorType.shape) {
      if (isMain) return unreadable('a tensor of unknown rank');
      return { name, dtype, shape: [] };
    }
    const shape = this.symbols.shape(tensorType.shape, name);
    sizeOf(shape.filter((d) => typeof d === 'number'));
    return { name, dtype, shape };
  }

  private constant(draft: Draft, name: string, place: string, proto: TensorProto): void {
    const tensor = within(place, () => readTensor(proto));
    if (tensor) draft.constants.set(name, tensor);
    else {
      this.reasons.push(`${place} is ${dataTypeName(proto.dataType)}, which Espalier does not have`);
      this.unreadable.add(name);
    }
  }

  private node(proto: NodeProto, scope: Scope, draft: Draft): void {
    const { opType: op = '' } = proto;
    const index = this.nodeCount++;
    if (index >= MAX_NODES) throw new EspalierError('LIMIT', `the model has more than ${MAX_NODES} nodes`);
    const name = this.nodes.unique(`${scope.prefix}${proto.name || `${op}_${index}`}`);
    within(`node ${quote(name)} (${op})`, () => this.named(name, proto, scope, draft), { node: name });
  }

  private named(name: string, proto: NodeProto, scope: Scope, draft: Draft): void {
    const { opType: op = '' } = proto;
    if (op === '') throw new EspalierError('BAD_GRAPH', 'has no op');
    if (Math.max(proto.input.length, proto.output.length) > MAX_OPERANDS)
      throw new EspalierError('LIMIT', `has more than ${MAX_OPERANDS} inputs or outputs`);
    const domain = domainOf(proto.domain);
    const body = this.functions.get(functionKey(proto.domain, op, proto.overload));
    const seen = new Set<string>();
    for (const { name: attribute } of proto.attribute) {
      if (!attribute) throw new EspalierError('BAD_GRAPH', 'has an attribute without a name');
      if (seen.has(attribute)) throw new EspalierError('BAD_GRAPH', `has the attribute "${attribute}" twice`);
      seen.add(attribute);
    }
    if (body) {
      this.inline(name, proto, body, scope, draft);
      return;
    }
    const opset = scope.opsets.get(domain);
    if (opset === undefined && domain === '')
      throw new EspalierError('BAD_FILE', "its file imports no version of ONNX's own ops");
    const outputs = trimmed(proto.output.map((each) => scope.rename(each)));
    for (const output of outputs) if (output !== '') define(draft, output, 'result');
    if (op === 'Constant' && domain === '') {
      this.constantNode(name, proto, scope, draft, outputs);
      return;
    }
    const attrs = Object.fromEntries(
      proto.attribute.flatMap((attribute) => {
        const found = this.argument(attribute, scope, name);
        return found ? [[attribute.name!, found.value]] : [];
      }),
    );
    const inputs = trimmed(proto.input.map((each) => scope.rename(each)));
    draft.nodes.push({ name, op, domain, inputs, outputs, attrs, opset: opset ?? 0 });
  }

  private constantNode(name: string, proto: NodeProto, scope: Scope, draft: Draft, outputs: readonly string[]): void {
    const [output] = outputs;
    if (proto.attribute.length !== 1 || outputs.length !== 1 || !output)
      throw new EspalierError('BAD_GRAPH', 'must have one output and one attribute, its value');
    const kind = proto.attribute[0]!.name!;
    const found = this.argument(proto.attribute[0]!, scope, name);
    if (!found) {
      if (proto.attribute[0]!.refAttrName)
        throw new EspalierError('BAD_GRAPH', 'its value refers to an attribute that the call does not give');
      this.unreadable.add(output);
      return;
    }
    draft.constants.set(output, constantOf(kind, found));
  }

  /** An attribute's value; undefined where it refers to one that the call leaves out, or is of a kind among the reasons. */
  private argument(proto: AttributeProto, scope: Scope, node: string): Argument | undefined {
    const { name, refAttrName } = proto;
    if (refAttrName) {
      if (!scope.attributes)
        throw new EspalierError('BAD_GRAPH', `its attribute "${name}" refers to a function's, but stands in none`);
      const found = scope.attributes.get(refAttrName);
      if (found && proto.type && typeOfAttribute(found.proto) !== typeOfAttribute(proto))
        throw new EspalierError('BAD_GRAPH', `its attribute "${name}" refers to "${refAttrName}" of another type`);
      return found;
    }
    return within(`its attribute "${name}"`, () => {
      const value = this.attributeValue(proto, scope, `${quote(node)}: the attribute "${name}"`);
      return value === undefined ? undefined : { proto, value };
    });
  }

  private attributeValue(proto: AttributeProto, scope: Scope, place: string): Attribute | undefined {
    const absent = (): never => {
      throw new EspalierError('BAD_GRAPH', 'has no value');
    };
    const tensor = (each: TensorProto): Tensor | undefined => {
      const read = readTensor(each);
      if (!read) this.reasons.push(`${place} is ${dataTypeName(each.dataType)}, which Espalier does not have`);
      return read;
    };
    const type = typeOfAttribute(proto);
    switch (type) {
      case 'float':
        return proto.f ?? 0;
      case 'int':
        return Number(proto.i ?? 0n);
      case 'string':
        return utf8(proto.s ?? new Uint8Array(0));
      case 'tensor':
        return tensor(proto.t ?? absent());
      case 'graph':
        return this.graph(proto.g ?? absent(), scope);
      case 'floats':
        return proto.floats;
      case 'ints':
        return proto.ints.map(Number);
      case 'strings':
        return proto.strings.map(utf8);
      case 'tensors': {
        const all = proto.tensors.map(tensor);
        return all.includes(undefined) ? undefined : (all as Tensor[]);
      }
      case 'type': {
        const read = readType(proto.tp ?? absent());
        if (typeof read !== 'string') return read;
        this.reasons.push(`${place} is ${read}`);
        return undefined;
      }
      case 'graphs':
        return proto.graphs.map((each) => this.graph(each, scope));
      default:
        this.reasons.push(`${place} is a ${type}`);
        return undefined;
    }
  }

  /** The body of a function in place of its call. */
  private inline(name: string, call: NodeProto, body: FunctionProto, scope: Scope, draft: Draft): void {
    const key = functionKey(body.domain, body.name, body.overload);
    if (scope.calls.includes(key))
      throw new EspalierError('BAD_GRAPH', `functions call themselves: ${[...scope.calls, key].join(' -> ')}`);
    if (call.input.length > body.input.length || call.output.length > body.output.length)
      throw new EspalierError(
        'BAD_GRAPH',
        `the function takes ${body.input.length} inputs and gives ${body.output.length} outputs`,
      );
    const prefix = name.length > MAX_PREFIX ? `${this.nodes.unique(`${body.name}_${this.nodeCount}`)}/` : `${name}/`;
    const names = new Map<string, string>();
    body.input.forEach((formal, i) => {
      if (names.has(formal)) throw new EspalierError('BAD_GRAPH', `the function has two inputs ${quote(formal)}`);
      names.set(formal, scope.rename(call.input[i] ?? ''));
    });
    body.output.forEach((formal, i) => {
      const actual = scope.rename(call.output[i] ?? '');
      if (actual === '') return;
      const before = names.get(formal);
      if (before === undefined) names.set(formal, actual);
      else this.identity(before, define(draft, actual, 'result'), scope, draft);
    });
    const inner: Scope = {
      opsets: opsetsOf(body.opsetImport),
      rename: (value) => this.local(names, prefix, value),
      prefix,
      attributes: this.argumentsOf(name, call, body, scope),
      calls: [...scope.calls, key],
      depth: this.nest(scope),
    };
    for (const node of body.node) this.node(node, inner, draft);
  }

  private argumentsOf(name: string, call: NodeProto, body: FunctionProto, scope: Scope): Map<string, Argument> {
    const given = new Map<string, Argument>();
    const known = new Set([...body.attribute, ...body.attributeProto.map((each) => each.name)]);
    for (const proto of call.attribute) {
      if (!known.has(proto.name)) throw new EspalierError('BAD_GRAPH', `the function has no attribute "${proto.name}"`);
      const found = this.argument(proto, scope, name);
      if (found) given.set(proto.name!, found);
    }
    for (const proto of body.attributeProto) {
      if (!proto.name) throw new EspalierError('BAD_GRAPH', 'the function has an attribute without a name');
      const found = given.has(proto.name) ? undefined : this.argument(proto, { ...scope, attributes: new Map() }, name);
      if (found) given.set(proto.name, found);
    }
    return given;
  }

  /** For a function that gives out one value twice, or an input as it is. */
  private identity(from: string, to: string, scope: Scope, draft: Draft): void {
    const name = this.nodes.unique(`${scope.prefix}Identity_${this.nodeCount++}`);
    const opset = scope.opsets.get('') ?? 0;
    draft.nodes.push({ name, op: 'Identity', domain: '', inputs: [from], outputs: [to], attrs: {}, opset });
  }
}

function functionKey(domain: string | undefined, name = '', overload = ''): string {
  return `${domainOf(domain)}::${name}${overload === '' ? '' : `:${overload}`}`;
}

/** Names without those left out at the end. */
function trimmed(names: readonly string[]): string[] {
  let length = names.length;
  while (length > 0 && names[length - 1] === '') length--;
  return names.slice(0, length);
}

function define(draft: Draft, name: string, what: string): string {
  if (name === '') throw new EspalierError('BAD_GRAPH', `the graph has a ${what} without a name`);
  if (draft.own.has(name)) throw new EspalierError('BAD_GRAPH', `two things in the graph make ${quote(name)}`);
  draft.own.add(name);
  return name;
}

/** An input that has an initializer is a constant here; what the file says of it must still be true. */
function checkDefault(input: ValueInfoProto, tensor: TensorProto): void {
  const type = input.type?.tensorType;
  const dims = type?.shape?.dim;
  const fits =
    (!type?.elemType || type.elemType === tensor.dataType) &&
    (!dims ||
      (dims.length === tensor.dims.length &&
        dims.every(({ dimValue }, i) => dimValue === undefined || dimValue === tensor.dims[i])));
  if (!fits)
    throw new EspalierError(
      'BAD_GRAPH',
      `the graph input ${quote(input.name ?? '')} is of another type than its initializer`,
    );
}

function definedIn(graph: GraphProto): string[] {
  return [
    ...graph.input.map(({ name = '' }) => name),
    ...graph.initializer.map(({ name = '' }) => name),
    ...graph.node.flatMap(({ output }) => output),
  ];
}

function namesIn(graph: GraphProto): string[] {
  const graphs = graph.node.flatMap((node) => node.attribute).flatMap(({ g, graphs }) => (g ? [g, ...graphs] : graphs));
  return [...definedIn(graph), ...graphs.flatMap(namesIn)];
}
