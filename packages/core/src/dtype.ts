/** Element types of tensors, named as in onnxruntime-common, with ONNX's numbers. */

export type DType =
  | 'float64'
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'int4'
  | 'uint64'
  | 'uint32'
  | 'uint16'
  | 'uint8'
  | 'uint4'
  | 'bool'
  | 'string';

/** How the elements of a dtype look in host memory; `string` tensors hold `string[]`. */
export type TypedArray =
  | Float64Array
  | Float32Array
  | Uint16Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint32Array
  | Uint8Array;

export interface TypedArrayConstructor {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): TypedArray;
  new (length: number): TypedArray;
}

export interface DTypeInfo {
  /** As kernels are named: `f32`, `s8`, `u4`. */
  readonly short: string;
  /** Bits of one element; 0 for strings. */
  readonly bits: number;
  readonly kind: 'float' | 'int' | 'uint' | 'bool' | 'string';
  /** `TensorProto.DataType` of the ONNX specification. */
  readonly onnx: number;
  /** float16 and bfloat16 are raw bits; int4 and uint4 are packed two to a byte, low half first. */
  readonly array: TypedArrayConstructor;
}

export const dtypes: Readonly<Record<DType, DTypeInfo>> = {
  float64: { short: 'f64', bits: 64, kind: 'float', onnx: 11, array: Float64Array },
  float32: { short: 'f32', bits: 32, kind: 'float', onnx: 1, array: Float32Array },
  float16: { short: 'f16', bits: 16, kind: 'float', onnx: 10, array: Uint16Array },
  bfloat16: { short: 'bf16', bits: 16, kind: 'float', onnx: 16, array: Uint16Array },
  int64: { short: 's64', bits: 64, kind: 'int', onnx: 7, array: BigInt64Array },
  int32: { short: 's32', bits: 32, kind: 'int', onnx: 6, array: Int32Array },
  int16: { short: 's16', bits: 16, kind: 'int', onnx: 5, array: Int16Array },
  int8: { short: 's8', bits: 8, kind: 'int', onnx: 3, array: Int8Array },
  int4: { short: 's4', bits: 4, kind: 'int', onnx: 22, array: Int8Array },
  uint64: { short: 'u64', bits: 64, kind: 'uint', onnx: 13, array: BigUint64Array },
  uint32: { short: 'u32', bits: 32, kind: 'uint', onnx: 12, array: Uint32Array },
  uint16: { short: 'u16', bits: 16, kind: 'uint', onnx: 4, array: Uint16Array },
  uint8: { short: 'u8', bits: 8, kind: 'uint', onnx: 2, array: Uint8Array },
  uint4: { short: 'u4', bits: 4, kind: 'uint', onnx: 21, array: Uint8Array },
  bool: { short: 'b8', bits: 8, kind: 'bool', onnx: 9, array: Uint8Array },
  string: { short: 'str', bits: 0, kind: 'string', onnx: 8, array: Uint8Array },
};

const byOnnx = new Map<number, DType>(Object.entries(dtypes).map(([name, info]) => [info.onnx, name as DType]));

/** The dtype that ONNX numbers `code`, or undefined for one that Espalier does not have. */
export function dtypeFromOnnx(code: number): DType | undefined {
  return byOnnx.get(code);
}

/** Bytes that `count` elements take, packed; 0 for strings, which do not live in byte buffers. */
export function byteLength(dtype: DType, count: number): number {
  return Math.ceil((count * dtypes[dtype].bits) / 8);
}

/** The least and the greatest value of an integer dtype, or of bool; for 64 bits the greatest is rounded up to a power of two. */
export function integerRange(dtype: DType): readonly [number, number] {
  const { kind, bits } = dtypes[dtype];
  if (kind === 'bool') return [0, 1];
  return kind === 'int' ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

/** Sets of dtypes that op schemas and kernels speak of. */
export const floats = ['float64', 'float32', 'float16', 'bfloat16'] as const satisfies readonly DType[];
export const signedInts = ['int64', 'int32', 'int16', 'int8'] as const satisfies readonly DType[];
export const unsignedInts = ['uint64', 'uint32', 'uint16', 'uint8'] as const satisfies readonly DType[];
export const ints = [...signedInts, ...unsignedInts] as const;
export const numbers = [...floats, ...ints] as const;
export const fourBits = ['int4', 'uint4'] as const satisfies readonly DType[];
export const allDTypes = Object.keys(dtypes) as readonly DType[];
