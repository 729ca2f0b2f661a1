/**
 * The graph: ONNX's op names and semantics at opset 22, plus fused ops in the domain `espalier`.
 * Graphs are values: passes make new ones. Nodes stand in topological order; every value is produced once.
 */

import type { Dim } from './dim.ts';
import type { DType } from './dtype.ts';
import type { Format } from './format.ts';
import type { Tensor } from './tensor.ts';

/** The domain of ops that Espalier adds to ONNX's. */
export const ESPALIER = 'espalier';

export interface TensorDesc {
  readonly dtype: DType;
  readonly shape: readonly Dim[];
  /** How it is stored; {@link dense} when absent. */
  readonly format?: Format;
}

/** ONNX's kinds of values. */
export type ValueKind = 'tensor' | 'sequence' | 'optional' | 'optional(sequence)';

/** A sequence of tensors, or an optional: a tensor or a sequence that may be missing. */
export interface Container {
  readonly kind: Exclude<ValueKind, 'tensor'>;
  /**
   * The shape of each tensor in it: `?` where sizes differ or are unknown, `...` alone where the number of axes is. Absent where
   * it certainly holds no tensor.
   */
  readonly shape?: readonly Dim[];
}

/** A tensor; with `container`, a value that holds tensors of this dtype: then `shape` is []. */
export interface ValueType extends TensorDesc {
  readonly container?: Container | undefined;
}

export interface ValueInfo extends ValueType {
  readonly name: string;
}

export type Attribute =
  | number
  | string
  | Tensor
  | Graph
  | ValueType
  | readonly number[]
  | readonly Dim[]
  | readonly string[]
  | readonly Tensor[]
  | readonly Graph[];
export type Attributes = Readonly<Record<string, Attribute>>;

/**
 * An op done to a kernel's result before it is stored: an ONNX op (or DequantizeAdd, see {@link stepNodes}) whose first input is the running value (`position` says
 * where it stands among the op's inputs) and whose other inputs are inputs of the node, by index.
 */
export interface EpilogueStep {
  readonly op: EpilogueOp;
  readonly attrs: Attributes;
  /** Indices into the node's `inputs`. */
  readonly inputs: readonly number[];
  /** Which input of the op the running value is; 0 unless a non-commutative op has it second. */
  readonly position: number;
  /** The node that it was, for messages and where it becomes one again. */
  readonly name?: string;
}

/** The closed list of what can be an epilogue. */
export const epilogueOps = [
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Relu',
  'Gelu',
  'Sigmoid',
  'Tanh',
  'HardSigmoid',
  'HardSwish',
  'LeakyRelu',
  'Elu',
  'Clip',
  'Erf',
  'Mish',
  'Softplus',
  'QuantizeLinear',
  'DequantizeLinear',
  'DequantizeAdd',
] as const;
export type EpilogueOp = (typeof epilogueOps)[number];

export interface Node {
  /** Unique in the graph. */
  readonly name: string;
  readonly op: string;
  /** '' for ONNX's own. */
  readonly domain: string;
  /** Names of values; '' for an optional input that is left out. */
  readonly inputs: readonly string[];
  /** Names of values; '' for an optional output that is not wanted. */
  readonly outputs: readonly string[];
  readonly attrs: Attributes;
  /** What is done to the first output before it is stored. */
  readonly epilogue?: readonly EpilogueStep[];
  /** For a fused op: the ONNX nodes that it stands for, with the node's inputs and outputs as their own. */
  readonly decomposition?: readonly Node[];
}

/** How many of a node's inputs are its op's own: those of its epilogue follow. */
export function ownInputCount({
  inputs,
  epilogue = [],
}: Pick<Node, 'epilogue'> & { readonly inputs: readonly unknown[] }): number {
  return Math.min(inputs.length, ...epilogue.flatMap((step) => step.inputs));
}

/**
 * The ONNX nodes that a step stands for, from the value `running` to `result`. DequantizeAdd are two: DequantizeLinear of its operands
 * (a tensor, one scale and, if not left out, one zero point), which is then added.
 * @param operands names of the step's own inputs
 */
export function stepNodes(
  { op, attrs, position }: EpilogueStep,
  name: string,
  [running, result]: readonly [string, string],
  operands: readonly string[],
): Node[] {
  const whole = { name, domain: '', outputs: [result] };
  if (op !== 'DequantizeAdd') return [{ ...whole, op, attrs, inputs: operands.toSpliced(position, 0, running) }];
  const dequantized = `${result}/${name}`;
  return [
    { ...whole, name: dequantized, op: 'DequantizeLinear', attrs, inputs: operands, outputs: [dequantized] },
    { ...whole, op: 'Add', attrs: {}, inputs: [running, dequantized] },
  ];
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly string[];
  readonly nodes: readonly Node[];
  /** Initializers, by name. */
  readonly constants: ReadonlyMap<string, Tensor>;
}

const subgraphsOf = new WeakMap<Attributes, readonly [string, Graph][]>();

/** Subgraphs that a node carries (bodies of If, Loop, Scan), by attribute name. */
export function subgraphs({ attrs }: Pick<Node, 'attrs'>): readonly [string, Graph][] {
  let known = subgraphsOf.get(attrs);
  if (!known) {
    known = Object.entries(attrs).filter((entry): entry is [string, Graph] => isGraph(entry[1]));
    subgraphsOf.set(attrs, known);
  }
  return known;
}

export function isGraph(value: unknown): value is Graph {
  return typeof value === 'object' && value !== null && 'nodes' in value && 'constants' in value;
}

/** The names of values that the graph and its subgraphs take from outside. */
export function capturedValues(graph: Graph): Set<string> {
  const own = new Set<string>([
    ...graph.constants.keys(),
    ...graph.inputs.map((i) => i.name),
    ...graph.nodes.flatMap((n) => n.outputs),
  ]);
  const captured = new Set<string>();
  for (const node of graph.nodes) for (const name of usedValues(node)) if (!own.has(name)) captured.add(name);
  for (const name of graph.outputs) if (!own.has(name)) captured.add(name);
  return captured;
}

/** The names of values that a node reads, those that its subgraphs capture included. */
export function usedValues(node: Node): readonly string[] {
  const nested = subgraphs(node);
  if (nested.length === 0 && !node.inputs.includes('')) return node.inputs;
  const names = node.inputs.filter((name) => name !== '');
  for (const [, graph] of nested) names.push(...capturedValues(graph));
  return names;
}

/** The node that makes each value, and the nodes that read it (also through subgraphs). */
export interface Uses {
  readonly producer: ReadonlyMap<string, Node>;
  readonly consumers: ReadonlyMap<string, readonly Node[]>;
}

export function usesOf(graph: Graph): Uses {
  const producer = new Map<string, Node>();
  const consumers = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const name of node.outputs) if (name !== '') producer.set(name, node);
    for (const name of new Set(usedValues(node))) {
      const list = consumers.get(name);
      if (list) list.push(node);
      else consumers.set(name, [node]);
    }
  }
  return { producer, consumers };
}
