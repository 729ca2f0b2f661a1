/** Tells an ONNX model from other files by its first bytes. */

import { fieldOf, Reader, WireType, wireOf } from './protobuf.ts';

/** Wire types of the fields of ModelProto. */
const fields: Readonly<Record<number, WireType>> = {
  1: WireType.varint,
  2: WireType.bytes,
  3: WireType.bytes,
  4: WireType.bytes,
  5: WireType.varint,
  6: WireType.bytes,
  7: WireType.bytes,
  8: WireType.bytes,
  14: WireType.bytes,
  20: WireType.bytes,
  25: WireType.bytes,
  26: WireType.bytes,
};

/**
 * True when the bytes are an ONNX model, or the beginning of one that reaches into its graph. Looks at the outermost fields
 * only: all must be a model's, with an IR version and a graph among them.
 */
export function isOnnx(bytes: Uint8Array): boolean {
  const reader = new Reader(bytes);
  let version = false;
  let graph = false;
  try {
    while (reader.pos < bytes.length) {
      const tag = reader.tag();
      const [number, wire] = [fieldOf(tag), wireOf(tag)];
      if (fields[number] !== wire) return false;
      if (number === 7) graph = true;
      if (number === 1) version = isVersion(reader.int64());
      else if (wire === WireType.bytes) {
        const length = reader.uint32();
        reader.pos += length;
      } else reader.skip(tag);
      if (number === 1 && !version) return false;
    }
  } catch {
    // The reader throws at bytes that are no protobuf, and where a file was cut.
  }
  return version && graph;
}

const isVersion = (value: bigint): boolean => value >= 1n && value < 1000n;
