/** Bytes of a module as they are written: numbers in LEB128, vectors with their length in front. */

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

export const typeCodes: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};

export class Bytes {
  private memory: Uint8Array<ArrayBuffer> = new Uint8Array(256);
  length = 0;

  byte(value: number): void {
    if (this.length === this.memory.length) this.grow(1);
    this.memory[this.length++] = value;
  }

  bytes(values: ArrayLike<number>): void {
    if (this.length + values.length > this.memory.length) this.grow(values.length);
    this.memory.set(values, this.length);
    this.length += values.length;
  }

  /** Unsigned LEB128. */
  u32(value: number): void {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** Signed LEB128. */
  s64(value: bigint): void {
    let rest = value;
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      const isLast = (rest === 0n && low < 0x40) || (rest === -1n && low >= 0x40);
      this.byte(isLast ? low : low | 0x80);
      if (isLast) return;
    }
  }

  /** A number of bytes, then they. */
  sized(values: ArrayLike<number>): void {
    this.u32(values.length);
    this.bytes(values);
  }

  name(text: string): void {
    this.sized(new TextEncoder().encode(text));
  }

  view(): Uint8Array<ArrayBuffer> {
    return this.memory.subarray(0, this.length);
  }

  private grow(by: number): void {
    const larger = new Uint8Array(Math.max(2 * this.memory.length, this.length + by));
    larger.set(this.memory.subarray(0, this.length));
    this.memory = larger;
  }
}
