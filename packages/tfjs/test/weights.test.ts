import type { Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import type { TfModel } from '../src/graphdef.ts';
import { readWeights, unsupportedWeights } from '../src/weights.ts';

type Weight = TfModel['groups'][number]['weights'][number];

function weight(
  name: string,
  dtype: string,
  shape: number[],
  quantization?: { dtype: string; scale?: number; min?: number },
): Weight {
  const { scale, min } = quantization ?? {};
  return { name, dtype, shape, quantization: quantization && { dtype: quantization.dtype, scale, min } };
}

function read(weights: Weight[], ...shards: Uint8Array[]): Promise<Map<string, Tensor>> {
  const paths = shards.map((_, i) => `shard${i}`);
  const fail = (message: string): never => {
    throw new Error(message);
  };
  return readWeights([{ paths, weights }], async (path) => shards[paths.indexOf(path)]!, fail, undefined);
}

const bytes = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer);

describe('weights', () => {
  it('lie end to end over the shards, and are not copied where one shard holds them', async () => {
    const all = bytes(Float32Array.of(1, 2, 3, 4, 5));
    const [first, second] = [all.slice(0, 10), all.slice(10)];
    const tensors = await read(
      [weight('a', 'float32', [2]), weight('b', 'float32', []), weight('c', 'float32', [2, 1])],
      first,
      new Uint8Array(),
      second,
    );
    expect([...tensors.values()].map(({ data }) => [...(data as Float32Array)])).toEqual([[1, 2], [3], [4, 5]]);
    expect(tensors.get('a')!.bytes.buffer).toBe(first.buffer);
    expect(tensors.get('c')!.dims).toEqual([2, 1]);
  });

  it('are restored where they are quantised', async () => {
    const q8 = { dtype: 'uint8', scale: 0.5, min: -1 };
    const tensors = await read(
      [
        weight('u8', 'float32', [3], q8),
        weight('s32', 'int32', [3], q8),
        weight('u16', 'float32', [1], { dtype: 'uint16', scale: 2, min: 1 }),
        weight('f16', 'float32', [2], { dtype: 'float16' }),
      ],
      Uint8Array.of(0, 1, 255, 0, 1, 255, 0x34, 0x12, 0x00, 0x3c, 0x00, 0xc0),
    );
    expect(tensors.get('u8')).toMatchObject({ type: 'float32', data: Float32Array.of(-1, -0.5, 126.5) });
    expect(tensors.get('s32')).toMatchObject({ type: 'int32', data: Int32Array.of(-1, 0, 127) });
    expect(tensors.get('u16')!.data).toEqual(Float32Array.of(2 * 0x1234 + 1));
    expect(tensors.get('f16')!.data).toEqual(Float32Array.of(1, -2));
  });

  it('may be truth values, small integers and text', async () => {
    const text = Uint8Array.of(2, 0, 0, 0, 0xc3, 0xa9, 0, 0, 0, 0);
    const tensors = await read(
      [weight('b', 'bool', [2]), weight('u', 'uint8', [1]), weight('t', 'string', [2])],
      Uint8Array.of(1, 0, 200, ...text),
    );
    expect(tensors.get('b')).toMatchObject({ type: 'bool', data: Uint8Array.of(1, 0) });
    expect(tensors.get('u')).toMatchObject({ type: 'int32', data: Int32Array.of(200) });
    expect(tensors.get('t')!.data).toEqual(['é', '']);
  });

  it('that cannot be read have reasons', () => {
    const weights = [
      weight('a', 'complex64', [1]),
      weight('b', 'float32', [1], { dtype: 'int4' }),
      weight('c', 'float32', [1], { dtype: 'uint8' }),
      weight('d', 'int32', [1], { dtype: 'float16' }),
    ];
    expect(unsupportedWeights([{ paths: [], weights }])).toEqual([
      'weight a: no dtype complex64',
      'weight b: no quantization of float32 as int4',
      'weight c: no quantization of float32 as uint8',
      'weight d: no quantization of int32 as float16',
    ]);
  });

  it.each<[string, Weight[], Uint8Array, RegExp]>([
    ['too few bytes', [weight('a', 'float32', [2])], new Uint8Array(7), /"a" of 8 bytes, but shard0 has only 7 left/],
    ['bytes left over', [weight('a', 'uint8', [2])], new Uint8Array(3), /all but 1 bytes of shard0/],
    ['a name twice', [weight('a', 'uint8', [1]), weight('a', 'uint8', [1])], new Uint8Array(2), /two weights "a"/],
    ['text that is cut short', [weight('a', 'string', [1])], Uint8Array.of(9, 0, 0, 0, 65), /"a" of 9 bytes/],
    ['more text than there are bytes', [weight('a', 'string', [1e12])], Uint8Array.of(0, 0, 0, 0), /"a" of 4 bytes/],
  ])('are refused with %s', async (_, weights, shard, message) => {
    await expect(read(weights, shard)).rejects.toThrow(message);
  });
});
