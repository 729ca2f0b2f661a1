/**
 * What reader and writer agree on. A file is an unsigned 64-bit little-endian header size, a JSON header of that many bytes,
 * and the tensors' bytes. Source: the README of huggingface/safetensors, "Format".
 */

import type { DType } from '@espalier/core';

/** The file's dtype names and ours. */
export const dtypeNames: ReadonlyMap<string, DType> = new Map([
  ['F64', 'float64'],
  ['F32', 'float32'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['I64', 'int64'],
  ['I32', 'int32'],
  ['I16', 'int16'],
  ['I8', 'int8'],
  ['U64', 'uint64'],
  ['U32', 'uint32'],
  ['U16', 'uint16'],
  ['U8', 'uint8'],
  ['BOOL', 'bool'],
]);

/** The header key that holds text instead of a tensor. */
export const METADATA = '__metadata__';

/** Bytes of the header size that opens a file. */
export const PREFIX = 8;

/** The largest header that is read; the reference implementation has the same limit. */
export const MAX_HEADER = 100_000_000;
