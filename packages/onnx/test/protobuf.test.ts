// The wire format beside protobuf's own implementation, on numbers at every edge and drawn at random.

import { BinaryReader, BinaryWriter, WireType as Theirs } from '@bufbuild/protobuf/wire';
import { expect, test } from 'vitest';
import { fieldOf, Reader, tagOf, WireType, Writer, wireOf } from '../src/protobuf.ts';

let state = 7;
const random = (): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state;
};

const edges = Array.from({ length: 64 }, (_, bits) =>
  [-1n, 0n, 1n].map((d) => BigInt.asIntN(64, (1n << BigInt(bits)) + d)),
);
const drawn = Array.from({ length: 300 }, () =>
  BigInt.asIntN(64, ((BigInt(random()) << 32n) | BigInt(random())) >> BigInt(random() & 63)),
);
const numbers = [...edges.flat(), ...drawn];

test('numbers are written as protobuf writes them, and read as it reads them', () => {
  for (const value of numbers) {
    const narrow = Number(BigInt.asIntN(32, value));
    const ours = new Writer()
      .int64(value)
      .int32(narrow)
      .uint32(narrow >>> 0)
      .float(Number(value))
      .finish();
    const theirs = new BinaryWriter()
      .int64(value)
      .int32(narrow)
      .uint32(narrow >>> 0)
      .float(Number(value))
      .finish();
    expect(ours, `${value}`).toEqual(theirs);
    const [reader, other] = [new Reader(theirs), new BinaryReader(theirs)];
    expect(reader.int64()).toBe(BigInt(other.int64()));
    expect(reader.int32()).toBe(other.int32());
    expect(reader.uint32()).toBe(other.uint32());
    expect(reader.float()).toBe(other.float());
    expect(reader.pos).toBe(theirs.length);
  }
});

test('messages are written as protobuf writes them', () => {
  const bytes = Uint8Array.from({ length: 300 }, random);
  const inner = new Writer().uint32(tagOf(1, WireType.bytes)).bytes(bytes);
  const ours = new Writer().uint32(tagOf(2_000_000, WireType.bytes)).message(inner).uint32(5).finish();
  const theirs = new BinaryWriter().tag(2_000_000, Theirs.LengthDelimited).fork().tag(1, Theirs.LengthDelimited);
  expect(ours).toEqual(theirs.bytes(bytes).join().uint32(5).finish());
});

/** How far reading fields gets: the tags, and where it stops. */
function walk(bytes: Uint8Array, next: () => readonly [number, number], position: () => number): unknown {
  const tags: (readonly [number, number])[] = [];
  try {
    while (position() < bytes.length) tags.push(next());
  } catch {
    return { tags, failed: true };
  }
  return { tags, failed: false };
}

test('any bytes are passed over as protobuf passes over them, or refused where it refuses them', () => {
  let refused = 0;
  for (let i = 0; i < 5000; i++) {
    // Few values, so that tags, groups and lengths come up often.
    const bytes = Uint8Array.from(
      { length: 1 + (random() & 15) },
      () => [8, 11, 12, 10, 13, 0x80, 1, random() & 255][random() >>> 29]!,
    );
    const [reader, other] = [new Reader(bytes), new BinaryReader(bytes)];
    const ours = walk(
      bytes,
      () => {
        const tag = reader.tag();
        reader.skip(tag);
        return [fieldOf(tag), wireOf(tag)];
      },
      () => reader.pos,
    );
    const theirs = walk(
      bytes,
      () => {
        const [field, wire] = other.tag();
        other.skip(wire, field);
        return [field, wire];
      },
      () => other.pos,
    );
    expect(ours, `${bytes}`).toEqual(theirs);
    if ((ours as { failed: boolean }).failed) refused++;
  }
  expect(refused).toBeGreaterThan(100);
  expect(refused).toBeLessThan(4900);
});

test('a number of more than ten bytes is refused', () => {
  const endless = new Uint8Array(11).fill(0x80);
  for (const read of ['uint32', 'int32', 'int64', 'tag'] as const) expect(() => new Reader(endless)[read]()).toThrow();
});
