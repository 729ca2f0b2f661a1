/** float16 and bfloat16 as raw bits, and 4-bit integers packed two to a byte. */

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** Rounds to the nearest IEEE 754 binary16, ties to even; overflow gives infinity. */
export function toFloat16(value: number): number {
  f32[0] = value;
  const bits = u32[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal halves are multiples of 2^-24; adding 0.5 lets the FPU round the mantissa there.
    f32[0] = Math.abs(value) + 0.5;
    return sign | (u32[0]! - 0x3f000000);
  }
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

let values: Float32Array | undefined;

/** The float32 value of every float16, by its bits (made when first asked for). */
export function float16Values(): Float32Array {
  if (values) return values;
  values = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >>> 10) & 31;
    const mantissa = bits & 1023;
    let magnitude = (1 + mantissa / 1024) * 2 ** (exponent - 15);
    if (exponent === 0) magnitude = mantissa * 2 ** -24;
    else if (exponent === 31) magnitude = mantissa ? Number.NaN : Number.POSITIVE_INFINITY;
    values[bits] = bits & 0x8000 ? -magnitude : magnitude;
  }
  return values;
}

export function fromFloat16(bits: number): number {
  return float16Values()[bits]!;
}

/** Rounds to the nearest bfloat16, ties to even. */
export function toBFloat16(value: number): number {
  f32[0] = value;
  const bits = u32[0]!;
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

export function fromBFloat16(bits: number): number {
  u32[0] = bits << 16;
  return f32[0]!;
}

/** Element `index` of packed 4-bit data, low half of each byte first. */
export function readNibble(packed: Uint8Array | Int8Array, index: number, signed: boolean): number {
  const nibble = (packed[index >> 1]! >> ((index & 1) * 4)) & 15;
  return signed && nibble > 7 ? nibble - 16 : nibble;
}

/** Writes `value & 15` as element `index` of packed 4-bit data. */
export function writeNibble(packed: Uint8Array | Int8Array, index: number, value: number): void {
  const shift = (index & 1) * 4;
  packed[index >> 1] = (packed[index >> 1]! & ~(15 << shift)) | ((value & 15) << shift);
}
