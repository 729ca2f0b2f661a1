/**
 * Protobuf messages by table: a message is a list of fields, and one reader and one writer serve them all. Bytes of tensors
 * stay where they are in the file; everything that a file makes us allocate is bounded.
 */

import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { EspalierError } from '@espalier/core';

/**
 * How a field is stored: `bytes` are read as a subarray of the file; `float32s`, `float64s` and `varints` are repeated
 * numbers left undecoded, as the list of runs in which they stand (a packed field is one run, {@link varintsOf} decodes).
 */
export type Kind = 'string' | 'bytes' | 'float' | 'int64' | 'int32' | 'float32s' | 'float64s' | 'varints';

export interface Field {
  readonly number: number;
  readonly kind: Kind | (() => Message<never>);
  readonly repeated: boolean;
}

/** The fields of a message that are of use here; others are skipped. */
export interface Message<T> {
  readonly name: string;
  readonly fields: { readonly [K in keyof Required<T> & string]: Field };
  readonly byNumber: ReadonlyMap<number, readonly [string, Field]>;
  /** The names of its repeated fields. */
  readonly lists: readonly string[];
}

export function message<T>(name: string, fields: Message<T>['fields']): Message<T> {
  const entries = Object.entries(fields) as [string, Field][];
  return {
    name,
    fields,
    byNumber: new Map(entries.map(([key, field]) => [field.number, [key, field]])),
    lists: entries.filter(([, field]) => field.repeated).map(([key]) => key),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: tables of messages refer to each other; each names its own type.
type AnyMessage = Message<any>;

export const one = (number: number, kind: Kind | (() => AnyMessage)): Field => ({ number, kind, repeated: false });
export const many = (number: number, kind: Kind | (() => AnyMessage)): Field => ({ number, kind, repeated: true });

/** As protobuf's own readers: messages nest no deeper. */
const MAX_DEPTH = 100;
/** Messages, and values other than numbers in runs: they take much more memory than the 2 bytes of the file that name one. */
const MAX_MESSAGES = 1 << 19;
const MAX_VALUES = 1 << 22;
/** Bytes of a name. Text that is only carried along (metadata) is `bytes`, and as long as it likes. */
const MAX_STRING = 1 << 16;

const wireTypes: Record<Kind, WireType> = {
  string: WireType.LengthDelimited,
  bytes: WireType.LengthDelimited,
  float: WireType.Bit32,
  int64: WireType.Varint,
  int32: WireType.Varint,
  float32s: WireType.Bit32,
  float64s: WireType.Bit64,
  varints: WireType.Varint,
};
const wireType = (kind: Field['kind']): WireType =>
  typeof kind === 'function' ? WireType.LengthDelimited : wireTypes[kind];
const inRuns = (kind: Field['kind']): boolean => kind === 'float32s' || kind === 'float64s' || kind === 'varints';

/** @throws EspalierError `BAD_FILE` where the bytes are no such message, `LIMIT` where it is too deep or too large */
export function decode<T>(table: Message<T>, bytes: Uint8Array): T {
  return new Decoder(bytes).message(table as AnyMessage, bytes.length, 0, {}) as T;
}

class Decoder {
  private readonly reader: BinaryReader;
  private values = 0;
  private messages = 0;

  constructor(bytes: Uint8Array) {
    this.reader = new BinaryReader(bytes);
  }

  message(table: AnyMessage, end: number, depth: number, into: Record<string, unknown>): unknown {
    if (depth > MAX_DEPTH) throw new EspalierError('LIMIT', `its messages nest deeper than ${MAX_DEPTH}`);
    if (++this.messages > MAX_MESSAGES) throw new EspalierError('LIMIT', `it holds more than ${MAX_MESSAGES} messages`);
    for (const name of table.lists) into[name] ??= [];
    while (this.reader.pos < end) {
      const at = this.reader.pos;
      try {
        this.field(table, depth, into);
      } catch (error) {
        if (error instanceof EspalierError) throw error;
        throw new EspalierError('BAD_FILE', `${table.name} at byte ${at} is malformed: ${(error as Error).message}`, {
          cause: error,
        });
      }
      if (this.reader.pos > end)
        throw new EspalierError('BAD_FILE', `${table.name} at byte ${at} is malformed: a field is longer than it`);
    }
    return into;
  }

  private field(table: AnyMessage, depth: number, into: Record<string, unknown>): void {
    const { reader } = this;
    const [number, wire] = reader.tag();
    const known = table.byNumber.get(number);
    if (!known) {
      reader.skip(wire, number);
      return;
    }
    const [name, { kind, repeated }] = known;
    const list = into[name] as unknown[];
    const expected = wireType(kind);
    const packed = repeated && wire === WireType.LengthDelimited && expected !== WireType.LengthDelimited;
    if (wire !== expected && !packed) throw new Error(`field ${name} has wire type ${wire}, not ${expected}`);
    if (inRuns(kind)) {
      list.push(packed ? reader.bytes() : reader.skip(wire, number));
      this.count();
    } else if (packed) {
      const end = this.length() + reader.pos;
      while (reader.pos < end) list.push(this.value(kind, depth));
      if (reader.pos > end) throw new Error(`field ${name} ends within a number`);
    } else if (repeated) {
      list.push(this.value(kind, depth));
    } else {
      // A message that is given twice is merged, a scalar replaced, as the specification of protobuf has it.
      into[name] = this.value(kind, depth, into[name]);
    }
  }

  private value(kind: Field['kind'], depth: number, before?: unknown): unknown {
    const { reader } = this;
    this.count();
    if (typeof kind === 'function') {
      const end = this.length() + reader.pos;
      return this.message(kind(), end, depth + 1, (before as Record<string, unknown>) ?? {});
    }
    switch (kind) {
      case 'string': {
        const bytes = reader.bytes();
        if (bytes.length > MAX_STRING)
          throw new EspalierError('LIMIT', `a name of ${bytes.length} bytes is longer than ${MAX_STRING}`);
        return decoder.decode(bytes);
      }
      case 'bytes':
        return reader.bytes();
      case 'float':
        return reader.float();
      case 'int64':
        return BigInt(reader.int64());
      default:
        return reader.int32();
    }
  }

  /** The length of what follows, which must fit the file. */
  private length(): number {
    const { reader } = this;
    const length = reader.uint32();
    if (length > reader.len - reader.pos) throw new RangeError('premature EOF');
    return length;
  }

  private count(): void {
    if (++this.values > MAX_VALUES) throw new EspalierError('LIMIT', `it holds more than ${MAX_VALUES} values`);
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text that is UTF-8. @throws EspalierError `BAD_FILE` where it is not */
export function utf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new EspalierError('BAD_FILE', 'a text in it is not UTF-8', { cause });
  }
}

/** Runs of fixed-size numbers as one run of bytes; a copy only where there are several. */
export function joined(runs: readonly Uint8Array[]): Uint8Array {
  if (runs.length === 1) return runs[0]!;
  const bytes = new Uint8Array(runs.reduce((sum, run) => sum + run.length, 0));
  let at = 0;
  for (const run of runs) {
    bytes.set(run, at);
    at += run.length;
  }
  return bytes;
}

/** Writes the numbers of runs of varints with `set`, and returns how many there were; stops after `limit` + 1. */
export function varintsOf(
  runs: readonly Uint8Array[],
  limit: number,
  wide: boolean,
  set: (index: number, value: number | bigint) => void,
): number {
  let count = 0;
  for (const run of runs) {
    const reader = new BinaryReader(run);
    while (reader.pos < run.length) {
      if (count === limit) return count + 1;
      try {
        set(count++, wide ? BigInt(reader.int64()) : reader.int32());
      } catch (cause) {
        throw new EspalierError('BAD_FILE', 'a number in it is malformed', { cause });
      }
    }
  }
  return count;
}

/** The bytes of a message. Fields that are undefined or empty are left out. */
export function encode<T>(table: Message<T>, value: T): Uint8Array {
  const writer = new BinaryWriter();
  writeMessage(writer, table as AnyMessage, value as Record<string, unknown>);
  return writer.finish();
}

function writeMessage(writer: BinaryWriter, table: AnyMessage, message: Record<string, unknown>): void {
  for (const [name, { number, kind, repeated }] of Object.entries(table.fields)) {
    const value = message[name];
    if (value === undefined) continue;
    for (const each of repeated ? (value as unknown[]) : [value]) {
      writer.tag(number, inRuns(kind) ? WireType.LengthDelimited : wireType(kind));
      if (typeof kind === 'function') {
        writer.fork();
        writeMessage(writer, kind(), each as Record<string, unknown>);
        writer.join();
      } else if (kind === 'string') writer.string(each as string);
      else if (kind === 'float') writer.float(each as number);
      else if (kind === 'int64') writer.int64(each as bigint);
      else if (kind === 'int32') writer.int32(each as number);
      else writer.bytes(each as Uint8Array);
    }
  }
}
