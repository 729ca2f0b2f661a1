/** What the translation of one TensorFlow node works with: its inputs and attributes, and short forms for writing ONNX nodes. */

import {
  type Attributes,
  type Dim,
  type DType,
  EspalierError,
  normalizeAxis,
  sizeOf,
  Tensor,
  UnsupportedError,
  type ValueFacts,
} from '@espalier/core';
import type { Builder, Operand } from './builder.ts';
import type { Attrs, TfNode } from './graphdef.ts';

/** Writes the ONNX nodes that a TensorFlow node stands for; gives the values of its outputs. */
export type Translator = (c: Translation) => Operand | readonly (Operand | undefined)[];

/** Past the end of every axis: `Slice` cuts it down. */
export const END = 2 ** 31 - 1;

const MAX_COUNT = 65_536;

export class Translation {
  readonly node: TfNode;
  readonly attrs: Attrs;
  /** The values that the node reads. */
  readonly inputs: readonly string[];
  private readonly builder: Builder;

  constructor(node: TfNode, builder: Builder, inputs: readonly string[]) {
    this.node = node;
    this.attrs = node.attrs;
    this.builder = builder;
    this.inputs = inputs;
  }

  input(index: number): string {
    return this.inputs[index] ?? this.fail(`has no input ${index}`);
  }

  /** Adds a node; gives its first output. */
  emit(op: string, inputs: readonly (Operand | undefined)[], attrs: Attributes = {}): string {
    return this.builder.emit(this.node.name, op, inputs, attrs)[0]!;
  }

  /** Adds a node with several outputs. */
  emitAll(op: string, inputs: readonly (Operand | undefined)[], attrs: Attributes, outputs: number): string[] {
    return this.builder.emit(this.node.name, op, inputs, attrs, outputs);
  }

  /** A value's name, also for a constant. */
  value(x: Operand): string {
    return x instanceof Tensor ? this.builder.constant(x, `${this.node.name}/constant`) : x;
  }

  facts(x: Operand): ValueFacts {
    return this.builder.facts(this.value(x));
  }

  dtype(x: Operand): DType {
    return this.facts(x).dtype;
  }

  shape(x: Operand): readonly Dim[] {
    return this.facts(x).shape;
  }

  rank(x: Operand): number {
    return this.shape(x).length;
  }

  /** The elements of an integer value, where they are known while importing. */
  known(x: Operand): readonly number[] | undefined {
    const { contents } = this.facts(x);
    return contents?.every((d) => typeof d === 'number') ? (contents as readonly number[]) : undefined;
  }

  /** Elements that ONNX has as an attribute, so that they must be known. */
  required(x: Operand, what: string): readonly number[] {
    return this.known(x) ?? this.unsupported(`its ${what} must be constant`);
  }

  /** Input `index` as an axis of `x` (or of something of `rank` axes), counted from 0. */
  axis(index: number, rank: number): number {
    const values = this.required(this.input(index), 'axis');
    if (values.length !== 1) this.fail(`has ${values.length} axes, not one`);
    return normalizeAxis(values[0]!, rank);
  }

  /** A number of values to make: not so many that making them would be an attack. */
  count(value: number): number {
    return value >= 0 && value <= MAX_COUNT
      ? value
      : this.unsupported(`it makes ${value} values, not 0 to ${MAX_COUNT}`);
  }

  cast(x: Operand, to: DType): string {
    return this.builder.cast(this.node.name, this.value(x), to);
  }

  /** Sizes, starts and the like, which ONNX wants in 64 bits. */
  int64(x: Operand): string {
    return this.cast(x, 'int64');
  }

  /** Indices, which ONNX gives in 64 bits and TensorFlow.js keeps in 32. */
  int32(x: Operand): string {
    return this.cast(x, 'int32');
  }

  transpose(x: Operand, perm: readonly number[]): string {
    return this.builder.transpose(this.node.name, this.value(x), perm);
  }

  reshape(x: Operand, shape: readonly number[]): string {
    const { constant } = this.facts(x);
    if (constant && sizeOf(shape) === constant.size) return this.value(constant.reshape(shape));
    return this.emit('Reshape', [x, i64(...shape)], { allowzero: 1 });
  }

  unsqueeze(x: Operand, ...axes: readonly number[]): string {
    return axes.length === 0 ? this.value(x) : this.emit('Unsqueeze', [x, i64(...axes)]);
  }

  squeeze(x: Operand, ...axes: readonly number[]): string {
    return axes.length === 0 ? this.value(x) : this.emit('Squeeze', [x, i64(...axes)]);
  }

  /** The shape of a value as int64. */
  shapeOf(x: Operand): string {
    return this.emit('Shape', [x]);
  }

  /** A scalar of the dtype of `x`. */
  scalar(value: number, like: Operand): Tensor {
    return new Tensor(this.dtype(like), [value], []);
  }

  /** A tensor of one value. */
  fill(shape: Operand, value: Operand): string {
    return this.emit('Expand', [value, shape]);
  }

  fail(message: string): never {
    const { name, op } = this.node;
    throw new EspalierError('BAD_GRAPH', `${name} (${op}) ${message}`, { node: name });
  }

  unsupported(message: string): never {
    const { name, op } = this.node;
    const text = `${name} (${op}): ${message}`;
    throw new UnsupportedError(text, [text], { node: name });
  }
}

/** A list of 64-bit integers. */
export function i64(...values: readonly number[]): Tensor {
  return new Tensor('int64', values, [values.length]);
}
