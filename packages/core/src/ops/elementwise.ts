/** Shape arithmetic: what element-wise ops do to contents, element by element. */

import { type Dim, dim } from '../dim.ts';
import { type DType, integerRange } from '../dtype.ts';
import { hasCode } from '../errors.ts';
import { CONTENTS_LIMIT } from '../infer.ts';
import type { Inference } from '../schema.ts';
import { broadcastShapes, broadcastStrides, sizeOf } from '../shape.ts';

/** One element of the output from those of the inputs; undefined where it is not certain, or not an integer. Bools are 0 and 1. */
export type Element = (...elements: readonly Dim[]) => Dim | undefined;

/**
 * An inference rule: the output has the shape that all inputs broadcast to, and the contents that `element` tells.
 * @__NO_SIDE_EFFECTS__
 */
export function elementwise(element?: Element): (c: Inference) => void {
  return (c) => {
    const shapes = Array.from({ length: c.inputCount }, (_, i) => c.shape(i));
    const shape = broadcastShapes(...shapes);
    const contents = element && elementContents(c, shape, c.inputCount, element);
    c.output(0, shape, { contents });
  };
}

/** Contents of an output of `shape` by `element`, from those of the first `count` inputs; undefined where any is not known. */
export function elementContents(
  c: Inference,
  shape: readonly Dim[],
  count: number,
  element: Element,
  dtype?: DType,
): readonly Dim[] | undefined {
  if (!shape.every((d) => typeof d === 'number') || sizeOf(shape) > CONTENTS_LIMIT) return undefined;
  const operands: { contents: readonly Dim[]; strides: readonly number[] }[] = [];
  for (let i = 0; i < count; i++) {
    const contents = c.contents(i);
    if (!contents) return undefined;
    operands.push({ contents, strides: broadcastStrides(c.shape(i) as readonly number[], shape) });
  }
  const range = integerRange(dtype ?? c.input(count - 1).dtype);
  const result: Dim[] = [];
  for (let i = 0; i < sizeOf(shape); i++) {
    const value = certain(
      element,
      operands.map(({ contents, strides }) => contents[offsetOf(i, shape, strides)]!),
    );
    if (value === undefined || !fits(value, ...range)) return undefined;
    result.push(value);
  }
  return result;
}

/** Where element `index` (row-major) of `shape` is found by `strides`. */
function offsetOf(index: number, shape: readonly number[], strides: readonly number[]): number {
  let offset = 0;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    offset += strides[axis]! * (index % shape[axis]!);
    index = Math.floor(index / shape[axis]!);
  }
  return offset;
}

// Beyond 2^53 a dimension cannot exist but an element can: then it is only unknown here.
function certain(element: Element, values: readonly Dim[]): Dim | undefined {
  try {
    return element(...values);
  } catch (error) {
    if (hasCode(error, 'LIMIT')) return undefined;
    throw error;
  }
}

/** False where the dtype may wrap around. Expressions are sizes, or differences of them: taken to fit in 32 bits. */
function fits(value: Dim, min: number, max: number): boolean {
  if (typeof value === 'number') return value >= min && value <= max;
  return max >= 2 ** 31 - 1 && (min < 0 || dim.lowerBound(value) >= 0);
}

const areNumbers = (a: Dim, b: Dim): boolean => typeof a === 'number' && typeof b === 'number';
const isCertainlyNatural = (a: Dim): boolean => dim.lowerBound(a) >= 0;
const truth = (value: boolean | undefined): Dim | undefined => (value === undefined ? undefined : Number(value));

/** True or false where `a < b` is certain either way. */
function less(a: Dim, b: Dim): boolean | undefined {
  if (dim.lowerBound(dim.sub(b, a)) > 0) return true;
  return isCertainlyNatural(dim.sub(a, b)) ? false : undefined;
}

const not = (value: boolean | undefined): boolean | undefined => (value === undefined ? undefined : !value);

const floorMod = (a: Dim, b: Dim): Dim | undefined => (b === 0 ? undefined : dim.mod(a, b));

/** The rules, by the op that they belong to. */
export const element = {
  abs: (a) => (isCertainlyNatural(a) ? a : isCertainlyNatural(dim.sub(0, a)) ? dim.sub(0, a) : undefined),
  neg: (a) => dim.sub(0, a),
  add: (a, b) => dim.add(a, b),
  sub: (a, b) => dim.sub(a, b),
  mul: (a, b) => dim.mul(a, b),
  /** Truncates towards zero, as ONNX does; a floor is that only for natural numbers, or where nothing is left over. */
  div: (a, b) => {
    if (b === 0) return undefined;
    if (typeof a === 'number' && typeof b === 'number') return Math.trunc(a / b) + 0;
    const quotient = dim.floorDiv(a, b);
    const isExact = dim.equal(dim.mul(quotient, b), a) === true;
    return isExact || (isCertainlyNatural(a) && isCertainlyNatural(b)) ? quotient : undefined;
  },
  /** The result has the divisor's sign. */
  mod: floorMod,
  /** The result has the dividend's sign. */
  fmod: (a, b) => (isCertainlyNatural(a) && isCertainlyNatural(b) ? floorMod(a, b) : undefined),
  min: (...all) => all.reduce(dim.min),
  max: (...all) => all.reduce(dim.max),
  equal: (a, b) => truth(dim.equal(a, b)),
  less: (a, b) => truth(less(a, b)),
  lessOrEqual: (a, b) => truth(not(less(b, a))),
  greater: (a, b) => truth(less(b, a)),
  greaterOrEqual: (a, b) => truth(not(less(a, b))),
  not: (a) => (typeof a === 'number' ? Number(a === 0) : undefined),
  and: (a, b) => (a === 0 || b === 0 ? 0 : areNumbers(a, b) ? 1 : undefined),
  or: (a, b) => (a === 1 || b === 1 ? 1 : areNumbers(a, b) ? 0 : undefined),
  where: (condition, a, b) => (condition === 0 ? b : condition === 1 || a === b ? a : undefined),
  toBool: (a) => truth(not(dim.equal(a, 0))),
  same: (a) => a,
} satisfies Record<string, Element>;
