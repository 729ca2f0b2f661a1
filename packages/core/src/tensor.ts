/** Tensors in host memory. The class has the shape that people know from onnxruntime-common. */

import { byteLength, type DType, dtypes, type TypedArray } from './dtype.ts';
import { EspalierError } from './errors.ts';
import { fromBFloat16, fromFloat16, readNibble } from './half.ts';
import { sizeOf } from './shape.ts';

export type TensorData = TypedArray | string[];

/** What a constructor accepts as data: the dtype's own array, or plain numbers that are converted. */
export type TensorSource = TensorData | readonly (number | bigint | boolean | string)[] | ArrayBufferView;

/** Dense, row-major, in host memory. `float16` and `bfloat16` hold raw bits in a `Uint16Array`, `int4` and `uint4` two to a byte. */
export class Tensor {
  readonly type: DType;
  readonly dims: readonly number[];
  /** The number of elements. */
  readonly size: number;
  private raw: Uint8Array | undefined;
  private elements: TensorData | undefined;

  /**
   * @param data elements in row-major order; for `float16` a `Float16Array` is taken too
   * @throws TypeError where dtype, data and dims do not fit each other
   */
  constructor(type: DType, data: TensorSource, dims?: readonly number[]);
  constructor(data: TensorSource, dims?: readonly number[]);
  constructor(first: DType | TensorSource, second?: TensorSource | readonly number[], third?: readonly number[]) {
    const named = typeof first === 'string';
    const source = (named ? second : first) as TensorSource;
    const dims = (named ? third : second) as readonly number[] | undefined;
    if (named && !Object.hasOwn(dtypes, first))
      throw new TypeError(`"${first}" is not a dtype: use one of ${Object.keys(dtypes).join(', ')}`);
    if (source === null || typeof source !== 'object')
      throw new TypeError('tensor data must be an array or a typed array');
    this.type = named ? first : dtypeOf(source);
    this.elements = toData(this.type, source);
    const packed = dtypes[this.type].bits === 4;
    const length = this.elements.length;
    this.dims = checkDims(dims ?? [packed ? length * 2 : length]);
    this.size = sizeOf(this.dims);
    const expected = packed ? Math.ceil(this.size / 2) : this.size;
    if (expected !== length) {
      throw new TypeError(`a ${this.type} tensor of [${this.dims}] needs ${expected} elements of data, not ${length}`);
    }
    this.raw = Array.isArray(this.elements) ? undefined : bytesOf(this.elements);
  }

  /**
   * A tensor over bytes that stay where they are (little-endian, any alignment).
   * @throws EspalierError `BAD_INPUT` when there are not exactly as many bytes as the shape needs
   */
  static fromBytes(type: DType, bytes: Uint8Array, dims: readonly number[]): Tensor {
    const needed = byteLength(type, sizeOf(checkDims(dims)));
    if (type === 'string' || bytes.byteLength !== needed) {
      throw new EspalierError(
        'BAD_INPUT',
        `a ${type} tensor of [${dims}] needs ${needed} bytes, not ${bytes.byteLength}`,
      );
    }
    // A plain view: Node's Buffer has a slice() that does not copy.
    const fields = { type, dims: [...dims], size: sizeOf(dims), raw: bytesOf(bytes) };
    return Object.assign(Object.create(Tensor.prototype), fields);
  }

  /** The elements. Bytes that are not aligned for the dtype are copied the first time. */
  get data(): TensorData {
    if (this.elements) return this.elements;
    const { array } = dtypes[this.type];
    const { bytes } = this;
    const aligned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
    // Tensors that are made of these bytes later need no copy of their own.
    this.raw = aligned;
    this.elements = new array(aligned.buffer, aligned.byteOffset, aligned.byteLength / array.BYTES_PER_ELEMENT);
    return this.elements;
  }

  /** The bytes of the elements, without a copy. @throws TypeError for strings */
  get bytes(): Uint8Array {
    if (!this.raw)
      throw new TypeError(this.type === 'string' ? 'a string tensor has no bytes' : 'this tensor was released');
    return this.raw;
  }

  /** Lets go of the elements, which may be large: reading them here throws from then on, while others that share them keep them. */
  release(): void {
    this.elements = undefined;
    this.raw = undefined;
  }

  /** Same elements, other shape. @throws TypeError where the sizes differ */
  reshape(dims: readonly number[]): Tensor {
    if (sizeOf(checkDims(dims)) !== this.size) throw new TypeError(`cannot reshape [${this.dims}] to [${dims}]`);
    return this.raw ? Tensor.fromBytes(this.type, this.raw, dims) : new Tensor(this.type, this.data, dims);
  }

  /** Where the data is: always `cpu`. For code written for onnxruntime-common. */
  get location(): 'cpu' {
    return 'cpu';
  }

  /** The data, as a promise. For code written for onnxruntime-common. */
  async getData(): Promise<TensorData> {
    return this.data;
  }

  /** Nothing to do: the memory is the garbage collector's. For code written for onnxruntime-common. */
  dispose(): void {}
}

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function checkDims(dims: readonly number[]): readonly number[] {
  for (const d of dims) {
    if (!Number.isSafeInteger(d) || d < 0)
      throw new TypeError(`[${dims}] is not a shape: dimensions are integers >= 0`);
  }
  return [...dims];
}

const inferred = new Map<string, DType>([
  ['Float64Array', 'float64'],
  ['Float32Array', 'float32'],
  ['Float16Array', 'float16'],
  ['BigInt64Array', 'int64'],
  ['BigUint64Array', 'uint64'],
  ['Int32Array', 'int32'],
  ['Int16Array', 'int16'],
  ['Int8Array', 'int8'],
  ['Uint32Array', 'uint32'],
  ['Uint16Array', 'uint16'],
  ['Uint8Array', 'uint8'],
  ['Uint8ClampedArray', 'uint8'],
]);

const tag = (value: object): string => Object.prototype.toString.call(value).slice(8, -1);

function dtypeOf(source: object): DType {
  const found = inferred.get(tag(source));
  if (found) return found;
  const [first] = source as unknown[];
  if (typeof first === 'string') return 'string';
  if (typeof first === 'boolean') return 'bool';
  if (typeof first === 'bigint') return 'int64';
  if (typeof first === 'number') return 'float32';
  throw new TypeError('cannot tell the dtype from the data: pass it as the first argument');
}

function toData(type: DType, source: TensorSource): TensorData {
  const info = dtypes[type];
  if (type === 'string') {
    if (!Array.isArray(source) || !source.every((x) => typeof x === 'string'))
      throw new TypeError('a string tensor needs an array of strings');
    return source as string[];
  }
  if (!Array.isArray(source)) {
    const view = source as ArrayBufferView;
    const have = tag(view);
    const fits =
      have === info.array.name ||
      (type === 'float16' && have === 'Float16Array') ||
      (info.array === Uint8Array && have === 'Uint8ClampedArray');
    if (!fits) throw new TypeError(`${type} data must be a ${info.array.name}, not a ${have}`);
    return have === info.array.name
      ? (view as TypedArray)
      : new info.array(view.buffer, view.byteOffset, view.byteLength / info.array.BYTES_PER_ELEMENT);
  }
  if (type === 'float16' || type === 'bfloat16' || info.bits === 4)
    throw new TypeError(`${type} data must be a ${info.array.name} of raw bits`);
  const result = new info.array(source.length);
  const wide = info.bits === 64 && info.kind !== 'float';
  for (let i = 0; i < source.length; i++)
    (result as { [index: number]: unknown })[i] = wide ? BigInt(source[i]) : Number(source[i]);
  return result;
}

/** The elements as numbers, bigints or strings: halves as the numbers that they stand for, 4-bit integers unpacked. */
export function elements(tensor: Tensor): (number | bigint | string)[] {
  const data = tensor.data as ArrayLike<number>;
  if (tensor.type === 'float16') return Array.from(data, fromFloat16);
  if (tensor.type === 'bfloat16') return Array.from(data, fromBFloat16);
  if (dtypes[tensor.type].bits === 4)
    return Array.from({ length: tensor.size }, (_, i) => readNibble(tensor.bytes, i, tensor.type === 'int4'));
  return Array.from(data as ArrayLike<number | bigint | string>);
}
