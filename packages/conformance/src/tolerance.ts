/** How far a result may be from the reference's: a property of the op, scaled by what the dtype can hold. */

import { dtypes, type Evaluate, integerRange, type Node, type Tensor } from '@espalier/core';
import { decode, type Element, encode, type FloatFormat, floatFormats, isHalf } from './elements.ts';

export interface Evaluated {
  readonly node: Node;
  readonly inputs: readonly (Tensor | undefined)[];
  /** The reference's results. */
  readonly outputs: readonly (Tensor | undefined)[];
  readonly evaluate: Evaluate;
}

/** By element; undefined where every element must be equal. */
export type Slack = Float64Array | undefined;

/** Gives, for every output, the distance that is allowed for each element. */
export type Tolerance = (evaluated: Evaluated) => Promise<readonly Slack[]>;

/** Every element equal: integers, moves, comparisons. */
export const exact: Tolerance = async ({ outputs }) => outputs.map(() => undefined);

/** Only dtypes and shapes: for random numbers. */
export const anything: Tolerance = async ({ outputs }) =>
  outputs.map((output) => output && new Float64Array(output.size).fill(Number.POSITIVE_INFINITY));

/** Roundings that a half type may be off: its results are computed in float32, or nearly so. */
const HALF_UNITS = 4;

/**
 * Within `units` roundings of the result (of the dtype, where it is float), or of `floor` where the result is smaller; results
 * too small for normal numbers may be zero.
 */
export const ulps =
  (units: number, floor = 0): Tolerance =>
  async ({ outputs }) =>
    outputs.map((output) => {
      const most = output && isHalf(output.type) ? Math.min(units, HALF_UNITS) : units;
      return slackOf(output, (magnitude, { epsilon, normal }) => most * epsilon * Math.max(magnitude, floor) + normal);
    });

/** Within `units` roundings of the largest element of the output. */
export const largest =
  (units: number): Tolerance =>
  async ({ outputs }) =>
    outputs.map((output) => {
      const peak = output ? magnitudes(output).reduce((a, b) => (Number.isFinite(b) ? Math.max(a, b) : a), 0) : 0;
      return slackOf(output, (_, { epsilon, normal }) => units * epsilon * peak + normal);
    });

/**
 * For sums of products: within the rounding of `depth` additions of the terms' magnitudes, which are computed as the same
 * call on magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, 3.1). Half types are taken to be added up with
 * random errors, so they get the square root of it.
 */
export const sums =
  (depth: (evaluated: Evaluated) => number): Tolerance =>
  async (evaluated) => {
    const { node, inputs, outputs, evaluate } = evaluated;
    const absolute = inputs.map((input) => input && magnitudeOf(input));
    const attrs = Object.fromEntries(
      Object.entries(node.attrs).map(([name, value]) => [
        name,
        name === 'alpha' || name === 'beta' ? Math.abs(value as number) : value,
      ]),
    );
    const terms = await evaluate({ ...node, attrs }, absolute);
    const additions = Math.max(1, depth(evaluated));
    return outputs.map((output, i) => {
      if (!output) return undefined;
      const scale = magnitudes(terms[i]!);
      const growth = isHalf(output.type) ? 2 * Math.sqrt(additions) + 2 : additions + 2;
      return slackOf(output, (_, { epsilon, normal }, at) => growth * epsilon * scale[at]! + normal);
    });
  };

/**
 * For results that jump, such as rounding to a level: whatever lies between the results for input `input` made smaller and
 * larger by `units` of its roundings.
 */
export const nearby =
  (input: number, units = 2): Tolerance =>
  async ({ node, inputs, outputs, evaluate }) => {
    const moved = await Promise.all(
      [1, -1].map((sign) =>
        evaluate(
          node,
          inputs.map((each, i) => (i === input && each ? scaled(each, sign * units) : each)),
        ),
      ),
    );
    return outputs.map(
      (output, i) =>
        output &&
        distance(
          output,
          moved.map((tensors) => tensors[i]!),
        ),
    );
  };

/** The sum of what is allowed already and what is allowed more. */
export function widen(a: Slack, b: Slack): Slack {
  return a && b ? a.map((x, i) => x + b[i]!) : (a ?? b);
}

/** At every element, how far the farthest of `others` is; undefined for strings. */
export function distance(from: Tensor, others: readonly Tensor[]): Slack {
  if (from.type === 'string') return undefined;
  const base = decode(from);
  const rest = others.map(decode);
  return Float64Array.from({ length: from.size }, (_, i) =>
    Math.max(...rest.map((elements) => gap(base[i]!, elements[i]!))),
  );
}

function gap(a: Element, b: Element): number {
  const difference = typeof a === 'bigint' ? Number((b as bigint) - a) : Math.abs((b as number) - (a as number));
  return Number.isNaN(difference) ? 0 : Math.abs(difference);
}

/** The tensor with every element moved by `units` of its roundings, away from zero where positive. */
function scaled(tensor: Tensor, units: number): Tensor {
  const format = floatFormats[tensor.type];
  if (!format) return tensor;
  const factor = 1 + units * format.epsilon;
  return encode(
    tensor.type,
    tensor.dims,
    Array.from(decode(tensor) as ArrayLike<number>, (x) => x * factor),
  );
}

function slackOf(
  output: Tensor | undefined,
  at: (magnitude: number, format: FloatFormat, index: number) => number,
): Slack {
  const format = output && floatFormats[output.type];
  if (!format) return undefined;
  return magnitudes(output).map((magnitude, i) => at(Math.min(magnitude, format.max), format, i) || 0);
}

function magnitudes(tensor: Tensor): Float64Array {
  return Float64Array.from(decode(tensor) as ArrayLike<number | bigint>, (x) => Math.abs(Number(x)));
}

function magnitudeOf(tensor: Tensor): Tensor {
  if (dtypes[tensor.type].kind !== 'float') return tensor;
  return encode(tensor.type, tensor.dims, magnitudes(tensor));
}

/** Results of an epilogue step's operand: `tensor` moved by `slack`. */
export function moved(tensor: Tensor, slack: Float64Array, sign: 1 | -1): Tensor {
  const elements = decode(tensor) as ArrayLike<number>;
  const [least, most] = floatFormats[tensor.type]
    ? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
    : integerRange(tensor.type);
  return encode(
    tensor.type,
    tensor.dims,
    slack.map((by, i) => Math.min(most, Math.max(least, elements[i]! + sign * by))),
  );
}
