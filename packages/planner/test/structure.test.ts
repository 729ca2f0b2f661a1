import { dtypes, isDenser, Tensor } from '@espalier/core';
import { describe, expect, it, vi } from 'vitest';
import { constantOf } from '../src/structure.ts';

const values = [1, 0, 0, 3, 0, 0, 0, 7];
const tensors = [
  new Tensor('float32', Float32Array.of(1, -0, 0, Number.NaN, 1e-45, -1), [6]),
  new Tensor('float64', Float64Array.of(1, -0, 0, 2 ** -1074, Number.NEGATIVE_INFINITY, 0), [6]),
  new Tensor('float16', Uint16Array.of(0x3c00, 0x8000, 0, 1), [4]),
  new Tensor('int8', Int8Array.of(-128, 0, 1, 0), [4]),
  new Tensor('uint8', Uint8Array.from(values), [8]),
  new Tensor('int16', Int16Array.of(-32768, 0), [2]),
  new Tensor('int32', Int32Array.of(-(2 ** 31), 0, 5), [3]),
  new Tensor('int64', BigInt64Array.of(2n ** 40n, 0n, -1n, 1n), [4]),
  new Tensor('int4', Int8Array.of(0x10, 0x0f), [3]),
  new Tensor('string', ['a', ''], [2]),
  new Tensor('float32', new Float32Array(0), [0]),
];
const expected = [4, 3, 2, 2, 3, 1, 2, 3, 2, 1, 0];

/** As in a file: at an address that is no multiple of anything. */
function unaligned(tensor: Tensor): Tensor {
  if (tensor.type === 'string') return tensor;
  const bytes = new Uint8Array(tensor.bytes.length + 3);
  bytes.set(tensor.bytes, 3);
  return Tensor.fromBytes(tensor.type, bytes.subarray(3), tensor.dims);
}

describe('structure', () => {
  it.each(tensors.map((tensor, i) => [tensor.type, tensor, expected[i]!] as const))(
    'counts what is not zero: %s',
    (_, tensor, nonzeros) => {
      for (const each of [tensor, unaligned(tensor)])
        expect(constantOf(each).structure).toEqual({ elements: tensor.size, nonzeros });
    },
  );

  it.each(['float32', 'float64', 'float16', 'int8', 'int64'] as const)(
    'tells of a sample how much is not zero: %s',
    (type) => {
      const size = 1 << 18;
      for (const density of [0, 0.1, 0.5, 0.96, 1]) {
        const { array } = dtypes[type];
        const data = new array(size);
        const one = type === 'int64' ? 1n : 1;
        // Blocks of 512, as patterns of pruning have.
        for (let i = 0; i < size; i++) if ((i >> 9) % 100 < 100 * density) (data as { [i: number]: unknown })[i] = one;
        const tensor = new Tensor(type, data, [size]);
        for (const each of [tensor, unaligned(tensor)]) {
          const { structure } = constantOf(each);
          expect(Math.abs(structure.sample! - structure.nonzeros / size)).toBeLessThan(0.04);
          for (const share of [0.05, 0.3, 0.95])
            expect(isDenser(structure, share)).toBe(structure.nonzeros > share * size);
        }
      }
    },
  );

  it('counts nothing to see that a constant is dense', () => {
    const dense = new Tensor('float32', new Float32Array(1 << 16).fill(1), [1 << 16]);
    const { structure } = constantOf(dense);
    const counted = vi.spyOn(structure, 'nonzeros', 'get');
    expect(isDenser(structure, 0.95)).toBe(true);
    expect(counted).not.toHaveBeenCalled();
    expect(isDenser(constantOf(new Tensor('float32', new Float32Array(1 << 16), [1 << 16])).structure, 0.95)).toBe(
      false,
    );
  });

  it('counts more than is made aligned at a time', () => {
    const data = Float32Array.from({ length: 100_000 }, (_, i) => i % 3);
    const tensor = new Tensor('float32', data, [100_000]);
    for (const each of [tensor, unaligned(tensor)]) expect(constantOf(each).structure.nonzeros).toBe(66_666);
  });
});
