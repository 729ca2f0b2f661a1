/** What inference rules check again and again. */

import { type Dim, dim } from '../dim.ts';
import type { Inference } from '../schema.ts';
import { formatShape } from '../shape.ts';

/** The attribute, which must be one of `values`. */
export function oneOf<T extends string>(c: Inference, name: string, values: readonly T[]): T {
  const value = c.string(name);
  if (!(values as readonly string[]).includes(value))
    c.fail(`its attribute "${name}" is "${value}", not one of ${values.join(', ')}`);
  return value as T;
}

/** The shape of input `index`, which must have this rank (at least `rank` where `more`). */
export function ranked(c: Inference, index: number, rank: number, more = false): readonly Dim[] {
  const shape = c.shape(index);
  if (more ? shape.length < rank : shape.length !== rank)
    c.fail(`its input ${index} is ${formatShape(shape)}; it needs ${more ? 'at least ' : ''}${rank} axes`);
  return shape;
}

/** Two sizes that must not differ for certain. */
export function agree(c: Inference, a: Dim, b: Dim, what: string): void {
  if (!dim.mayEqual(a, b)) c.fail(`${what}: ${a} is not ${b}`);
}

/** Input `index`, where given, must have this shape. */
export function shaped(c: Inference, index: number, wanted: readonly Dim[]): void {
  if (!c.has(index)) return;
  ranked(c, index, wanted.length).forEach((d, i) => {
    agree(c, d, wanted[i], `axis ${i} of its input ${index}`);
  });
}

/** Input `index`, where given, is a vector of `size` elements. */
export function vector(c: Inference, index: number, size: Dim): void {
  shaped(c, index, [size]);
}

/** Input `index`, where given, is a single number: a scalar or one element. */
export function single(c: Inference, index: number): void {
  if (c.has(index)) agree(c, dim.product(c.shape(index)), 1, `the elements of its input ${index}`);
}

/** An attribute that is an integer >= 1. */
export function positive(c: Inference, name: string): number {
  const value = c.int(name);
  if (value < 1) c.fail(`its attribute "${name}" is ${value}; it must be at least 1`);
  return value;
}
