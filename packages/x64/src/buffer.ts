/** A growable run of bytes that is reused from one program to the next. */

/** Where encoders write. They read and write the fields themselves: a call per byte would cost more than the encoding. */
export class CodeBuffer {
  /** Everything emitted so far, and room for more. @internal */
  bytes: Uint8Array;
  /** Bytes emitted so far, which is also the offset of the next instruction. */
  position = 0;

  /** @param capacity bytes to begin with; the buffer doubles when it is full */
  constructor(capacity = 1 << 16) {
    this.bytes = new Uint8Array(Math.max(capacity, 64));
  }

  /** Makes room for `count` more bytes. @internal */
  grow(count: number): void {
    let capacity = this.bytes.length * 2;
    while (capacity < this.position + count) capacity *= 2;
    const larger = new Uint8Array(capacity);
    larger.set(this.bytes.subarray(0, this.position));
    this.bytes = larger;
  }

  /** Emits bytes as they are: a table, or an instruction this assembler does not know. */
  data(values: ArrayBufferView | readonly number[]): void {
    const source = ArrayBuffer.isView(values)
      ? new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
      : Uint8Array.from(values);
    if (this.position + source.length > this.bytes.length) this.grow(source.length);
    this.bytes.set(source, this.position);
    this.position += source.length;
  }

  /**
   * Emits `count` bytes of `code` from `from` on, with `last` in place of the last of them: an instruction that was assembled before, with
   * another displacement or immediate of 8 bits. For those that are needed by the million.
   */
  again(code: Uint8Array, from: number, count: number, last: number): void {
    if (this.position + count > this.bytes.length) this.grow(count);
    const { bytes } = this;
    let to = this.position;
    for (let read = from; read < from + count - 1; read++) bytes[to++] = code[read]!;
    bytes[to++] = last;
    this.position = to;
  }

  /** Emits `value` as four bytes. @internal */
  int32(value: number): void {
    if (this.position + 4 > this.bytes.length) this.grow(4);
    writeInt32(this.bytes, this.position, value);
    this.position += 4;
  }
}

export function writeInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >> 8;
  bytes[at + 2] = value >> 16;
  bytes[at + 3] = value >> 24;
}

export function readInt32(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}
