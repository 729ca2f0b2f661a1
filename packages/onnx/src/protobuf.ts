/** Protobuf's wire format: a field is a tag (its number and how it is stored) and what follows it. */

export const WireType = { varint: 0, bits64: 1, bytes: 2, group: 3, groupEnd: 4, bits32: 5 } as const;
export type WireType = (typeof WireType)[keyof typeof WireType];

export const tagOf = (field: number, wire: WireType): number => (field << 3) | wire;
export const fieldOf = (tag: number): number => tag >>> 3;
export const wireOf = (tag: number): WireType => (tag & 7) as WireType;

/** Those of a number of 64 bits. */
const MOST_VARINT_BYTES = 10;
/** Groups nest no deeper. */
const MAX_DEPTH = 100;

/** Reads one value after the other; throws where the bytes are malformed or end too early. */
export class Reader {
  pos = 0;
  readonly len: number;
  private readonly buffer: Uint8Array;
  private readonly view: DataView;

  constructor(buffer: Uint8Array) {
    this.buffer = buffer;
    this.len = buffer.length;
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  }

  tag(): number {
    const from = this.pos;
    const tag = this.uint32();
    const bytes = this.pos - from;
    if (bytes > 5 || (bytes === 5 && this.buffer[this.pos - 1]! > 0x0f)) throw new Error('a tag is too long');
    if (fieldOf(tag) === 0 || wireOf(tag) > WireType.bits32) throw new Error(`${tag} is no tag`);
    return tag;
  }

  /** Passes over what follows a tag. */
  skip(tag: number, depth = MAX_DEPTH): void {
    const wire = wireOf(tag);
    if (wire === WireType.varint) this.uint32();
    else if (wire === WireType.bits64) this.advance(8);
    else if (wire === WireType.bits32) this.advance(4);
    else if (wire === WireType.bytes) this.advance(this.uint32());
    else if (wire === WireType.group) this.skipGroup(fieldOf(tag), depth);
    else throw new Error('a group ends that did not begin');
  }

  private skipGroup(field: number, depth: number): void {
    if (depth === 0) throw new Error(`groups nest deeper than ${MAX_DEPTH}`);
    const end = tagOf(field, WireType.groupEnd) >>> 0;
    for (let tag = this.tag(); tag !== end; tag = this.tag()) this.skip(tag, depth - 1);
  }

  /** The low 32 bits of a varint: what it is unless it is negative. */
  uint32(): number {
    let value = 0;
    for (let i = 0; i < MOST_VARINT_BYTES; i++) {
      const byte = this.byte();
      if (i < 5) value |= (byte & 0x7f) << (7 * i);
      if (byte < 0x80) return value >>> 0;
    }
    throw new Error('a number has no end');
  }

  int32(): number {
    return this.uint32() | 0;
  }

  int64(): bigint {
    // Parts of 28 bits, which are quicker than one large number.
    const parts = [0, 0, 0];
    for (let i = 0; i < MOST_VARINT_BYTES; i++) {
      const byte = this.byte();
      parts[i >> 2]! |= (byte & 0x7f) << (7 * (i & 3));
      if (byte >= 0x80) continue;
      const [low, middle, high] = parts as [number, number, number];
      if (i < 4) return BigInt(low);
      return BigInt.asIntN(64, BigInt(low) | (BigInt(middle) << 28n) | (BigInt(high) << 56n));
    }
    throw new Error('a number has no end');
  }

  float(): number {
    const at = this.pos;
    this.advance(4);
    return this.view.getFloat32(at, true);
  }

  /** Bytes behind their length, which stay where they are. */
  bytes(): Uint8Array {
    const length = this.uint32();
    this.advance(length);
    return this.since(this.pos - length);
  }

  /** What was read from `from` on. */
  since(from: number): Uint8Array {
    return this.buffer.subarray(from, this.pos);
  }

  private byte(): number {
    if (this.pos >= this.len) throw new RangeError('it ends too early');
    return this.buffer[this.pos++]!;
  }

  private advance(bytes: number): void {
    if (bytes > this.len - this.pos) throw new RangeError('it ends too early');
    this.pos += bytes;
  }
}

/** Writes one value after the other. */
export class Writer {
  length = 0;
  private readonly parts: Uint8Array[] = [];
  /** Bytes that are in no part yet. */
  private loose: number[] = [];

  uint32(value: number): this {
    for (let rest = value; ; rest >>>= 7) {
      if (rest >>> 0 < 0x80) return this.byte(rest);
      this.byte((rest & 0x7f) | 0x80);
    }
  }

  int32(value: number): this {
    return value < 0 ? this.int64(BigInt(value)) : this.uint32(value);
  }

  int64(value: bigint): this {
    for (let rest = BigInt.asUintN(64, value); ; rest >>= 7n) {
      if (rest < 0x80n) return this.byte(Number(rest));
      this.byte(Number(rest & 0x7fn) | 0x80);
    }
  }

  float(value: number): this {
    const four = new Uint8Array(4);
    new DataView(four.buffer).setFloat32(0, value, true);
    return this.raw(four);
  }

  /** With their length before them. */
  bytes(bytes: Uint8Array): this {
    return this.uint32(bytes.length).raw(bytes);
  }

  /** What another wrote, with its length before it. */
  message(inner: Writer): this {
    this.uint32(inner.length);
    for (const part of inner.flush()) this.raw(part);
    return this;
  }

  finish(): Uint8Array {
    const all = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.flush()) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  private byte(value: number): this {
    this.loose.push(value);
    this.length++;
    return this;
  }

  private raw(bytes: Uint8Array): this {
    this.flush().push(bytes);
    this.length += bytes.length;
    return this;
  }

  private flush(): Uint8Array[] {
    if (this.loose.length > 0) this.parts.push(Uint8Array.from(this.loose));
    this.loose = [];
    return this.parts;
  }
}
