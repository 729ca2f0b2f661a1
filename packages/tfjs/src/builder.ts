/**
 * Builds the graph node by node, inferring each at once, so that whoever writes the next one knows dtypes, shapes and the
 * contents of shape arithmetic.
 */

import {
  type Attributes,
  constantFacts,
  type DType,
  dtypes,
  EspalierError,
  type Graph,
  inferNode,
  type Node,
  type OpTable,
  Tensor,
  type ValueFacts,
  type ValueInfo,
} from '@espalier/core';
import { transpose } from './transpose.ts';

/** A value by its name, or a constant. */
export type Operand = string | Tensor;

/** Constants of at most this many elements are stored once, however often they are used. */
const SHARED_LIMIT = 32;

export class Builder {
  private readonly ops: OpTable;
  private readonly inputs: ValueInfo[] = [];
  private readonly nodes: Node[] = [];
  private readonly constants = new Map<string, Tensor>();
  private readonly values = new Map<string, ValueFacts>();
  private readonly names: Set<string>;
  /** By what they are: small constants, casts and transposes, and the inverses of these. */
  private readonly made = new Map<string, string>();

  /** @param reserved names that only {@link input} and {@link finish} give */
  constructor(ops: OpTable, reserved: Iterable<string>) {
    this.ops = ops;
    this.names = new Set(reserved);
  }

  input(info: ValueInfo): string {
    this.inputs.push(info);
    this.values.set(info.name, { dtype: info.dtype, shape: info.shape });
    return info.name;
  }

  constant(tensor: Tensor, name: string): string {
    const { type, dims, size } = tensor;
    const add = (): string => {
      const unique = this.unique(name);
      this.constants.set(unique, tensor);
      this.values.set(unique, constantFacts(tensor));
      return unique;
    };
    if (size > SHARED_LIMIT || type === 'string') return add();
    return this.once(`${type} [${dims}] ${tensor.bytes}`, add);
  }

  /** What is known of a value. */
  facts(value: string): ValueFacts {
    return this.values.get(value)!;
  }

  /**
   * Adds a node in ONNX's domain, named after `scope`; gives its outputs.
   * @throws UnsupportedError or EspalierError as `inferNode` does
   */
  emit(scope: string, op: string, inputs: readonly (Operand | undefined)[], attrs: Attributes, outputs = 1): string[] {
    const name = this.unique(scope.endsWith(`/${op}`) ? scope : `${scope}/${op}`);
    const given = inputs.slice(0, inputs.findLastIndex((x) => x !== undefined) + 1);
    const operands = given.map((x) => (x instanceof Tensor ? this.constant(x, `${scope}/constant`) : (x ?? '')));
    const results = Array.from({ length: outputs }, (_, i) => (i === 0 ? name : this.unique(`${name}:${i}`)));
    const node: Node = { name, op, domain: '', inputs: operands, outputs: results, attrs };
    for (const [value, facts] of inferNode(node, this.ops, (value) => this.values.get(value)).values)
      this.values.set(value, facts);
    this.nodes.push(node);
    return results;
  }

  /** `x` as another dtype. A shape that was narrowed to int32 and is wanted as int64 again is the shape itself. */
  cast(scope: string, x: string, to: DType): string {
    const { dtype, constant } = this.facts(x);
    if (dtype === to) return x;
    if (constant && dtype === 'int32' && to === 'int64')
      return this.constant(
        new Tensor('int64', Array.from(constant.data as Int32Array), constant.dims),
        `${scope}/constant`,
      );
    return this.once(`cast ${to} ${x}`, () => {
      const [result] = this.emit(scope, 'Cast', [x], { to: dtypes[to].onnx });
      if (dtype === 'int64' && to === 'int32') this.made.set(`cast int64 ${result}`, x);
      return result!;
    });
  }

  /** `x` with its axes in the order `perm`; what was transposed and is wanted back is not transposed again. */
  transpose(scope: string, x: string, perm: readonly number[]): string {
    const axes = this.facts(x).shape.map((_, axis) => axis);
    if ([...perm].sort((a, b) => a - b).join() !== axes.join())
      throw new EspalierError('BAD_GRAPH', `${scope} orders ${axes.length} axes as [${perm}]`, { node: scope });
    if (perm.join() === axes.join()) return x;
    return this.once(`transpose ${perm} ${x}`, () => {
      const { constant } = this.facts(x);
      if (constant) return this.constant(transpose(constant, perm), `${scope}/constant`);
      const [result] = this.emit(scope, 'Transpose', [x], { perm });
      this.made.set(`transpose ${perm.map((_, i) => perm.indexOf(i))} ${result}`, x);
      return result!;
    });
  }

  /** The graph with these outputs (public name, value), without what they do not need. */
  finish(name: string, outputs: readonly (readonly [string, string])[]): Graph {
    const produced = new Set(this.nodes.flatMap((node) => node.outputs));
    const renamed = new Map<string, string>();
    const taken = new Set(this.inputs.map((input) => input.name));
    const results = outputs.map(([wanted, value]) => {
      const result = taken.has(wanted) ? this.unique(wanted) : wanted;
      taken.add(result);
      if (produced.has(value) && !renamed.has(value)) renamed.set(value, result);
      else
        this.nodes.push({
          name: this.unique(`${result}/Identity`),
          op: 'Identity',
          domain: '',
          inputs: [value],
          outputs: [result],
          attrs: {},
        });
      return result;
    });
    const publicName = (value: string): string => renamed.get(value) ?? value;
    const needed = new Set(results);
    const nodes: Node[] = [];
    for (const node of this.nodes.toReversed()) {
      const outputs = node.outputs.map(publicName);
      if (!outputs.some((value) => needed.has(value))) continue;
      const inputs = node.inputs.map(publicName);
      for (const value of inputs) needed.add(value);
      nodes.push({ ...node, inputs, outputs });
    }
    const constants = new Map([...this.constants].filter(([value]) => needed.has(value)));
    return { name, inputs: this.inputs, outputs: results, nodes: nodes.reverse(), constants };
  }

  private once(what: string, make: () => string): string {
    const value = this.made.get(what) ?? make();
    this.made.set(what, value);
    return value;
  }

  private unique(name: string): string {
    let candidate = name;
    for (let i = 1; this.names.has(candidate); i++) candidate = `${name}_${i}`;
    this.names.add(candidate);
    return candidate;
  }
}
