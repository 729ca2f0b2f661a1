import { type DType, dtypes, EspalierError, Tensor, UnsupportedError } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { isSafetensors, readSafetensors, writeSafetensors } from '../src/index.ts';

/** A file with this header (text or JSON value), `data` bytes behind it. */
function file(header: unknown, data: number | Uint8Array = 0, size?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const tail = typeof data === 'number' ? new Uint8Array(data) : data;
  const bytes = new Uint8Array(8 + text.length + tail.length);
  new DataView(bytes.buffer).setBigUint64(0, size ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(tail, 8 + text.length);
  return bytes;
}

const entry = (dtype: string, shape: unknown, ...data_offsets: unknown[]) => ({ dtype, shape, data_offsets });

const good = entry('U8', [4], 0, 4);

describe('readSafetensors', () => {
  it('reads tensors over the file, without a copy', () => {
    const data = Uint8Array.of(0, 0, 128, 63, 0, 0, 0, 192, 7, 1, 0);
    const header = {
      __metadata__: { format: 'pt' },
      flags: entry('BOOL', [2, 1], 9, 11),
      weight: entry('F32', [2], 0, 8),
      small: entry('U8', [], 8, 9),
      none: entry('I64', [0, 3], 8, 8),
    };
    const bytes = file(`${JSON.stringify(header)}   `, data);
    const { tensors, metadata } = readSafetensors(bytes);
    expect([...tensors.keys()]).toEqual(['flags', 'weight', 'small', 'none']);
    expect([...metadata]).toEqual([['format', 'pt']]);
    expect(tensors.get('weight')!.bytes.buffer).toBe(bytes.buffer);
    expect(tensors.get('weight')!.data).toEqual(Float32Array.of(1, -2));
    expect(tensors.get('small')!.dims).toEqual([]);
    expect(tensors.get('none')!.dims).toEqual([0, 3]);
    expect(tensors.get('flags')!.type).toBe('bool');
  });

  it('reads a file inside a larger buffer', () => {
    const inner = file({ a: entry('I16', [2], 0, 4) }, Uint8Array.of(1, 0, 255, 255));
    const outer = new Uint8Array(inner.length + 3);
    outer.set(inner, 3);
    expect(readSafetensors(outer.subarray(3)).tensors.get('a')!.data).toEqual(Int16Array.of(1, -1));
  });

  it('takes names that JavaScript objects treat specially', () => {
    const bytes = file(
      '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"constructor":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}}',
      1,
    );
    expect([...readSafetensors(bytes).tensors.keys()]).toEqual(['__proto__', 'constructor']);
  });

  it('names every tensor of an unknown dtype at once', () => {
    const bytes = file(
      { a: entry('F8_E4M3', [1], 0, 1), b: entry('U8', [1], 1, 2), c: entry('F8_E5M2', [1], 2, 3) },
      3,
    );
    expect(() => readSafetensors(bytes)).toThrow(UnsupportedError);
    expect(() => readSafetensors(bytes)).toThrow(/2 tensor.*\n\s+a: no dtype F8_E4M3\n\s+c: no dtype F8_E5M2/);
  });

  const max = Number.MAX_SAFE_INTEGER;
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(), /too few/],
    ['half a size', new Uint8Array(7), /too few/],
    ['a header size of zero', file('', 0), /begin with/],
    ['a header larger than the file', file({ a: good }, 4, 1000n), /cut short/],
    ['a list as header', file('[]', 0), /begin with/],
    ['a byte order mark', file('\uFEFF{}', 0), /begin with/],
    ['broken JSON', file('{"a":}', 0), /not JSON/],
    ['bytes that are not UTF-8', file({ a: good }, 4).fill(0xff, 10, 11), /not JSON in UTF-8/],
    ['deep nesting', file(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`), /not an object/],
    [
      'a key twice',
      file(
        '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}',
        4,
      ),
      /key "a" twice/,
    ],
    [
      'a field twice',
      file('{"a":{"dtype":"U8","dtype":"I8","shape":[4],"data_offsets":[0,4]}}', 4),
      /key "dtype" twice/,
    ],
    ['a tensor that is text', file({ a: 'U8' }, 0), /"a", which is not an object/],
    ['no dtype', file({ a: { shape: [4], data_offsets: [0, 4] } }, 4), /no dtype/],
    ['no shape', file({ a: { dtype: 'U8', data_offsets: [0, 4] } }, 4), /no shape/],
    ['a negative dimension', file({ a: entry('U8', [-4], 0, 4) }, 4), /no shape of integers/],
    ['a fractional dimension', file({ a: entry('U8', [0.5], 0, 4) }, 4), /no shape of integers/],
    [
      'a dimension beyond 2^53',
      file('{"a":{"dtype":"U8","shape":[1e300],"data_offsets":[0,4]}}', 4),
      /no shape of integers/,
    ],
    ['an overflow hidden by a zero', file({ a: entry('U8', [max, max, 0], 0, 0) }, 0), /impossible shape/],
    ['an overflow', file({ a: entry('U8', [max, max], 0, 4) }, 4), /impossible shape/],
    ['no offsets', file({ a: { dtype: 'U8', shape: [4] } }, 4), /no data_offsets/],
    ['three offsets', file({ a: entry('U8', [4], 0, 4, 4) }, 4), /no data_offsets/],
    ['offsets that go back', file({ a: entry('U8', [4], 4, 0) }, 4), /no data_offsets/],
    ['negative offsets', file({ a: entry('U8', [4], -4, 0) }, 4), /no data_offsets/],
    ['fewer bytes than the shape needs', file({ a: entry('F32', [2], 0, 4) }, 4), /8 bytes, but has 4/],
    ['an end beyond the file', file({ a: entry('U8', [9], 0, 9) }, 4), /ends at byte 9 of 4/],
    ['an overlap', file({ a: good, b: entry('U8', [4], 2, 6) }, 6), /"b" overlaps/],
    ['two names for the same bytes', file({ a: good, b: good }, 4), /"b" overlaps/],
    ['a hole', file({ a: good, b: entry('U8', [1], 5, 6) }, 6), /bytes 4 to 5 belong to no tensor/],
    ['a hole at the start', file({ a: entry('U8', [1], 1, 2) }, 2), /bytes 0 to 1 belong to no tensor/],
    ['bytes left over', file({ a: good }, 5), /last 1 bytes belong to no tensor/],
    ['metadata that is no object', file({ __metadata__: ['x'] }, 0), /not an object/],
    ['metadata that is no text', file({ __metadata__: { n: 1 } }, 0), /not text/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => readSafetensors(bytes, { file: 'x.safetensors' })).toThrow(message);
    try {
      readSafetensors(bytes, { file: 'x.safetensors' });
    } catch (error) {
      expect(error).toBeInstanceOf(EspalierError);
      expect((error as EspalierError).message).toMatch(/^x\.safetensors: /);
      expect((error as EspalierError).code).toBe('BAD_FILE');
    }
  });

  it('refuses a header that would be larger than 100 MB', () => {
    const bytes = file({ a: good }, 4, 2n ** 64n - 1n);
    expect(() => readSafetensors(bytes)).toThrow(expect.objectContaining({ code: 'LIMIT' }));
  });

  it('refuses or reads every mutant of a file, and throws nothing but its own errors', () => {
    const original = writeSafetensors(
      [
        ['weight', new Tensor('float32', [1, 2, 3, 4], [2, 2])],
        ['b', new Tensor('uint8', [5], [])],
      ],
      [['k', 'v']],
    );
    let refused = 0;
    for (let at = 0; at < original.length; at++) {
      for (const value of [0x00, 0x22, 0x2d, 0x39, 0x7b, 0x7d, 0xff]) {
        const mutant = original.slice();
        mutant[at] = value;
        try {
          readSafetensors(mutant);
        } catch (error) {
          expect(error).toBeInstanceOf(EspalierError);
          refused++;
        }
      }
      expect(() => readSafetensors(original.subarray(0, at))).toThrow(EspalierError);
    }
    expect(refused).toBeGreaterThan(original.length);
  });
});

describe('writeSafetensors', () => {
  const make = (type: DType): Tensor => {
    const elements = dtypes[type].bits / 8;
    return Tensor.fromBytes(
      type,
      Uint8Array.from({ length: 3 * elements }, (_, i) => (i * 37) % 251),
      [3, 1],
    );
  };
  const all = [
    'bool',
    'int8',
    'uint8',
    'int16',
    'uint16',
    'float16',
    'bfloat16',
    'int32',
    'uint32',
    'float32',
    'int64',
    'uint64',
    'float64',
  ] as const;

  it('round-trips every dtype, names and metadata', () => {
    const tensors = all.map((type) => [`ü.${type}`, make(type)] as const);
    const bytes = writeSafetensors(tensors, [['licence', 'Apache-2.0 ✓']]);
    const read = readSafetensors(bytes);
    expect(read.metadata.get('licence')).toBe('Apache-2.0 ✓');
    expect(read.tensors.size).toBe(all.length);
    for (const [name, tensor] of tensors) {
      const back = read.tensors.get(name)!;
      expect([back.type, back.dims, back.bytes]).toEqual([tensor.type, tensor.dims, tensor.bytes]);
    }
  });

  it('gives the same bytes whatever the order, with every tensor aligned', () => {
    const tensors = all.map((type) => [type, make(type)] as [string, Tensor]);
    const bytes = writeSafetensors(tensors, [
      ['b', '2'],
      ['a', '1'],
    ]);
    expect(
      writeSafetensors(tensors.toReversed(), [
        ['a', '1'],
        ['b', '2'],
      ]),
    ).toEqual(bytes);
    for (const [name, tensor] of readSafetensors(bytes).tensors)
      expect([name, tensor.bytes.byteOffset % (dtypes[tensor.type].bits / 8)]).toEqual([name, 0]);
  });

  it('writes the layout that the format describes', () => {
    const bytes = writeSafetensors([
      ['b', new Tensor('uint8', [9])],
      ['a', new Tensor('float32', [1])],
    ]);
    const header =
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}}';
    const size = Math.ceil(header.length / 8) * 8;
    expect(new DataView(bytes.buffer).getBigUint64(0, true)).toBe(BigInt(size));
    expect(new TextDecoder().decode(bytes.subarray(8, 8 + size))).toBe(header.padEnd(size));
    expect(bytes.subarray(8 + size)).toEqual(Uint8Array.of(0, 0, 128, 63, 9));
  });

  it('writes an empty file', () => {
    expect(readSafetensors(writeSafetensors([])).tensors.size).toBe(0);
  });

  it.each([
    ['strings', 's', new Tensor('string', ['x'])],
    ['4-bit integers', 'q', new Tensor('int4', new Int8Array(1), [2])],
    ['the reserved name', '__metadata__', new Tensor('uint8', [1])],
    ['half a surrogate pair', '\ud800', new Tensor('uint8', [1])],
  ])('refuses %s', (_, name, tensor) => {
    expect(() => writeSafetensors([[name, tensor]], [['k', 'v']])).toThrow(TypeError);
  });

  it('refuses two tensors of one name', () => {
    const one = new Tensor('uint8', [1]);
    expect(() =>
      writeSafetensors([
        ['a', one],
        ['a', one],
      ]),
    ).toThrow(/"a" is already taken/);
  });
});

describe('isSafetensors', () => {
  it('tells the format by its first bytes', () => {
    expect(isSafetensors(writeSafetensors([]))).toBe(true);
    expect(isSafetensors(file({ a: good }, 4))).toBe(true);
    expect(isSafetensors(new Uint8Array(20))).toBe(false);
    expect(isSafetensors(new TextEncoder().encode('{"modelTopology": {}}'))).toBe(false);
    expect(isSafetensors(file({ a: good }, 4, 10_000n))).toBe(false);
  });
});
