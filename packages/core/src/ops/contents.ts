/** Shape arithmetic: the known elements of small integer tensors, and helpers for rules that read them. */

import { type Dim, dim } from '../dim.ts';
import { CONTENTS_LIMIT } from '../infer.ts';
import type { Inference } from '../schema.ts';
import { type Shape, stridesOf } from '../shape.ts';

/** What a rule says of an op's only output. */
export interface Result {
  readonly shape: readonly Dim[];
  readonly contents?: readonly Dim[] | undefined;
}

/** The rule of an op with one output, from what it says of it. */
export const gives =
  (rule: (c: Inference) => Result) =>
  (c: Inference): void => {
    const { shape, contents } = rule(c);
    c.output(0, shape, { contents });
  };

/** True when a tensor of this shape is small enough to know its elements. */
export function isSmall(shape: Shape): shape is readonly number[] {
  return shape.every((d) => typeof d === 'number') && shape.reduce((size, d) => size * d, 1) <= CONTENTS_LIMIT;
}

/** The position of every element of `dims`, in row-major order, in an array with these strides. */
export function positions(dims: readonly number[], strides: readonly number[], offset = 0): number[] {
  let found = [offset];
  dims.forEach((extent, axis) => {
    const steps = Array.from({ length: extent }, (_, i) => i * strides[axis]);
    found = found.flatMap((position) => steps.map((step) => position + step));
  });
  return found;
}

/** What is known of a tensor of shape `dims` whose elements are those of input `index` at these strides. */
export function moved(
  c: Inference,
  index: number,
  dims: Shape,
  strides: (input: readonly number[]) => readonly number[],
  offset = 0,
): readonly Dim[] | undefined {
  const contents = c.contents(index);
  const shape = c.shape(index);
  if (!contents || !isSmall(dims) || !isSmall(shape)) return undefined;
  return positions(dims, strides(stridesOf(shape)), offset).map((position) => contents[position]);
}

/** The elements of input `index`; whole numbers beyond 2^53 (the ends of a Slice) are clamped to it. */
export function clampedContents(c: Inference, index: number): readonly Dim[] | undefined {
  const data = c.contents(index) ?? c.constant(index)?.data;
  if (!data || data.length > CONTENTS_LIMIT) return undefined;
  return Array.from(data as ArrayLike<Dim | bigint>, (value) =>
    typeof value === 'bigint'
      ? Math.min(Math.max(Number(value), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)
      : value,
  );
}

/** The length of the list that input `index` is; it must be certain because it decides a rank. */
export function lengthOf(c: Inference, index: number): number {
  const shape = c.shape(index);
  if (shape.length > 1) c.fail(`its input ${index} has ${shape.length} axes; it must be a list`);
  const length = shape.length === 0 ? 1 : shape[0];
  if (typeof length === 'string')
    c.unsupported(`input ${index} has ${length} elements, and how many decides the rank of the output`);
  return length;
}

/** A shape of `rank` sizes that only the run can tell. */
export function freshShape(c: Inference, output: number, rank: number): Dim[] {
  if (rank < 0) c.fail('takes away more axes than its input has');
  return Array.from({ length: rank }, (_, axis) => c.fresh(output, axis));
}

/** The dims of an attribute of that type, in canonical form; undefined where it is absent. */
export function dimsAttribute(c: Inference, name: string): readonly Dim[] | undefined {
  const value = c.attrs[name];
  if (value === undefined) return undefined;
  const isDim = (d: unknown): d is Dim => typeof d === 'string' || Number.isSafeInteger(d);
  if (!Array.isArray(value) || !value.every(isDim)) c.fail(`its attribute "${name}" is not a list of dimensions`);
  return value.map((d) => (typeof d === 'string' ? dim.parse(d) : d));
}

/** The dimension that two that must be equal both are: the number, where one is. */
export function common(c: Inference, a: Dim, b: Dim, what: string): Dim {
  if (!dim.mayEqual(a, b)) c.fail(`${what}: ${a} is not ${b}`);
  return typeof b === 'number' ? b : a;
}
