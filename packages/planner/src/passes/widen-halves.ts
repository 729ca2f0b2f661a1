/**
 * float16 and bfloat16 are ways to store numbers; processors compute with float32. What a graph computes in halves is computed in
 * float32 from one end of it to the other, and rounded once where a half is asked for instead of after every node: results are as
 * exact or more exact, and what would overflow on its way does not.
 */

import {
  constantFacts,
  type DType,
  dtypes,
  type Graph,
  hasCode,
  inferNode,
  type Node,
  Tensor,
  usedValues,
  type ValueFacts,
} from '@espalier/core';
import { makeNode, sameShape } from '../rewrite/editor.ts';
import { allNames, freshName } from '../rewrite/names.ts';
import { elementAt } from '../rewrite/values.ts';
import type { Pass, PassContext } from './pass.ts';

/** Ops that compute nothing: they follow what they are given, so that tables of halves stay small. */
const followers = new Set([
  ...[
    'Cast',
    'CastLike',
    'Compress',
    'Concat',
    'DepthToSpace',
    'Expand',
    'Flatten',
    'Gather',
    'GatherElements',
    'GatherND',
  ],
  ...['Identity', 'Pad', 'Reshape', 'Shape', 'Size', 'Slice', 'SpaceToDepth', 'Split', 'Squeeze', 'Tile', 'Transpose'],
  ...['Trilu', 'Unsqueeze', 'Where'],
]);

export const widenHalves: Pass = {
  name: 'widen-halves',
  summary: 'computes in float32 what is stored in float16 or bfloat16',
  run(graph, context) {
    const { values } = context.inferred(graph);
    return [...values.values()].some(isHalf) ? new Widening(graph, context).run() : graph;
  },
};

const isHalf = (facts: ValueFacts | undefined): boolean =>
  facts !== undefined && !facts.container && (facts.dtype === 'float16' || facts.dtype === 'bfloat16');

class Widening {
  private readonly graph: Graph;
  private readonly context: PassContext;
  private readonly values: ReadonlyMap<string, ValueFacts>;
  private readonly constants: Map<string, Tensor>;
  private readonly nodes: Node[] = [];
  private readonly taken: Set<string>;
  /** By half: the same in float32. */
  private readonly wide = new Map<string, string>();
  /** Halves that no node makes any more, unless somebody asks. */
  private readonly missing = new Set<string>();

  constructor(graph: Graph, context: PassContext) {
    this.graph = graph;
    this.context = context;
    this.values = context.inferred(graph).values;
    this.constants = new Map(graph.constants);
    this.taken = allNames(graph);
  }

  run(): Graph {
    let widened = 0;
    for (const node of this.graph.nodes) {
      const outputs = this.outputsOf(node);
      if (outputs) {
        this.widen(node, outputs);
        widened++;
      } else {
        for (const name of usedValues(node)) this.narrow(name);
        this.nodes.push(node);
      }
    }
    if (widened === 0) return this.graph;
    for (const name of this.graph.outputs) this.narrow(name);
    for (let i = 0; i < widened; i++) this.context.rewrote();
    return { ...this.graph, nodes: this.nodes, constants: this.constants };
  }

  private facts(name: string): ValueFacts | undefined {
    return this.values.get(name) ?? this.context.outer(name);
  }

  /** What the node would make of float32 instead of halves, where it should and its op does. */
  private outputsOf(node: Node): ReadonlyMap<string, ValueFacts> | undefined {
    const halves = node.inputs.filter((name) => isHalf(this.facts(name)));
    if (halves.length === 0) return undefined;
    if (followers.has(node.op) && !halves.some((name) => this.missing.has(name))) return undefined;
    const scope = (name: string): ValueFacts | undefined => {
      const facts = this.facts(name);
      if (!isHalf(facts) || !node.inputs.includes(name)) return facts;
      const constant = facts!.constant && this.constants.get(this.inFloat32(name));
      return constant ? constantFacts(constant) : { ...facts!, dtype: 'float32' };
    };
    try {
      const { values } = inferNode(node, this.context.ops, scope);
      const isSame = [...values].every(([name, { dtype, shape, container }]) => {
        const before = this.values.get(name)!;
        const expected = isHalf(before) ? 'float32' : before.dtype;
        return dtype === expected && sameShape(shape, before.shape) && !container === !before.container;
      });
      return isSame ? values : undefined;
    } catch (error) {
      if (hasCode(error, 'UNSUPPORTED')) return undefined;
      throw error;
    }
  }

  private widen(node: Node, made: ReadonlyMap<string, ValueFacts>): void {
    const inputs = node.inputs.map((name) => (isHalf(this.facts(name)) ? this.inFloat32(name) : name));
    const outputs = node.outputs.map((name) => {
      if (!made.has(name) || !isHalf(this.facts(name))) return name;
      const wide = freshName(`${name}/float32`, this.taken);
      this.wide.set(name, wide);
      this.missing.add(name);
      return wide;
    });
    this.nodes.push({ ...node, inputs, outputs });
  }

  private inFloat32(name: string): string {
    let wide = this.wide.get(name);
    if (wide === undefined) {
      wide = freshName(`${name}/float32`, this.taken);
      this.wide.set(name, wide);
      const { constant } = this.facts(name)!;
      if (constant) this.constants.set(wide, toFloat32(constant));
      else this.cast(name, wide, 'float32');
    }
    return wide;
  }

  /** Makes sure that a half is made which something reads. */
  private narrow(name: string): void {
    if (this.missing.delete(name)) this.cast(this.wide.get(name)!, name, this.facts(name)!.dtype);
  }

  private cast(from: string, to: string, dtype: DType): void {
    const name = freshName(`${to}/cast`, this.taken);
    this.nodes.push(makeNode({ name, op: 'Cast', inputs: [from], outputs: [to], attrs: { to: dtypes[dtype].onnx } }));
  }
}

function toFloat32(halves: Tensor): Tensor {
  const data = new Float32Array(halves.size);
  for (let i = 0; i < data.length; i++) data[i] = elementAt(halves, i);
  return new Tensor('float32', data, halves.dims);
}
