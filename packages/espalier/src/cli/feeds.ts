/** Feeds for a model: from JSON, from .npz, or random. */

import { readFileSync } from 'node:fs';
import {
  bindShape,
  byteLength,
  type DType,
  dim,
  dtypes,
  EspalierError,
  elements,
  isSequence,
  sizeOf,
  Tensor,
  toBFloat16,
  toFloat16,
  type Value,
  writeNibble,
} from '@espalier/core';
import type { Session } from '@espalier/runtime';
import { readNpz } from './npz.ts';

/** How tensors are written in JSON: elements in row-major order; what JSON numbers cannot hold as strings. */
export interface JsonTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: readonly unknown[];
}

/** A sequence is a list of tensors, an optional that is empty null. */
type JsonValue = JsonTensor | readonly JsonTensor[] | null;

export interface FeedOptions {
  readonly inputs?: string;
  readonly seed: number;
  readonly dim?: Readonly<Record<string, number>>;
}

export function readFeeds(session: Session, options: FeedOptions): Record<string, Value> {
  if (options.inputs === undefined) return randomFeeds(session, options);
  const file = options.inputs;
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new EspalierError('NOT_FOUND', `${file} cannot be read: ${(error as Error).message}`, { file, cause: error });
  }
  if (bytes.subarray(0, 2).toString('latin1') === 'PK') return readNpz(bytes, file);
  let json: Record<string, JsonValue>;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new EspalierError('BAD_FILE', `${file} is neither JSON nor .npz: ${(error as Error).message}`, {
      file,
      cause: error,
    });
  }
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, fromJson(value, `${file}: "${name}"`)]));
}

/** @throws EspalierError `BAD_FILE` naming `what` */
export function fromJson(value: JsonValue, what: string): Value {
  if (value === null) return null;
  return isList(value)
    ? value.map((tensor, i) => tensorFromJson(tensor, `${what}, element ${i}`))
    : tensorFromJson(value, what);
}

const isList = (value: JsonValue): value is readonly JsonTensor[] => Array.isArray(value);

function tensorFromJson(value: JsonTensor, what: string): Tensor {
  const bad = (why: string): never => {
    throw new EspalierError(
      'BAD_FILE',
      `${what} ${why}; write {"dtype": "float32", "shape": [1, 2], "data": [0.5, 1]}`,
    );
  };
  if (typeof value !== 'object' || value === null) bad('is not an object');
  const { dtype, shape, data } = value;
  if (!Object.hasOwn(dtypes, dtype)) bad(`has the dtype ${JSON.stringify(dtype)}, which is none`);
  if (!Array.isArray(shape) || !shape.every((d) => Number.isSafeInteger(d) && d >= 0)) bad('has no shape');
  if (!Array.isArray(data)) bad('has no data');
  const flat = data.flat(Number.POSITIVE_INFINITY) as (number | string | boolean)[];
  if (flat.length !== sizeOf(shape)) bad(`has ${flat.length} elements for the shape [${shape}]`);
  try {
    return encode(dtype, flat, shape);
  } catch (error) {
    return bad(`cannot be read as ${dtype}: ${(error as Error).message}`);
  }
}

function encode(dtype: DType, elements: readonly (number | string | boolean)[], shape: readonly number[]): Tensor {
  if (dtype === 'string') return new Tensor('string', elements.map(String), shape);
  const { bits } = dtypes[dtype];
  if (bits === 4) {
    const packed = new Int8Array(byteLength(dtype, elements.length));
    for (const [i, x] of elements.entries()) writeNibble(packed, i, Number(x));
    return Tensor.fromBytes(dtype, new Uint8Array(packed.buffer), shape);
  }
  const round = dtype === 'float16' ? toFloat16 : dtype === 'bfloat16' ? toBFloat16 : undefined;
  if (round)
    return new Tensor(
      dtype,
      Uint16Array.from(elements, (x) => round(Number(x))),
      shape,
    );
  return new Tensor(dtype, elements, shape);
}

/** The value as JSON: infinities, NaN and integers beyond 2^53 as strings, halves as numbers. */
export function toJson(value: Value): JsonValue {
  return isSequence(value) ? value.map(tensorToJson) : value && tensorToJson(value);
}

function tensorToJson(tensor: Tensor): JsonTensor {
  return { dtype: tensor.type, shape: tensor.dims, data: elements(tensor).map(jsonElement) };
}

function jsonElement(value: number | bigint | string): number | string {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

/** What stands for a size that the tensors of a sequence need not share, and how many tensors it is given. */
const HELD_SIZE = 4;
const HELD_TENSORS = 2;

/** Floats in [-1, 1), integers and bools 0 or 1 (small enough for any vocabulary), open sizes as given or as planned. */
function randomFeeds(session: Session, { seed, dim: sizes }: FeedOptions): Record<string, Value> {
  const at = { ...session.explain().sizes, ...sizes };
  let state = Math.trunc(seed) >>> 0 || 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  const feed = session.inputMetadata.map(({ name, kind, type, shape }) => {
    const dims = bindShape(
      shape.map((d) => (kind === 'tensor' ? dim.substitute(d, at) : typeof d === 'number' ? d : HELD_SIZE)),
      {},
    );
    const isFloat = dtypes[type].kind === 'float';
    const tensor = (): Tensor => {
      const elements = Array.from({ length: sizeOf(dims) }, () => (isFloat ? next() * 2 - 1 : Math.round(next())));
      return encode(type, elements, dims);
    };
    return [name, kind.includes('sequence') ? Array.from({ length: HELD_TENSORS }, tensor) : tensor()] as const;
  });
  return Object.fromEntries(feed);
}
