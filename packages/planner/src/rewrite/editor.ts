/** A graph being rewritten: who makes and who reads each value, kept up to date from rewrite to rewrite. */

import {
  type Attributes,
  constantFacts,
  type DType,
  dim,
  type Graph,
  hasCode,
  type Inferred,
  inferNode,
  type Node,
  opKey,
  type Shape,
  type Tensor,
  usedValues,
  type ValueFacts,
} from '@espalier/core';
import type { PassContext } from '../passes/pass.ts';
import { allNames, freshName, renameInNode } from './names.ts';
import { uniformValue } from './values.ts';

/** What a new node must have; the rest has defaults. */
export interface NodeSpec {
  readonly name: string;
  readonly op: string;
  readonly domain?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs?: Attributes;
}

export function makeNode(spec: NodeSpec): Node {
  return { domain: '', attrs: {}, ...spec };
}

/** True for one of ONNX's own ops, by name, that carries no epilogue. */
export function isPlain(node: Node | undefined, ...ops: readonly string[]): boolean {
  return node !== undefined && node.domain === '' && ops.includes(node.op) && !node.epilogue?.length;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => dim.equal(d, b[i]!) === true);
}

interface Index {
  readonly slotOf: Map<Node, number>;
  readonly makers: Map<string, Node>;
  readonly readers: Map<string, Set<Node>>;
}

/** Of graphs that the next pass may ask about. Each is one editor's at a time, as editors change theirs. */
const indices = new WeakMap<Graph, Index>();

export class Editor {
  readonly context: PassContext;
  private readonly graph: Graph;
  private readonly slots: Node[][];
  private readonly inferred: Inferred;
  private index: Index | undefined;
  private readonly outputs: ReadonlySet<string>;
  private readonly constants: Map<string, Tensor>;
  private readonly known = new Map<string, ValueFacts>();
  private taken: Set<string> | undefined;
  private changed = false;

  constructor(graph: Graph, context: PassContext) {
    this.graph = graph;
    this.context = context;
    this.inferred = context.inferred(graph);
    this.outputs = new Set(graph.outputs);
    this.constants = new Map(graph.constants);
    this.slots = graph.nodes.map((node) => [node]);
  }

  /** Who makes and who reads what; made for those who ask, as most passes find nothing to rewrite. */
  private get uses(): Index {
    this.index ??= indices.get(this.graph);
    indices.delete(this.graph);
    if (!this.index) {
      this.index = { slotOf: new Map(), makers: new Map(), readers: new Map() };
      this.slots.forEach(([node], i) => void this.attach(node!, i));
    }
    return this.index;
  }

  /** The nodes in order, as they are when the walk reaches them. */
  *nodes(): Generator<Node> {
    for (const slot of this.slots) for (let i = 0; i < slot.length; i++) yield slot[i]!;
  }

  /** True until the node is replaced. */
  has(node: Node): boolean {
    return this.uses.slotOf.has(node);
  }

  /** True where the op table has the op. */
  knows(op: string, domain = ''): boolean {
    return this.context.ops.has(opKey(domain, op));
  }

  facts(name: string): ValueFacts | undefined {
    return this.known.get(name) ?? this.inferred.values.get(name) ?? this.context.outer(name);
  }

  shape(name: string): Shape {
    return this.facts(name)!.shape;
  }

  dtype(name: string): DType {
    return this.facts(name)!.dtype;
  }

  constant(name: string | undefined): Tensor | undefined {
    return name ? this.facts(name)?.constant : undefined;
  }

  /** True where the run knows every symbol before its first node. */
  isGlobal(shape: Shape): boolean {
    return shape.every((d) => dim.symbols(d).every((symbol) => this.context.symbols.has(symbol)));
  }

  /** True where only a run finds out sizes that the node makes. Their symbols have their names from its outputs. */
  bindsSizes(node: Node): boolean {
    return this.inferred.fresh.has(node.name);
  }

  /** The number that all elements of a constant are. */
  scalar(name: string | undefined): number | undefined {
    const tensor = this.constant(name);
    return tensor && uniformValue(tensor);
  }

  /** The node that makes a value; undefined for inputs, constants and values of outer graphs. */
  maker(name: string | undefined): Node | undefined {
    return name ? this.uses.makers.get(name) : undefined;
  }

  /** The same, where it is one of these ops of ONNX's own without an epilogue. */
  madeBy(name: string | undefined, ...ops: readonly string[]): Node | undefined {
    const node = this.maker(name);
    return isPlain(node, ...ops) ? node : undefined;
  }

  readers(name: string): readonly Node[] {
    return [...(this.uses.readers.get(name) ?? [])];
  }

  isOutput(name: string): boolean {
    return this.outputs.has(name);
  }

  /** The one node that reads a value which nothing else needs. */
  onlyReader(name: string): Node | undefined {
    const readers = this.uses.readers.get(name);
    if (readers?.size !== 1 || this.isOutput(name)) return undefined;
    const [reader] = readers;
    return reader!.inputs.includes(name) ? reader : undefined;
  }

  /** True where nothing but `nodes` needs what they make, `results` aside. */
  isClosed(nodes: ReadonlySet<Node>, ...results: readonly string[]): boolean {
    for (const node of nodes) {
      for (const name of node.outputs) {
        if (name === '' || results.includes(name)) continue;
        if (this.isOutput(name) || this.readers(name).some((reader) => !nodes.has(reader))) return false;
      }
    }
    return true;
  }

  /** A name that no value and no node has. */
  fresh(hint: string): string {
    this.taken ??= allNames(this.graph);
    return freshName(hint, this.taken);
  }

  /** Adds a constant and gives its name. */
  addConstant(hint: string, tensor: Tensor): string {
    const name = this.fresh(hint);
    this.constants.set(name, tensor);
    this.known.set(name, constantFacts(tensor));
    return name;
  }

  /**
   * Puts `by` where the last of `old` stands. Refused, with false, where the op table does not take the new nodes' operands,
   * where a value that stays would not certainly keep its type and shape, or where the new nodes take more for granted.
   */
  replace(old: readonly Node[], by: readonly Node[]): boolean {
    const found = this.infer(by);
    if (!found) return false;
    for (const [name, facts] of found.values) {
      const before = this.facts(name);
      if (before && !(before.dtype === facts.dtype && sameShape(before.shape, facts.shape))) return false;
    }
    if (found.assumed.size > 0) {
      const known = this.infer(old)!.assumed;
      if ([...found.assumed].some((assumption) => !known.has(assumption))) return false;
    }
    const slot = Math.max(...old.map((node) => this.uses.slotOf.get(node)!));
    const at = this.slots[slot]!.findIndex((node) => old.includes(node));
    for (const node of old) this.detach(node);
    this.slots[slot]!.splice(at, 0, ...by);
    for (const node of by) this.attach(node, slot);
    for (const [name, facts] of found.values) this.known.set(name, facts);
    this.touch();
    return true;
  }

  /** What nodes make and take for granted; undefined where an op does not take what it is given. */
  private infer(nodes: readonly Node[]): { values: Map<string, ValueFacts>; assumed: Set<string> } | undefined {
    const values = new Map<string, ValueFacts>();
    const assumed = new Set<string>();
    for (const node of nodes) {
      try {
        const found = inferNode(
          node,
          this.context.ops,
          (name) => values.get(name) ?? this.facts(name),
          this.context.memo,
        );
        for (const [name, facts] of found.values) values.set(name, facts);
        for (const { kind, a, b } of found.assumed) assumed.add(`${kind} ${a} ${b}`);
      } catch (error) {
        if (hasCode(error, 'UNSUPPORTED')) return undefined;
        throw error;
      }
    }
    return { values, assumed };
  }

  /** Removes a node whose only result is the value `to`. False where an output of the graph has to be made by an Identity. */
  bypass(node: Node, to: string): boolean {
    const [from] = node.outputs as [string];
    if (!this.isOutput(from)) {
      this.detach(node);
      this.rename(from, to);
    } else {
      const maker = this.uses.makers.get(to);
      if (!maker || this.isOutput(to) || this.bindsSizes(maker)) {
        if (isPlain(node, 'Identity')) return false;
        const { name, outputs } = node;
        return this.replace([node], [makeNode({ name, op: 'Identity', inputs: [to], outputs: outputs.slice(0, 1) })]);
      }
      this.detach(node);
      this.rename(to, from);
      this.substitute(maker, renameInNode(maker, new Map([[to, from]])));
    }
    this.touch();
    return true;
  }

  /** Makes constants of all that a node makes, and removes it. */
  makeConstant(node: Node, tensors: readonly (Tensor | undefined)[]): void {
    this.detach(node);
    node.outputs.forEach((name, i) => {
      if (name === '') return;
      this.constants.set(name, tensors[i]!);
      this.known.set(name, constantFacts(tensors[i]!));
    });
    this.touch();
  }

  /** Makes every reader of one value read another. */
  rename(from: string, to: string): void {
    for (const reader of this.readers(from)) this.substitute(reader, renameInNode(reader, new Map([[from, to]])));
    this.touch(0);
  }

  /** The graph as it has become; the one it was where nothing was rewritten. */
  finish(): Graph {
    if (!this.changed) {
      if (this.index) indices.set(this.graph, this.index);
      return this.graph;
    }
    const nodes = inOrder(this.slots.flat());
    const graph = { ...this.graph, nodes, constants: this.constants };
    if (this.index) indices.set(graph, { ...this.index, slotOf: new Map(nodes.map((node, i) => [node, i])) });
    return graph;
  }

  private touch(rewrites = 1): void {
    this.changed = true;
    if (rewrites > 0) this.context.rewrote();
  }

  private substitute(node: Node, by: Node): void {
    const slot = this.uses.slotOf.get(node)!;
    const at = this.slots[slot]!.indexOf(node);
    this.detach(node);
    this.slots[slot]!.splice(at, 0, by);
    this.attach(by, slot);
  }

  private attach(node: Node, slot: number): void {
    const { slotOf, makers, readers } = this.uses;
    slotOf.set(node, slot);
    for (const name of node.outputs) if (name !== '') makers.set(name, node);
    for (const name of usedValues(node)) {
      const known = readers.get(name);
      if (known) known.add(node);
      else readers.set(name, new Set([node]));
    }
  }

  private detach(node: Node): void {
    const { slotOf, makers, readers } = this.uses;
    const slot = this.slots[slotOf.get(node)!]!;
    slot.splice(slot.indexOf(node), 1);
    slotOf.delete(node);
    for (const name of node.outputs) if (makers.get(name) === node) makers.delete(name);
    for (const name of usedValues(node)) readers.get(name)?.delete(node);
  }
}

/** True where no node reads what a later one makes. */
function isInOrder(nodes: readonly Node[]): boolean {
  const read = new Set<string>();
  for (const node of nodes) {
    if (node.outputs.some((name) => read.has(name))) return false;
    for (const name of usedValues(node)) read.add(name);
  }
  return true;
}

/** Nodes in topological order, otherwise as they stand. */
function inOrder(nodes: readonly Node[]): readonly Node[] {
  if (isInOrder(nodes)) return nodes;
  const makers = new Map<string, Node>();
  for (const node of nodes) for (const name of node.outputs) if (name !== '') makers.set(name, node);
  const ordered = new Set<Node>();
  const open = new Set<Node>();
  for (const node of nodes) {
    const pending = [node];
    while (pending.length > 0) {
      const next = pending.at(-1)!;
      open.add(next);
      const missing = usedValues(next)
        .map((name) => makers.get(name))
        .filter((maker) => maker !== undefined && !ordered.has(maker)) as Node[];
      if (missing.length === 0) {
        ordered.add(next);
        pending.pop();
      } else if (missing.some((maker) => open.has(maker))) {
        throw new Error(`the rewritten graph has a cycle through ${next.name}`);
      } else pending.push(...missing);
    }
  }
  return [...ordered];
}
