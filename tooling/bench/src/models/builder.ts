/** Builds graphs node by node. */

import type { ValueInfo } from '@espalier/core';
import { type Attributes, type DType, type Graph, type Node, sizeOf, Tensor, type TensorSource } from '@espalier/core';
import { normals } from './random.ts';

export class GraphBuilder {
  private readonly name: string;
  private readonly inputs: ValueInfo[] = [];
  private readonly outputs: string[] = [];
  private readonly nodes: Node[] = [];
  private readonly constants = new Map<string, Tensor>();
  private readonly scalars = new Map<string, string>();

  constructor(name: string) {
    this.name = name;
  }

  input(name: string, dtype: DType, shape: ValueInfo['shape']): string {
    this.inputs.push({ name, dtype, shape });
    return name;
  }

  constant(name: string, dtype: DType, data: TensorSource, dims: readonly number[]): string {
    this.constants.set(name, new Tensor(dtype, data, dims));
    return name;
  }

  /** Normally distributed, seeded with its name. */
  weight(name: string, dims: readonly number[], deviation: number, mean = 0): string {
    return this.constant(name, 'float32', normals(name, sizeOf(dims), deviation, mean), dims);
  }

  /** A scalar, one initializer for all its uses. */
  float(value: number): string {
    return this.once(`float ${value}`, () => new Tensor('float32', [value], []));
  }

  /** A list of integers, or a scalar, one initializer for all its uses. */
  ints(values: readonly number[] | number): string {
    const list = typeof values === 'number' ? [values] : values;
    return this.once(
      `ints ${JSON.stringify(values)}`,
      () => new Tensor('int64', list.map(BigInt), typeof values === 'number' ? [] : [list.length]),
    );
  }

  /** Adds a node and names its first output, or the only one. */
  op(op: string, inputs: readonly string[], attrs: Attributes = {}): string {
    return this.ops(op, inputs, 1, attrs)[0]!;
  }

  /** Adds a node with several outputs. */
  ops(op: string, inputs: readonly string[], count: number, attrs: Attributes = {}): string[] {
    const name = `/${op}_${this.nodes.length}`;
    const outputs = Array.from({ length: count }, (_, i) => `${name}_output_${i}`);
    this.nodes.push({ name, op, domain: '', inputs, outputs, attrs });
    return outputs;
  }

  /** Makes a value an output of the model under this name. */
  output(name: string, value: string): void {
    this.nodes.push({ name: `/${name}`, op: 'Identity', domain: '', inputs: [value], outputs: [name], attrs: {} });
    this.outputs.push(name);
  }

  finish(): Graph {
    return {
      name: this.name,
      inputs: this.inputs,
      outputs: this.outputs,
      nodes: this.nodes,
      constants: this.constants,
    };
  }

  private once(name: string, make: () => Tensor): string {
    let known = this.scalars.get(name);
    if (!known) {
      known = `/${name.replace(/[^\w.-]+/g, '_')}`;
      this.constants.set(known, make());
      this.scalars.set(name, known);
    }
    return known;
  }
}
