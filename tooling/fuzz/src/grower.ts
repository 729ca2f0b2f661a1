/** What idioms grow a graph with: operands, constants, and ops that are checked as they are added. */

import {
  type Attributes,
  constantFacts,
  type Dim,
  type DType,
  dim,
  inferNode,
  type Node,
  onnxOps,
  Tensor,
  type ValueFacts,
  type ValueInfo,
} from '@espalier/core';
import { randomNumbers, type Source } from './choices.ts';
import { floats, ints, withPattern } from './data.ts';

/** Around the edges of tiles and vectors; the first is the simplest. */
export const sizes = [1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 24, 31, 32, 33, 47, 48, 64, 65, 100];
const symbolSizes = [...sizes, 0];
/** Values beyond this many elements are not grown on. */
const MOST_ELEMENTS = 20_000;

/** A float32 tensor. */
export interface Value {
  readonly name: string;
  readonly shape: readonly Dim[];
}

/** A few nodes that go together; undefined where they do not take the value. */
export type Idiom = (g: Grower, x: Value) => Value | undefined;

export class Grower {
  readonly source: Source;
  /** Of constants. */
  readonly random: () => number;
  readonly seed: number;
  readonly nodes: Node[] = [];
  readonly constants = new Map<string, Tensor>();
  readonly inputs: ValueInfo[] = [];
  readonly values: Value[] = [];
  readonly bindings: Record<string, number>[] = [{}, {}];
  /** Of integer inputs: they lie below it, and not below minus it. */
  readonly limits = new Map<string, number>();
  private readonly facts = new Map<string, ValueFacts>();
  private count = 0;

  constructor(source: Source) {
    this.source = source;
    this.seed = source.below(1000);
    this.random = randomNumbers(this.seed);
    this.floatInput();
    if (source.chance(3)) this.floatInput();
  }

  private floatInput(): void {
    const rank = 1 + this.source.below(4);
    const shape = this.shape(rank);
    if (this.isSmall(shape)) this.values.push(this.input('float32', shape));
    else if (this.inputs.length === 0) this.floatInput();
  }

  /** Of which the last axis seldom is a symbol. */
  private shape(rank: number): readonly Dim[] {
    return Array.from({ length: rank }, (_, axis): Dim => {
      if (axis === rank - 1 ? !this.source.chance(6) : !this.source.chance(2)) return this.source.pick(sizes);
      return this.symbol();
    });
  }

  private symbol(): string {
    const symbol = this.source.pick(['n', 'm']);
    for (const binding of this.bindings) binding[symbol] ??= this.source.pick(symbolSizes);
    return symbol;
  }

  private input(dtype: DType, shape: readonly Dim[]): Value {
    const name = `x${this.inputs.length}`;
    this.facts.set(name, { dtype, shape });
    this.inputs.push({ name, dtype, shape });
    return { name, shape };
  }

  /** An input of integers that index an axis of `limit`, from either end. */
  indices(limit: number, rank: number): Value {
    const value = this.input(
      'int64',
      this.source.chance(2) ? this.shape(rank) : Array.from({ length: rank }, () => this.source.pick(sizes)),
    );
    this.limits.set(value.name, limit);
    return value;
  }

  /** Small enough, for sizes that go together. */
  isSmall(shape: readonly Dim[]): boolean {
    try {
      return this.bindings.every((at) => shape.reduce((n: number, d) => n * dim.evaluate(d, at), 1) <= MOST_ELEMENTS);
    } catch {
      return false; // A size that no expression tells is not grown on.
    }
  }

  grow(idioms: readonly Idiom[]): void {
    // What was made last is the likeliest to go on with: chains more than bushes.
    const x = this.source.chance(3) ? this.source.pick(this.values) : this.values.at(-1)!;
    const before = this.nodes.length;
    const made = this.source.pick(idioms)(this, x);
    if (made && this.isSmall(made.shape)) this.values.push(made);
    else this.nodes.splice(before);
  }

  constant(tensor: Tensor): string {
    const name = `c${this.count++}`;
    this.constants.set(name, tensor);
    this.facts.set(name, constantFacts(tensor));
    return name;
  }

  scalar(value: number): string {
    return this.constant(new Tensor('float32', [value], []));
  }

  ints(...values: number[]): string {
    return this.constant(ints(...values));
  }

  floats(...dims: number[]): string {
    return this.constant(floats(dims, this.random));
  }

  /** With zeros. */
  weights(...dims: number[]): string {
    return this.constant(withPattern(floats(dims, this.random), this.source, this.random));
  }

  /** All outputs that it makes; undefined where the op does not take these operands. */
  all(
    op: string,
    inputs: readonly (Value | string)[],
    attrs: Attributes = {},
    outputs = 1,
  ): readonly string[] | undefined {
    const names = inputs.map((each) => (typeof each === 'string' ? each : each.name));
    const made = Array.from({ length: outputs }, () => `v${this.count++}`);
    const node: Node = { name: `${op}_${this.nodes.length}`, op, domain: '', inputs: names, outputs: made, attrs };
    try {
      const { values } = inferNode(node, onnxOps, (name) => this.facts.get(name));
      for (const [name, facts] of values) this.facts.set(name, facts);
    } catch {
      return undefined; // Shapes that do not go together are not grown on.
    }
    this.nodes.push(node);
    return made;
  }

  /** Its first output. */
  op(op: string, inputs: readonly (Value | string)[], attrs: Attributes = {}): Value | undefined {
    const made = this.all(op, inputs, attrs);
    return made && this.valueOf(made[0]!);
  }

  valueOf(name: string): Value {
    return { name, shape: this.facts.get(name)!.shape };
  }
}
