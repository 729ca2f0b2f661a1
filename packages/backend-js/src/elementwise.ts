/** How ops are written that take elements one by one: as functions of numbers, and of bigints for 64-bit integers. */

import { type Attributes, type DType, dtypes, type HostKernel } from '@espalier/core';
import { broadcast } from './broadcast.ts';
import { define, each, type Operand } from './define.ts';

// biome-ignore lint/suspicious/noExplicitAny: a function gets numbers or bigints, as the dtype has it, and gives back what the output stores.
type Element = any;
type Fold = (a: Element, b: Element) => Element;

/** One op for its element types. What is stored wraps around as the typed array of its dtype does. */
export interface Functions<F> {
  readonly number: F;
  /** Instead of `number` for integers of up to 32 bits (and bool). */
  readonly integer?: F;
  /** Instead of `number` for int64 and uint64. */
  readonly bigint?: F;
}

/** The functions, or how they are made for a call's attributes and the dtypes of its inputs. */
export type Rule<F> = Functions<F> | ((attrs: Record<string, Element>, dtypes: readonly DType[]) => Functions<F>);

/** True for dtypes whose elements are bigints. */
export function isBig(dtype: DType): boolean {
  return dtypes[dtype].bits === 64 && dtypes[dtype].kind !== 'float';
}

/** The function for the dtype of the first input. */
function choose<F>(rule: Rule<F>, attrs: Attributes, inputs: readonly (Operand | undefined)[]): F {
  const given = inputs.map((input) => input!.dtype);
  const { number, integer, bigint } = typeof rule === 'function' ? rule(attrs, given) : rule;
  if (isBig(given[0]!)) return bigint ?? number;
  return dtypes[given[0]!].kind === 'float' ? number : (integer ?? number);
}

/** An op of one input whose output has the same shape. */
export function unary(op: string, rule: Rule<(x: Element) => Element>): HostKernel {
  return define({
    op,
    compute: ({ inputs: [x], outputs: [y], attrs }) => {
      const f = choose(rule, attrs, [x]);
      const [from, to] = [x!.data, y!.data];
      return each(y!.size, (start, end) => {
        for (let i = start; i < end; i++) to[i] = f(from[i]);
      });
    },
  });
}

/** An op of two inputs that broadcast together. */
export function binary(op: string, rule: Rule<Fold>): HostKernel {
  return define({
    op,
    compute: ({ inputs: [a, b], outputs: [y], attrs }) => {
      const f = choose(rule, attrs, [a, b]);
      const [left, right, to] = [a!.data, b!.data, y!.data];
      const { steps, rows } = broadcast(y!.dims, a!.dims, b!.dims);
      const [stepA, stepB] = steps as [number, number];
      return each(y!.size, (start, end) => {
        rows(start, end, (at, count, [offsetA, offsetB]) => {
          let [i, j] = [offsetA!, offsetB!];
          for (let k = at; k < at + count; k++, i += stepA, j += stepB) to[k] = f(left[i], right[j]);
        });
      });
    },
  });
}

/** An op of any number of inputs that broadcast together: `rule` folds them from the left, `finish` makes the result. */
export function variadic(op: string, rule: Rule<Fold>, finish?: (folded: number, count: number) => number): HostKernel {
  return define({
    op,
    compute: ({ inputs, outputs: [y], attrs }) => {
      const operands = inputs.map((input) => input!);
      const f = choose(rule, attrs, inputs);
      const to = y!.data;
      const { steps, rows } = broadcast(y!.dims, ...operands.map(({ dims }) => dims));
      return each(y!.size, (start, end) => {
        rows(start, end, (at, count, offsets) => {
          for (let k = 0; k < count; k++) {
            let folded = operands[0]!.data[offsets[0]! + k * steps[0]!];
            for (let n = 1; n < operands.length; n++)
              folded = f(folded, operands[n]!.data[offsets[n]! + k * steps[n]!]);
            to[at + k] = finish ? finish(folded, operands.length) : folded;
          }
        });
      });
    },
  });
}
