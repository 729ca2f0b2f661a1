/** A function being written. */

import { Bytes, typeCodes, type ValueType } from './bytes.ts';
import { type Instructions, methodsOf, type Value, type Writer } from './instructions.ts';

/** A local of a function, or one of its parameters. */
export interface Local<T extends ValueType = ValueType> {
  readonly type: T;
  readonly index: number;
  get(): Value<T>;
  set(value: Value<T>): void;
  /** Sets it and leaves the value. */
  tee(value: Value<T>): Value<T>;
}

/** What branches go to: behind a block or an if, to the start of a loop. */
export interface Label {
  readonly depth: number;
}

/** A function of a module, to be called or exported. */
export interface Func<
  P extends readonly ValueType[] = readonly ValueType[],
  R extends ValueType | undefined = undefined,
> {
  readonly index: number;
  readonly params: P;
  readonly result: R;
}

export type Operands<P extends readonly ValueType[]> = { readonly [I in keyof P]: Value<P[I]> };

const EMPTY = 0x40;

function bytesOf(lanes: ArrayBufferView): Uint8Array {
  if (lanes.byteLength !== 16) throw new TypeError(`v128.const takes 16 bytes, not ${lanes.byteLength}`);
  return new Uint8Array(lanes.buffer, lanes.byteOffset, 16);
}

class Structured implements Writer {
  readonly code = new Bytes();
  /** Sets constants, before everything else. */
  private readonly start = new Bytes();
  private readonly constants = new Map<string, Local<'v128'>>();
  private readonly types: ValueType[] = [];
  private readonly params: number;
  private depth = 0;
  /** What has been written and not yet taken. */
  private readonly stack: Value[] = [];

  constructor(params: readonly ValueType[]) {
    this.types.push(...params);
    this.params = params.length;
  }

  param(index: number): Local {
    return this.at(index);
  }

  local<T extends ValueType>(type: T): Local<T> {
    return this.at(this.types.push(type) - 1) as Local<T>;
  }

  i32_const(value: number): Value<'i32'> {
    this.code.byte(0x41);
    this.code.s64(BigInt(value | 0));
    return this.give('i32');
  }

  i64_const(value: bigint): Value<'i64'> {
    this.code.byte(0x42);
    this.code.s64(BigInt.asIntN(64, value));
    return this.give('i64');
  }

  f32_const(value: number): Value<'f32'> {
    this.code.byte(0x43);
    this.code.bytes(new Uint8Array(Float32Array.of(value).buffer));
    return this.give('f32');
  }

  f64_const(value: number): Value<'f64'> {
    this.code.byte(0x44);
    this.code.bytes(new Uint8Array(Float64Array.of(value).buffer));
    return this.give('f64');
  }

  /** @param lanes 16 bytes, as any typed array */
  v128_const(lanes: ArrayBufferView): Value<'v128'> {
    this.code.bytes([0xfd, 12]);
    this.code.bytes(bytesOf(lanes));
    return this.give('v128');
  }

  /** A local that holds a constant from the start of the function on: loops need not make it again. */
  v128_constant(lanes: ArrayBufferView): Local<'v128'> {
    const bytes = bytesOf(lanes);
    const key = bytes.join();
    let known = this.constants.get(key);
    if (!known) {
      known = this.local('v128');
      this.constants.set(key, known);
      this.start.bytes([0xfd, 12]);
      this.start.bytes(bytes);
      this.start.byte(0x21);
      this.start.u32(known.index);
    }
    return known;
  }

  /** Bytes of `a` (0 to 15) and `b` (16 to 31) by position. */
  i8x16_shuffle(a: Value<'v128'>, b: Value<'v128'>, from: readonly number[]): Value<'v128'> {
    this.take(a, b);
    if (from.length !== 16) throw new TypeError(`i8x16.shuffle takes 16 positions, not ${from.length}`);
    this.code.bytes([0xfd, 13]);
    this.code.bytes(from);
    return this.give('v128');
  }

  /** `yes` where the condition is not 0. */
  select<T extends ValueType>(yes: Value<T>, no: Value<T>, condition: Value<'i32'>): Value<T> {
    this.take(yes, no, condition);
    this.code.byte(0x1b);
    return this.give(yes.type);
  }

  drop(value: Value): void {
    this.take(value);
    this.code.byte(0x1a);
  }

  memory_copy(to: Value<'i32'>, from: Value<'i32'>, bytes: Value<'i32'>): void {
    this.take(to, from, bytes);
    this.code.bytes([0xfc, 10, 0, 0]);
  }

  memory_fill(to: Value<'i32'>, byte: Value<'i32'>, bytes: Value<'i32'>): void {
    this.take(to, byte, bytes);
    this.code.bytes([0xfc, 11, 0]);
  }

  memory_size(): Value<'i32'> {
    this.code.bytes([0x3f, 0]);
    return this.give('i32');
  }

  memory_grow(pages: Value<'i32'>): Value<'i32'> {
    this.take(pages);
    this.code.bytes([0x40, 0]);
    return this.give('i32');
  }

  atomic_fence(): void {
    this.code.bytes([0xfe, 3, 0]);
  }

  unreachable(): void {
    this.code.byte(0);
  }

  nop(): void {
    this.code.byte(1);
  }

  /** Ends the function, with what lies on the stack where it has a result. */
  return(value?: Value): void {
    this.take(...(value ? [value] : []));
    this.code.byte(0x0f);
  }

  block(body: (behind: Label) => void): void {
    this.nested(0x02, body);
  }

  loop(body: (start: Label) => void): void {
    this.nested(0x03, body);
  }

  if(condition: Value<'i32'>, yes: (behind: Label) => void, no?: (behind: Label) => void): void {
    this.take(condition);
    const label = this.open(0x04);
    yes(label);
    if (no) {
      this.code.byte(0x05);
      no(label);
    }
    this.close();
  }

  br(to: Label): void {
    this.code.byte(0x0c);
    this.code.u32(this.depth - to.depth);
  }

  br_if(to: Label, condition: Value<'i32'>): void {
    this.take(condition);
    this.code.byte(0x0d);
    this.code.u32(this.depth - to.depth);
  }

  /** Goes to one of `labels` by number, to `otherwise` beyond them. */
  br_table(labels: readonly Label[], otherwise: Label, index: Value<'i32'>): void {
    this.take(index);
    this.code.byte(0x0e);
    this.code.u32(labels.length);
    for (const label of [...labels, otherwise]) this.code.u32(this.depth - label.depth);
  }

  call<P extends readonly ValueType[], R extends ValueType | undefined>(
    { index, result }: Func<P, R>,
    ...operands: Operands<P>
  ): R extends ValueType ? Value<R> : undefined {
    this.take(...operands);
    this.code.byte(0x10);
    this.code.u32(index);
    return (result === undefined ? undefined : this.give(result)) as R extends ValueType ? Value<R> : undefined;
  }

  /** Locals, then the code. */
  finish(): Uint8Array<ArrayBuffer> {
    const body = new Bytes();
    const runs: [ValueType, number][] = [];
    for (const type of this.types.slice(this.params)) {
      const last = runs.at(-1);
      if (last?.[0] === type) last[1]++;
      else runs.push([type, 1]);
    }
    body.u32(runs.length);
    for (const [type, count] of runs) {
      body.u32(count);
      body.byte(typeCodes[type]);
    }
    body.bytes(this.start.view());
    body.bytes(this.code.view());
    body.byte(0x0b);
    return body.view();
  }

  private nested(opcode: number, body: (label: Label) => void): void {
    body(this.open(opcode));
    this.close();
  }

  private open(opcode: number): Label {
    this.code.byte(opcode);
    this.code.byte(EMPTY);
    return { depth: ++this.depth };
  }

  private close(): void {
    this.code.byte(0x0b);
    this.depth--;
  }

  private at(index: number): Local {
    const type = this.types[index]!;
    const write = (opcode: number): void => {
      this.code.byte(opcode);
      this.code.u32(index);
    };
    return {
      type,
      index,
      get: () => {
        write(0x20);
        return this.give(type);
      },
      set: (value) => {
        this.take(value);
        write(0x21);
      },
      tee: (value) => {
        this.take(value);
        write(0x22);
        return this.give(type);
      },
    };
  }

  /** What an instruction leaves. */
  give<T extends ValueType>(type: T): Value<T> {
    const value: Value<T> = { type };
    this.stack.push(value);
    return value;
  }

  /** What an instruction takes. @throws TypeError where that is not what lies on the stack */
  take(...operands: readonly Value[]): void {
    const found = this.stack.splice(Math.max(0, this.stack.length - operands.length));
    if (operands.some((operand, i) => operand !== found[i]))
      throw new TypeError('an operand is not where it is used: write it there, or keep it in a local');
  }
}

Object.assign(Structured.prototype, methodsOf());

/**
 * Writes the body of a function: each method appends one instruction. Operands are written when they are evaluated, so nesting calls
 * gives the order of the stack, and TypeScript checks what is on it:
 *
 * ```ts
 * sum.set(f.f32x4_add(sum.get(), f.f32x4_mul(f.v128_load(p.get()), f.v128_load(p.get(), 16))));
 * ```
 *
 * A value must be used where it stands, once, in order: what is needed twice goes into a local. Names are the specification's with
 * `_` for `.`.
 */
export type FunctionBuilder = Structured & Instructions;

export const FunctionBuilder = Structured as unknown as new (params: readonly ValueType[]) => FunctionBuilder;
