import { describe, expect, it } from 'vitest';
import {
  type DType,
  dtypes,
  fromBFloat16,
  fromFloat16,
  hasCode,
  readNibble,
  Tensor,
  toBFloat16,
  toFloat16,
  writeNibble,
} from '../src/index.ts';

describe('Tensor', () => {
  it('copies bytes that are not aligned once for all who share them', () => {
    const file = new Uint8Array(13);
    file.set(new Uint8Array(Float32Array.of(1, -2, 3).buffer), 1);
    const t = Tensor.fromBytes('float32', file.subarray(1), [3]);
    expect(t.bytes.buffer).toBe(file.buffer);
    expect([...(t.data as Float32Array)]).toEqual([1, -2, 3]);
    const other = Tensor.fromBytes('float32', t.bytes, [3, 1]);
    expect((other.data as Float32Array).buffer).toBe((t.data as Float32Array).buffer);
  });

  it('takes dtype, data and dims, or tells the dtype from the data', () => {
    const t = new Tensor('float32', new Float32Array([1, 2, 3, 4]), [2, 2]);
    expect([t.type, t.dims, t.size]).toEqual(['float32', [2, 2], 4]);
    expect(new Tensor(new BigInt64Array(3)).type).toBe('int64');
    expect(new Tensor(['a', 'b'], [2]).type).toBe('string');
    expect(new Tensor([true, false]).type).toBe('bool');
    expect(new Tensor('int64', [1, 2n, 3], [3]).data).toEqual(BigInt64Array.of(1n, 2n, 3n));
    expect(new Tensor('float32', [7], []).dims).toEqual([]);
  });

  it('packs 4-bit integers two to a byte', () => {
    expect(new Tensor('int4', new Int8Array(2), [3]).size).toBe(3);
    expect(() => new Tensor('int4', new Int8Array(3), [3])).toThrow(/needs 3 elements of data, not 3|needs/);
  });

  it('refuses what does not fit together', () => {
    expect(() => new Tensor('float32', new Float32Array(3), [2, 2])).toThrow(TypeError);
    expect(() => new Tensor('float32', new Int32Array(4), [2, 2])).toThrow(/must be a Float32Array, not a Int32Array/);
    expect(() => new Tensor('float99' as DType, new Float32Array(1), [1])).toThrow(/not a dtype/);
    expect(() => new Tensor('float32', new Float32Array(4), [-2, -2])).toThrow(/not a shape/);
    expect(() => new Tensor('float32', new Float32Array(4), [1.5])).toThrow(/not a shape/);
    expect(() => new Tensor('float16', [1.5], [1])).toThrow(/raw bits/);
    expect(() => new Tensor('string', [1] as unknown as string[], [1])).toThrow(/strings/);
    expect(() => Tensor.fromBytes('float32', new Uint8Array(5), [1])).toThrow(/needs 4 bytes, not 5/);
  });

  it('reads bytes of any alignment in place, copying only for its typed array', () => {
    const file = new Uint8Array([9, 0, 0, 128, 63, 0, 0, 0, 64]);
    const t = Tensor.fromBytes('float32', file.subarray(1), [2]);
    expect(t.bytes.buffer).toBe(file.buffer);
    expect([...(t.data as Float32Array)]).toEqual([1, 2]);
    expect(t.data).toBe(t.data);
    const pooled = Tensor.fromBytes('float32', Buffer.from(file).subarray(1), [2]);
    expect([...(pooled.data as Float32Array)]).toEqual([1, 2]);
  });

  it('reshapes without a copy', () => {
    const t = new Tensor('int32', Int32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
    const r = t.reshape([3, 2]);
    expect((r.data as Int32Array).buffer).toBe((t.data as Int32Array).buffer);
    expect(() => t.reshape([4])).toThrow(/cannot reshape/);
  });

  it('has an array for every dtype', () => {
    for (const [name, info] of Object.entries(dtypes)) {
      if (info.kind === 'string') continue;
      const bytes = new Uint8Array(Math.ceil((info.bits * 4) / 8));
      expect(Tensor.fromBytes(name as DType, bytes, [4]).size).toBe(4);
    }
  });
});

describe('half types', () => {
  it('round-trip every float16', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = fromFloat16(bits);
      if (Number.isNaN(value)) expect(Number.isNaN(fromFloat16(toFloat16(value)))).toBe(true);
      else if (toFloat16(value) !== bits) throw new Error(`${bits} came back as ${toFloat16(value)}`);
    }
  });

  it('round to nearest even, also among subnormals and at the ends', () => {
    const cases: [number, number][] = [
      [1, 0x3c00],
      [65504, 0x7bff],
      [65519.99, 0x7bff],
      [65520, 0x7c00],
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [2 ** -24, 1],
      [2 ** -25, 0],
      [3 * 2 ** -25, 2],
      [-(2 ** -14), 0x8400],
      [-0, 0x8000],
      [Number.NEGATIVE_INFINITY, 0xfc00],
    ];
    for (const [value, bits] of cases) expect(toFloat16(value), String(value)).toBe(bits);
  });

  it('round bfloat16 to nearest even and keep NaN', () => {
    expect(fromBFloat16(toBFloat16(1 + 2 ** -8))).toBe(1);
    expect(fromBFloat16(toBFloat16(1 + 3 * 2 ** -8))).toBe(1 + 2 ** -6);
    expect(fromBFloat16(toBFloat16(Number.NaN))).toBeNaN();
    expect(fromBFloat16(toBFloat16(3.5e38))).toBe(Number.POSITIVE_INFINITY);
  });

  it('packs nibbles', () => {
    const packed = new Uint8Array(2);
    for (const [i, x] of [-8, 7, -1].entries()) writeNibble(packed, i, x);
    expect([0, 1, 2].map((i) => readNibble(packed, i, true))).toEqual([-8, 7, -1]);
    expect([0, 1, 2].map((i) => readNibble(packed, i, false))).toEqual([8, 7, 15]);
  });
});

it('errors are told apart by code, not by class', () => {
  expect(hasCode(Object.assign(new Error('x'), { code: 'ABORTED' }), 'ABORTED')).toBe(true);
  expect(hasCode(new Error('x'), 'ABORTED')).toBe(false);
});
