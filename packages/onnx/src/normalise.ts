/** Turns a graph of a file's opsets into one of opset 22, and says of every node that cannot be turned why. */

import {
  type Attribute,
  type AttributeSchema,
  constantFacts,
  type Dim,
  dim,
  EspalierError,
  type Graph,
  inferGraph,
  inferNode,
  isGraph,
  type Node,
  type OpSchema,
  type OpTable,
  type Scope,
  schemaOf,
  type Tensor,
  UnsupportedError,
  usedValues,
  type ValueFacts,
} from '@espalier/core';
import { type Adapter, adapters, type Conversion } from './adapters.ts';
import type { FileNode } from './build.ts';
import type { Names } from './names.ts';
import { changedSince, isUnchangedSince, NEWEST_OPSET, OLDEST_OPSET } from './opset.ts';
import { within } from './within.ts';

const byOp = new Map<string, Adapter[]>();
for (const adapter of adapters) byOp.set(adapter.op, [...(byOp.get(adapter.op) ?? []), adapter]);

export interface NormaliseContext {
  readonly ops: OpTable;
  /** Names that are taken. */
  readonly values: Names;
  readonly nodes: Names;
  /** Gets a line for every node that is not supported. */
  readonly reasons: string[];
}

export function normalise(graph: Graph, context: NormaliseContext, outer: Facts | undefined = undefined): Graph {
  const constants = new Map(graph.constants);
  const facts = new Facts(context.ops, graph, constants, outer);
  // The types of a body's inputs are those of what its node passes in, whatever the file says.
  if (!outer) for (const { name, ...type } of graph.inputs) facts.values.set(name, type);
  const nodes: Node[] = [];
  for (const node of graph.nodes as readonly FileNode[]) {
    const converted = within(`node "${node.name}" (${node.op})`, () => convert(node, context, facts, constants), {
      node: node.name,
    });
    for (const each of converted) {
      nodes.push(each);
      facts.pending.push(each);
    }
  }
  return { ...graph, nodes, constants };
}

/** What is known of values so far; nodes are inferred only when an adapter asks. */
class Facts {
  readonly values = new Map<string, ValueFacts>();
  readonly pending: Node[] = [];
  private readonly ops: OpTable;
  /** Names that mean something else here than outside. */
  private readonly own: ReadonlySet<string>;
  private readonly constants: ReadonlyMap<string, Tensor>;
  private readonly outer: Facts | undefined;

  constructor(
    ops: OpTable,
    { inputs, nodes }: Graph,
    constants: ReadonlyMap<string, Tensor>,
    outer: Facts | undefined,
  ) {
    this.ops = ops;
    this.own = new Set([...inputs.map(({ name }) => name), ...nodes.flatMap(({ outputs }) => outputs)]);
    this.constants = constants;
    this.outer = outer;
  }

  readonly scope: Scope = (name) => {
    for (const node of this.pending.splice(0)) {
      try {
        for (const [output, known] of inferNode(node, this.ops, this.scope).values) this.values.set(output, known);
      } catch (error) {
        // Adapters do without; the inference of the whole graph, which comes next, will report it.
        if (!(error instanceof EspalierError)) throw error;
      }
    }
    const tensor = this.constants.get(name);
    if (tensor) return constantFacts(tensor);
    return this.values.get(name) ?? (this.own.has(name) ? undefined : this.outer?.scope(name));
  };

  constant(name: string): Tensor | undefined {
    return this.constants.get(name) ?? (this.own.has(name) ? undefined : this.outer?.constant(name));
  }
}

function convert(
  node: FileNode,
  context: NormaliseContext,
  facts: Facts,
  constants: Map<string, Tensor>,
): readonly Node[] {
  const { opset, ...plain } = node;
  const reject = (reason: string): readonly Node[] => {
    context.reasons.push(`${node.name} (${label(node)}): ${reason}`);
    return [plain];
  };
  const known = schemaOf(context.ops, node);
  if (node.domain === '' && opset < OLDEST_OPSET && !(known && isUnchangedSince(known, opset)))
    return reject(`is of opset ${opset}, older than ${OLDEST_OPSET}, and the op changed since`);
  if (node.domain === '' && opset > NEWEST_OPSET)
    return reject(`is of opset ${opset}; the newest that is known is ${NEWEST_OPSET}`);

  const conversion = conversionOf(node, context, facts, constants);
  let nodes: readonly Node[] = [plain];
  for (const adapter of node.domain === '' ? (byOp.get(node.op) ?? []) : []) {
    if (opset >= adapter.before) continue;
    const converted: Node[] = [];
    for (const each of nodes) {
      const result = each.op === adapter.op ? adapter.convert(each, conversion) : each;
      if (typeof result === 'string') return reject(result);
      converted.push(...(Array.isArray(result) ? result : [result]));
    }
    nodes = converted;
  }
  return nodes.map((each) => {
    const schema = schemaOf(context.ops, each);
    const changed = schema && changedSince(schema, opset);
    if (!schema) context.reasons.push(`${each.name}: no op ${label(each)}`);
    else if (changed !== undefined)
      reject(`changed in opset ${changed}, which is not supported yet; the file is of ${opset}`);
    const attrs = Object.entries(each.attrs).map(([name, value]) => [
      name,
      normaliseAttribute(name, value, schema, context, facts),
    ]);
    return { ...each, attrs: Object.fromEntries(attrs) };
  });
}

function label(node: Pick<Node, 'op' | 'domain'>): string {
  return node.domain === '' ? node.op : `${node.domain}.${node.op}`;
}

function conversionOf(
  node: FileNode,
  { values, nodes }: NormaliseContext,
  facts: Facts,
  constants: Map<string, Tensor>,
): Conversion {
  return {
    constant: (name) => facts.constant(name),
    type: (name) => facts.scope(name),
    add: (hint, tensor) => {
      const name = values.unique(hint);
      constants.set(name, tensor);
      return name;
    },
    value: (hint) => values.unique(hint),
    node: (op, inputs, attrs = {}, outputs) => {
      const name = nodes.unique(`${node.name}/${op}`);
      return { name, op, domain: '', inputs, outputs: outputs ?? [values.unique(name)], attrs };
    },
  };
}

/** Bodies are normalised too; values must be of the kind that the schema tells. */
function normaliseAttribute(
  name: string,
  value: Attribute,
  schema: OpSchema | undefined,
  context: NormaliseContext,
  facts: Facts,
): Attribute {
  const type = schema && Object.hasOwn(schema.attributes, name) ? schema.attributes[name]!.type : undefined;
  if (type === 'dims' && Array.isArray(value)) return value.map(dimOf);
  if (type && !fits[type](value))
    throw new EspalierError('BAD_GRAPH', `its attribute "${name}" is not of type ${type}`);
  if (isGraph(value)) return normalise(value, context, facts);
  if (Array.isArray(value) && value.some((each) => isGraph(each as Attribute)))
    return (value as Graph[]).map((each) => normalise(each, context, facts));
  return value;
}

/** Sizes stand as texts in files: numbers, or expressions over symbols. */
function dimOf(value: unknown): Dim {
  return /^\d+$/.test(String(value)) ? Number(value) : dim.parse(String(value));
}

const isInteger = (value: unknown): boolean => Number.isSafeInteger(value);
const isString = (value: unknown): boolean => typeof value === 'string';
const isNumber = (value: unknown): boolean => typeof value === 'number';
const every = (test: (value: unknown) => boolean) => (value: unknown) => Array.isArray(value) && value.every(test);

const fits: Record<AttributeSchema['type'], (value: Attribute) => boolean> = {
  int: isInteger,
  float: isNumber,
  string: isString,
  ints: every(isInteger),
  floats: every(isNumber),
  strings: every(isString),
  dims: every((value) => isInteger(value) || isString(value)),
  tensor: (value) => typeof value === 'object' && 'dims' in value,
  graph: (value) => isGraph(value),
  type: (value) => typeof value === 'object' && 'dtype' in value,
};

/**
 * @param unreadable values that the graph lacks
 * @throws UnsupportedError if there are reasons, with those that inference has against the rest of the graph
 */
export function rejectUnsupported(
  graph: Graph,
  ops: OpTable,
  reasons: readonly string[],
  unreadable: ReadonlySet<string>,
): void {
  if (reasons.length === 0) return;
  const lines = new Set(reasons);
  const lost = new Set(unreadable);
  const nodes = graph.nodes.filter((node) => {
    const isLost = usedValues(node).some((name) => lost.has(name));
    if (isLost) for (const name of node.outputs) lost.add(name);
    return !isLost;
  });
  try {
    inferGraph({ ...graph, nodes }, ops);
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error;
    // Whatever else is wrong may be wrong because of what is missing.
    for (const reason of error instanceof UnsupportedError ? error.reasons : []) lines.add(reason);
  }
  const text = [...lines].join('\n  ');
  throw new UnsupportedError(`the model "${graph.name}" cannot run, for ${lines.size} reason(s):\n  ${text}`, [
    ...lines,
  ]);
}
