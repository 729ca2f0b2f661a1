/**
 * A row of an instruction table: how its method is made, and which forms the method takes. The forms feed messages and the
 * comparison with GNU as, so that a row cannot exist without being tested.
 */
import { describe } from '../address.ts';
import type { Code } from '../code.ts';
import { AssemblerError } from '../errors.ts';
import type { Either, Takes } from './signatures.ts';

/** A combination of operands that an instruction takes. */
export interface Form {
  /**
   * In Intel's order: a register class (`zmm`, `r64`, `k`, `tmm`), a register (`cl`), `imm8` to `imm64`, a memory operand by
   * its bits (`m512`; `m` for any; `m32!` where the address has to say its size), `vm:zmm` and the like for gathers, `msib`.
   */
  readonly operands: readonly string[];
  /** How an operand may be encoded without and with EVEX; neither for instructions that are not vector instructions. */
  readonly vex?: boolean;
  readonly evex?: boolean;
  /** Takes a mask, required where a gather would do nothing without one. */
  readonly mask?: boolean | 'required';
  readonly zero?: boolean;
  /** Bits of the element that BROADCAST repeats. */
  readonly broadcast?: number;
  readonly rounding?: 'er' | 'sae';
}

/** The method an instruction gets, as TypeScript sees it, is `M`. */
export interface Row<M> {
  build(name: string): M;
  forms(): Form[];
}

/** The methods of a table of rows; documentation comments on the rows become theirs. */
export type Methods<T> = { readonly [K in keyof T]: T[K] extends Row<infer M> ? M : never };

/** What `build` makes before it is given its type: all operands are numbers. */
export type Emit = (this: Code, ...operands: number[]) => void;

export function row<M>(build: (name: string) => Emit, forms: () => Form[]): Row<M> {
  return { build: build as (name: string) => M, forms };
}

/**
 * Gives instances of a class the methods of tables. A method is built when it is first called: programs use few of them.
 * They go between the class's prototype and the one before it, into an object without a class, to which V8 adds in constant time.
 */
export function addMethods(to: typeof Code, ...tables: readonly Readonly<Record<string, Row<unknown>>>[]): void {
  const methods: Record<string, Emit> = Object.create(null);
  for (const table of tables) {
    for (const name of Object.keys(table)) {
      methods[name] = function (...operands) {
        const method = table[name]!.build(name) as Emit;
        methods[name] = method;
        method.apply(this, operands);
      };
    }
  }
  Object.setPrototypeOf(methods, Object.getPrototypeOf(to.prototype));
  Object.setPrototypeOf(to.prototype, methods);
}

/** The error for operands that fit no form; it lists those that would. Zeros at the end may be defaults and are left away. */
export function misfit(name: string, forms: readonly Form[], operands: readonly number[]): AssemblerError {
  const last = operands.findLastIndex((operand) => operand !== 0 && operand !== undefined);
  const given = operands
    .slice(0, last + 1)
    .map(describe)
    .join(', ');
  const known = forms.map((form) => form.operands.join(', ').replaceAll('!', '')).join('; ');
  return new AssemblerError('BAD_OPERAND', `${name}(${given}) fits no form; there are: ${known}`);
}

/** A method that takes what either row takes: `second` says from the first three operands whether it is the second's. */
export function either<A extends Takes<never>, B extends Takes<never>>(
  second: (a: number, b: number, c: number) => boolean,
  one: Row<A>,
  two: Row<B>,
): Row<Either<A, B>> {
  return row<Either<A, B>>(
    (name) => {
      const first = one.build(name) as unknown as Emit;
      const other = two.build(name) as unknown as Emit;
      return function (a, b, c, d, e, f) {
        (second(a, b, c) ? other : first).call(this, a, b, c, d, e, f);
      };
    },
    () => [...one.forms(), ...two.forms()],
  );
}
