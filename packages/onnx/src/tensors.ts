/** TensorProto to Tensor and back. Raw data of some size is not copied: the tensor lies over the bytes of the file. */

import { byteLength, type DType, dtypeFromOnnx, dtypes, EspalierError, sizeOf, Tensor } from '@espalier/core';
import { otherDataTypes, type TensorProto } from './proto.ts';
import { joined, utf8, varintsOf } from './wire.ts';

/** What is no larger gets bytes of its own: who keeps it (an attribute, a list of axes) must not keep all of the file. */
const SMALL_BYTES = 4096;

/** No model has tensors of more axes; numpy's limit too. */
const MAX_RANK = 64;

/** The name of an ONNX data type that Espalier does not have, for messages. */
export function dataTypeName(code: number | undefined): string {
  return otherDataTypes[code ?? 0] ?? `data type ${code ?? 0}`;
}

/** A shape read from a file. @throws EspalierError `BAD_FILE` for sizes that no tensor can have */
export function shapeOf(dims: readonly bigint[]): number[] {
  if (dims.length > MAX_RANK) throw new EspalierError('LIMIT', `has ${dims.length} axes, more than ${MAX_RANK}`);
  return dims.map(Number).map((size, axis) => {
    if (size < 0 || !Number.isSafeInteger(size))
      throw new EspalierError('BAD_FILE', `has the size ${dims[axis]} on axis ${axis}`);
    return size;
  });
}

/** The dtype and shape that a tensor of a file has; undefined where Espalier lacks the dtype. */
export function typeOf(proto: TensorProto): { dtype: DType; dims: number[]; bytes: number } | undefined {
  const dims = shapeOf(proto.dims);
  const size = sizeOf(dims);
  const dtype = dtypeFromOnnx(proto.dataType ?? 0);
  return dtype && { dtype, dims, bytes: byteLength(dtype, size) };
}

/**
 * The tensor of a message whose external data, if any, stands in `rawData` already; undefined for a dtype that Espalier
 * lacks.
 * @throws EspalierError `BAD_FILE` where data and shape do not fit each other
 */
export function readTensor(proto: TensorProto): Tensor | undefined {
  if (proto.segment) throw new EspalierError('BAD_FILE', 'is a segment of a tensor; no tool writes such files');
  const type = typeOf(proto);
  if (!type) return undefined;
  const { dtype, dims, bytes } = type;
  if (dtype === 'string') return new Tensor('string', readStrings(proto, sizeOf(dims)), dims);
  const data = proto.rawData ?? typedData(proto, dtype, sizeOf(dims));
  if (data.length !== bytes)
    throw new EspalierError('BAD_FILE', `is ${dtype} [${dims}] of ${bytes} bytes, but has ${data.length}`);
  const own = data.length <= SMALL_BYTES ? new Uint8Array(data) : data;
  return Tensor.fromBytes(dtype, dtype === 'bool' ? booleans(own) : own, dims);
}

function readStrings(proto: TensorProto, size: number): string[] {
  const { stringData, rawData } = proto;
  if (stringData.length !== size || rawData)
    throw new EspalierError('BAD_FILE', `is string [${proto.dims}] of ${size}, but has ${stringData.length} strings`);
  return stringData.map(utf8);
}

/** Kernels rely on 0 and 1. */
function booleans(bytes: Uint8Array): Uint8Array {
  return bytes.every((byte) => byte <= 1) ? bytes : bytes.map((byte) => (byte ? 1 : 0));
}

/** The bytes of elements that stand in one of the typed fields. */
function typedData(proto: TensorProto, dtype: DType, size: number): Uint8Array {
  if (dtype === 'float32') return joined(proto.floatData);
  if (dtype === 'float64') return joined(proto.doubleData);
  const { bits, array } = dtypes[dtype];
  const wide = bits === 64 || dtype === 'uint32';
  const runs = dtype === 'int64' ? proto.int64Data : wide ? proto.uint64Data : proto.int32Data;
  // Every number takes a byte of the file at least: that bounds what is allocated.
  const count = bits === 4 ? Math.ceil(size / 2) : size;
  const available = runs.reduce((sum, run) => sum + run.length, 0);
  if (count > available)
    throw new EspalierError('BAD_FILE', `is ${dtype} of ${size} elements, but its data has ${available} bytes`);
  const data = new array(count);
  const [min, max] = rangeOf(dtype);
  const found = varintsOf(runs, count, wide, (index, value) => {
    if (value < min || value > max) throw new EspalierError('BAD_FILE', `holds ${value}, which is no ${dtype}`);
    (data as { [index: number]: unknown })[index] = bits === 64 ? value : Number(value);
  });
  if (found !== count)
    throw new EspalierError('BAD_FILE', `is ${dtype} of ${size} elements, but has ${found > count ? 'more' : found}`);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** What a number in a typed field may be: the element, its raw bits, or for 4-bit integers a byte of two. */
function rangeOf(dtype: DType): readonly [number, number] {
  const { kind, bits } = dtypes[dtype];
  if (bits === 64) return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  if (bits === 4) return [-128, 255];
  return kind === 'int' ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

/** The message of a tensor; its bytes are not copied. */
export function writeTensor(tensor: Tensor, name?: string): TensorProto {
  const isString = tensor.type === 'string';
  return {
    ...(name === undefined ? {} : { name }),
    dims: tensor.dims.map(BigInt),
    dataType: dtypes[tensor.type].onnx,
    ...(isString ? {} : { rawData: tensor.bytes }),
    stringData: isString ? (tensor.data as string[]).map((text) => new TextEncoder().encode(text)) : [],
    floatData: [],
    int32Data: [],
    int64Data: [],
    doubleData: [],
    uint64Data: [],
    externalData: [],
  };
}
