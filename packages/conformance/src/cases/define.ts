/**
 * What calls an op is tried with. Shapes are written over named sizes, so that the suite may leave any of them symbolic and
 * run one program at several.
 */

import type { Attribute, Attributes, Dim, DType, OpSchema } from '@espalier/core';
import fc from 'fast-check';
import type { Tolerance } from '../tolerance.ts';
import { exactly, type Values } from '../values.ts';

/** How many sizes a program is run at. */
export const BINDINGS = 3;

/** By name: the size in each of the {@link BINDINGS} runs. */
export type Sizes = Readonly<Record<string, readonly number[]>>;

export interface CaseInput {
  /** Over the case's sizes. */
  readonly shape: readonly Dim[];
  readonly values: Values;
  /** Where the op's schema does not say it: for variadic operands of mixed types. */
  readonly dtype?: DType;
  /** Sizes that its values keep within. */
  readonly within?: readonly Dim[];
  /** Integers that are shape arithmetic: known to inference as expressions. `values` gives the same. */
  readonly contents?: readonly Dim[];
  /** True for what is constant in real models: it is given all densities of zeros. */
  readonly weight?: boolean;
}

/** One call of an op. */
export interface Case {
  /** Up to the last that is given; undefined for one that is left out. */
  readonly inputs: readonly (CaseInput | undefined)[];
  readonly attrs?: Attributes;
  readonly sizes: Sizes;
  /** Sizes that follow from each other in every run, so that they are symbols together or not at all. */
  readonly linked?: readonly (readonly string[])[];
  /** Which outputs are wanted; those that the schema requires when absent. */
  readonly outputs?: readonly boolean[];
}

/** The dtype of each type variable of the op's schema. */
export type TypeBinding = Readonly<Record<string, DType>>;

export interface CaseContext {
  readonly types: TypeBinding;
  readonly schema: OpSchema;
}

/** A row of the table: what an op is tried with, and how exact its results must be. */
export interface OpCases {
  readonly op: string;
  /** '' when absent. */
  readonly domain?: string;
  readonly tolerance: Tolerance;
  /** Undefined where the op does not take these dtypes together. */
  cases(context: CaseContext): fc.Arbitrary<Case> | undefined;
  /** A call of the size that real models have, for benches; the largest of those above is taken when absent. */
  bench?(context: CaseContext): Case | undefined;
}

/** The same row for several ops. */
export function family(ops: readonly string[], row: Omit<OpCases, 'op'>): OpCases[] {
  return ops.map((op) => ({ op, ...row }));
}

/** Where kernels' tiles begin and end. */
const edges = [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65];

const inEveryRun = (one: fc.Arbitrary<number>): fc.Arbitrary<readonly number[]> =>
  fc.array(one, { minLength: BINDINGS, maxLength: BINDINGS });

/** Sizes from a list, made smaller in its order: all that come before are tried, since faults come and go with sizes. */
class Size extends fc.Arbitrary<number> {
  private readonly list: readonly number[];
  private readonly zeroIn: number;

  /** @param zeroIn how many sizes there are to one zero; none for 0. With more zeros most tensors would be empty. */
  constructor(list: readonly number[], zeroIn: number) {
    super();
    this.list = zeroIn > 0 ? [...list, 0] : list;
    this.zeroIn = zeroIn;
  }

  override generate(random: fc.Random): fc.Value<number> {
    const isZero = this.zeroIn > 0 && random.nextInt(0, this.zeroIn) === 0;
    const last = this.list.length - (this.zeroIn > 0 ? 2 : 1);
    return new fc.Value(isZero ? 0 : this.list[random.nextInt(0, last)]!, undefined);
  }

  override canShrinkWithoutContext(value: unknown): value is number {
    return this.list.includes(value as number);
  }

  override shrink(value: number): fc.Stream<fc.Value<number>> {
    const smaller = this.list.slice(0, this.list.indexOf(value));
    return fc.stream(smaller.map((each) => new fc.Value(each, undefined)).values());
  }
}

/** Sizes at the edges of tiles, `least` (zero unless said otherwise) up to `most`. */
export function edge(least = 0, most = 65): fc.Arbitrary<readonly number[]> {
  const list = edges.filter((size) => size >= least && size <= most);
  return inEveryRun(new Size(list, least === 0 ? 12 : 0));
}

/** Sizes from `least` to `most`. */
export function few(least = 0, most = 4): fc.Arbitrary<readonly number[]> {
  const first = Math.max(least, 1);
  const list = Array.from({ length: most - first + 1 }, (_, i) => first + i);
  return inEveryRun(new Size(list, least === 0 ? 24 : 0));
}

/** A size for a bench, or one that a case needs fixed. */
export function fixed(size: number): readonly number[] {
  return new Array<number>(BINDINGS).fill(size);
}

export interface Extents {
  /** `prefix` and a number for each axis. */
  readonly shape: readonly string[];
  readonly sizes: Sizes;
}

/** Shapes of every rank from `minRank` to `maxRank`, two axes of them large (one beyond rank 3), none smaller than `least`. */
export function extents({ minRank = 0, maxRank = 5, least = 0, prefix = 'd' } = {}): fc.Arbitrary<Extents> {
  const axes = Math.max(1, maxRank);
  const ranks = [1, 2, 3, 0, 4, 5].filter((rank) => rank >= minRank && rank <= maxRank);
  return fc
    .record({
      rank: fc.constantFrom(...ranks),
      large: fc.array(edge(least), { minLength: 2, maxLength: 2 }),
      small: fc.array(few(least, 3), { minLength: axes, maxLength: axes }),
      at: fc.array(fc.nat(axes - 1), { minLength: 2, maxLength: 2 }),
    })
    .map(({ rank, large, small, at }) => {
      const shape = Array.from({ length: rank }, (_, axis) => `${prefix}${axis}`);
      const sizes = Object.fromEntries(shape.map((name, axis) => [name, small[axis]!]));
      at.slice(0, rank > 3 ? 1 : 2).forEach((axis, i) => {
        if (axis < rank) sizes[shape[axis]!] = large[i]!;
      });
      return { shape, sizes };
    });
}

export interface Broadcast {
  /** Shapes that broadcast together to `shape`. */
  readonly shapes: readonly (readonly Dim[])[];
  readonly shape: readonly Dim[];
  readonly sizes: Sizes;
  readonly linked: readonly (readonly string[])[];
}

/**
 * Shapes that numpy's rules broadcast together: axes missing at the left, ones, and symbols of their own that turn out to be
 * one in some runs.
 */
export function broadcast(count: number, options: Parameters<typeof extents>[0] = {}): fc.Arbitrary<Broadcast> {
  const axes = options?.maxRank ?? 5;
  const way = fc.constantFrom('same', 'same', 'one', 'own');
  const operand = fc.record({
    missing: fc.constantFrom(0, 0, 0, 1, 2, axes),
    ways: fc.array(way, { minLength: axes, maxLength: axes }),
    ones: fc.array(fc.array(fc.boolean(), { minLength: BINDINGS, maxLength: BINDINGS }), {
      minLength: axes,
      maxLength: axes,
    }),
  });
  const whole = fc.integer({ min: 0, max: count - 1 });
  return fc
    .record({ out: extents(options), operands: fc.array(operand, { minLength: count, maxLength: count }), whole })
    .map(({ out: { shape, sizes }, operands, whole }) => {
      const all: Record<string, readonly number[]> = { ...sizes };
      const shapes = operands.map(({ missing, ways, ones }, i) => {
        // One operand has the whole shape, so that the others never decide it alone.
        if (i === whole) return shape;
        const full = shape.map((name, axis): Dim => {
          if (ways[axis] === 'one') return 1;
          if (ways[axis] === 'same') return name;
          const own = `${name}_${i}`;
          all[own] = sizes[name]!.map((size, run) => (ones[axis]![run] ? 1 : size));
          return own;
        });
        return full.slice(Math.min(missing, full.length));
      });
      const used = new Set(shapes.flat());
      const kept = Object.entries(all).filter(([name]) => used.has(name));
      const linked = shape.map((name) => kept.map(([each]) => each).filter((each) => each.split('_')[0] === name));
      return { shapes, shape, sizes: Object.fromEntries(kept), linked };
    });
}

/** Attributes that are each given in one of these ways or left to their default; those that the op requires always. */
export function attributes(
  choices: Readonly<Record<string, readonly Attribute[]>>,
  schema: OpSchema,
): fc.Arbitrary<Record<string, Attribute>> {
  const models = Object.fromEntries(
    Object.entries(choices).map(([name, list]) => [name, fc.constantFrom<Attribute>(...list)]),
  );
  const requiredKeys = Object.keys(choices).filter((name) => schema.attributes[name]?.required);
  return fc.record(models, { requiredKeys });
}

/** An operand that holds sizes, known to inference as what they are. */
export function shapeInput(contents: readonly Dim[]): CaseInput {
  return { shape: [contents.length], contents, values: exactly(...contents) };
}

/** Inputs without those that are left out at the end. */
export function trim(inputs: readonly (CaseInput | undefined)[]): readonly (CaseInput | undefined)[] {
  const last = inputs.findLastIndex((input) => input !== undefined);
  return inputs.slice(0, last + 1);
}
