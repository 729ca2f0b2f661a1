/** From tables to methods, one per instruction, and to their types. */

import type { Bytes, ValueType } from './bytes.ts';
import { lanes, memory, memoryLanes, plain } from './tables.ts';

/** What an instruction leaves on the stack: to be given at once to the instruction that takes it. */
export interface Value<T extends ValueType = ValueType> {
  readonly type: T;
}

export type Result<T> = T extends ValueType ? Value<T> : undefined;

type Split<S extends string> = S extends `${infer Head} ${infer Rest}` ? Head | Split<Rest> : S;
type Operands<S extends string> = S extends `${infer T extends ValueType} ${infer Rest}`
  ? [operand: Value<T>, ...Operands<Rest>]
  : S extends ValueType
    ? [operand: Value<S>]
    : [];
type Parsed<S extends string> = S extends `${infer P} > ${infer R}`
  ? [Operands<P>, Result<R>]
  : S extends `${infer P} >`
    ? [Operands<P>, undefined]
    : never;
type Rows<T> = T[keyof T] extends readonly (infer R)[] ? R : never;
type Union<U> = (U extends unknown ? (u: U) => void : never) extends (i: infer I) => void ? I : never;
type Named<R, Immediates extends unknown[]> = R extends readonly [
  number,
  infer P extends string,
  infer S extends string,
  infer N extends string,
  ...unknown[],
]
  ? { [K in Exclude<Split<N>, '-'> as `${P}${K}`]: (...operands: [...Parsed<S>[0], ...Immediates]) => Parsed<S>[1] }
  : never;
type Table<T, Immediates extends unknown[]> = Union<Named<Rows<T>, Immediates>>;

/** Instructions by name: operands in the order of the stack, then immediates. */
export interface Instructions
  extends Table<typeof plain, []>,
    Table<typeof memory, [offset?: number]>,
    Table<typeof lanes, [lane: number]>,
    Table<typeof memoryLanes, [lane: number, offset?: number]> {}

/** A row of a table, one instruction at a time. */
export interface Instruction {
  readonly name: string;
  /** 0 where the opcode is a byte of its own. */
  readonly prefix: number;
  readonly opcode: number;
  readonly operands: readonly ValueType[];
  readonly results: readonly ValueType[];
  /** Of memory, 0 where it touches none. */
  readonly bytes: number;
  readonly hasLane: boolean;
}

type AnyRow = readonly [number, string, string, string, string?];

function* instructionsOf(table: Readonly<Record<number, readonly AnyRow[]>>, hasLane: boolean): Generator<Instruction> {
  for (const [prefix, rows] of Object.entries(table))
    for (const [first, before, signature, names, bytes] of rows) {
      const [operands, results] = signature.split('>').map((part) => part.split(' ').filter(Boolean) as ValueType[]);
      const sizes = bytes?.split(' ');
      for (const [i, name] of names.split(' ').entries())
        if (name !== '-')
          yield {
            name: before + name,
            prefix: Number(prefix),
            opcode: first + i,
            operands: operands!,
            results: results!,
            bytes: Number(sizes?.[i] ?? 0),
            hasLane,
          };
    }
}

/** Every instruction of the tables. */
export const instructions: readonly Instruction[] = [
  ...instructionsOf(plain, false),
  ...instructionsOf(memory, false),
  ...instructionsOf(lanes, true),
  ...instructionsOf(memoryLanes, true),
];

/** Where instructions are written to. */
export interface Writer {
  readonly code: Bytes;
  take(...operands: readonly Value[]): void;
  give<T extends ValueType>(type: T): Value<T>;
}

/** The methods: they write the instruction; its operands have been written when they were evaluated. */
export function methodsOf(): Record<string, (this: Writer, ...args: never[]) => Value | undefined> {
  return Object.fromEntries(
    instructions.map(({ name, prefix, opcode, operands, results, bytes, hasLane }) => [
      name,
      function (this: Writer, ...args: unknown[]): Value | undefined {
        const { code } = this;
        this.take(...(args.slice(0, operands.length) as Value[]));
        if (prefix === 0) code.byte(opcode);
        else {
          code.byte(prefix);
          code.u32(opcode);
        }
        const immediates = args.slice(operands.length) as number[];
        if (bytes > 0) {
          // How memory is aligned: a hint, but for atomic instructions, which demand the natural one.
          code.u32(Math.log2(bytes));
          code.u32(immediates[hasLane ? 1 : 0] ?? 0);
        }
        if (hasLane) code.byte(immediates[0]!);
        return results[0] && this.give(results[0]);
      },
    ]),
  );
}
