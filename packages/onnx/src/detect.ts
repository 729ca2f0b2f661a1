/** Tells an ONNX model from other files by its first bytes. */

import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** Wire types of the fields of ModelProto. */
const fields: Readonly<Record<number, WireType>> = {
  1: WireType.Varint,
  2: WireType.LengthDelimited,
  3: WireType.LengthDelimited,
  4: WireType.LengthDelimited,
  5: WireType.Varint,
  6: WireType.LengthDelimited,
  7: WireType.LengthDelimited,
  8: WireType.LengthDelimited,
  14: WireType.LengthDelimited,
  20: WireType.LengthDelimited,
  25: WireType.LengthDelimited,
  26: WireType.LengthDelimited,
};

/**
 * True when the bytes are an ONNX model, or the beginning of one that reaches into its graph. Looks at the outermost fields
 * only: all must be a model's, with an IR version and a graph among them.
 */
export function isOnnx(bytes: Uint8Array): boolean {
  const reader = new BinaryReader(bytes);
  let version = false;
  let graph = false;
  try {
    while (reader.pos < bytes.length) {
      const [number, wire] = reader.tag();
      if (fields[number] !== wire) return false;
      if (number === 7) graph = true;
      if (number === 1) version = isVersion(Number(reader.int64()));
      else if (wire === WireType.LengthDelimited) {
        const length = reader.uint32();
        reader.pos += length;
      } else reader.skip(wire, number);
      if (number === 1 && !version) return false;
    }
  } catch {
    // The reader throws at bytes that are no protobuf, and where a file was cut.
  }
  return version && graph;
}

const isVersion = (value: number): boolean => value >= 1 && value < 1000;
