/** What operands hold: functions from a dtype and a size to elements, seeded. */

import { type Binding, type Dim, type DType, dim, dtypes, sizeOf, type Tensor } from '@espalier/core';
import { decode, type Element, encode, floatFormats, wholeRange } from './elements.ts';
import type { Random } from './random.ts';

export interface ValuesContext {
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** The sizes of this run. */
  readonly at: Binding;
  readonly random: Random;
}

/** Gives the elements of an operand, in row-major order. */
export type Values = (context: ValuesContext) => ArrayLike<Element>;

const words = ['', 'a', 'b', 'espalier', 'été', 'A b', '12', '𝒳'];

function fill(context: ValuesContext, next: () => Element): Element[] {
  return Array.from({ length: sizeOf(context.dims) }, next);
}

/** Evenly spread in [from, to], integers where the dtype has no others, cut to what it holds. */
export const uniform =
  (from: number, to: number): Values =>
  (context) => {
    const { dtype, random } = context;
    const { kind } = dtypes[dtype];
    if (kind === 'string') return fill(context, () => random.of(words));
    if (kind === 'float') return fill(context, () => from + (to - from) * random.next());
    const [least, most] = wholeRange(dtype).map(Number);
    const [low, high] = [Math.max(Math.ceil(from), least!), Math.min(Math.floor(to), most!)];
    return fill(context, () => low + random.below(high - low + 1));
  };

/** Scales of what is quantised. */
export const scales = uniform(1 / 64, 1 / 16);

/** Ordinary numbers, a few of them zero. */
export const ordinary: Values = (context) => {
  const some = uniform(-4, 4)(context);
  return Array.from(some, (x) => (typeof x === 'number' && context.random.below(12) === 0 ? 0 : x));
};

/** Special values of floating-point dtypes: all, all but NaN, or only finite ones. */
export type Specials = 'all' | 'infinite' | 'finite';

/** What `values` gives, with special values of the dtype among it, where it is float: infinities, both zeros, extremes. */
export const special =
  (values: Values, which: Specials = 'all'): Values =>
  (context) => {
    const { dtype, random } = context;
    const format = floatFormats[dtype];
    const some = values(context);
    if (!format) return some;
    const specials = [0, -0, 1, -1, format.max, -format.max, format.normal, format.normal * format.epsilon];
    if (which !== 'finite') specials.push(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
    if (which === 'all') specials.push(Number.NaN);
    return Array.from(some, (x) => (random.below(4) === 0 ? random.of(specials) : x));
  };

/** Any value of the dtype: for ops that move or compare. Integers come from the whole range, beyond 2^53 too. */
export const anything: Values = (context) => {
  const { dtype, random } = context;
  const { kind, bits } = dtypes[dtype];
  if (kind === 'string' || kind === 'float') return special(uniform(-100, 100))(context);
  const [least, most] = wholeRange(dtype);
  const span = most - least + 1n;
  const edges = [least, most, least + 1n, most - 1n, 0n, least + span / 2n];
  return fill(context, () => {
    const pick = random.below(4);
    if (pick === 0) return narrow(random.of(edges), bits);
    if (pick === 1) return narrow(BigInt(random.below(3)) % span, bits);
    const wide = (BigInt(random.below(2 ** 32)) << 32n) | BigInt(random.below(2 ** 32));
    return narrow(least + (wide % span), bits);
  });
};

const narrow = (value: bigint, bits: number): Element => (bits === 64 ? value : Number(value));

/** In [from, to] or [-to, -from]. */
export const awayFromZero =
  (from: number, to: number): Values =>
  (context) => {
    const isSigned = dtypes[context.dtype].kind === 'float' || dtypes[context.dtype].kind === 'int';
    const some = uniform(from, to)(context);
    return Array.from(some as ArrayLike<number>, (x) => (isSigned && context.random.below(2) ? -x : x));
  };

/** Positions along an axis of `size` elements, counted from either end. */
export const indices =
  (size: Dim, negative = true): Values =>
  (context) => {
    const extent = dim.evaluate(size, context.at);
    return fill(context, () => context.random.below(extent) - (negative && context.random.below(3) === 0 ? extent : 0));
  };

/** Positions that are all different, along the one axis of the operand. */
export const distinctIndices =
  (size: Dim): Values =>
  ({ dims, at, random }) =>
    random.shuffle(Array.from({ length: dim.evaluate(size, at) }, (_, i) => i)).slice(0, sizeOf(dims));

/** Exactly these. */
export const exactly =
  (...elements: readonly Dim[]): Values =>
  ({ at }) =>
    elements.map((each) => (typeof each === 'number' ? each : dim.evaluate(each, at)));

/** The same everywhere. */
export const constant =
  (value: Element): Values =>
  (context) =>
    fill(context, () => value);

/** How many zeros a constant is given: a share of its elements at random, or of blocks of `rows` x `columns`. */
export interface Sparsity {
  readonly zeros: number;
  readonly rows: number;
  readonly columns: number;
}

/** The tensor with elements (blocks of them, over its last two axes) made zero. */
export function sparsify(tensor: Tensor, { zeros, rows, columns }: Sparsity, random: Random): Tensor {
  if (zeros === 0 || tensor.size === 0 || tensor.type === 'string') return tensor;
  const elements = Array.from(decode(tensor));
  const width = tensor.dims.at(-1) ?? 1;
  const blocksPerRow = Math.ceil(width / columns);
  const gone = new Map<number, boolean>();
  const zero = typeof elements[0] === 'bigint' ? 0n : 0;
  for (let i = 0; i < elements.length; i++) {
    const block = Math.floor(Math.floor(i / width) / rows) * blocksPerRow + Math.floor((i % width) / columns);
    let isGone = gone.get(block);
    if (isGone === undefined) {
      isGone = random.next() < zeros;
      gone.set(block, isGone);
    }
    if (isGone) elements[i] = zero;
  }
  return encode(tensor.type, tensor.dims, elements);
}
