/** Reads safetensors. Every number in the header is checked before it is used. */

import { byteLength, type DType, EspalierError, sizeOf, Tensor, UnsupportedError } from '@espalier/core';
import { dtypeNames, MAX_HEADER, METADATA, PREFIX } from './format.ts';

export interface Safetensors {
  /** In the order of the header. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** The text under `__metadata__`. */
  readonly metadata: ReadonlyMap<string, string>;
}

export interface ReadOptions {
  /** The name of the file, for messages. */
  readonly file?: string;
}

/** True when the bytes begin as a safetensors file does; {@link readSafetensors} may still find it damaged. */
export function isSafetensors(bytes: Uint8Array): boolean {
  if (bytes.byteLength < PREFIX + 2) return false;
  const size = headerSize(bytes);
  return size >= 2 && size <= MAX_HEADER && size <= bytes.byteLength - PREFIX && bytes[PREFIX] === 0x7b;
}

/**
 * The tensors of a file, over its bytes without a copy.
 * @throws EspalierError `BAD_FILE` when the file is malformed or cut short, `LIMIT` when its header is larger than 100 MB
 * @throws UnsupportedError naming every tensor whose dtype Espalier does not have
 */
export function readSafetensors(bytes: Uint8Array, options: ReadOptions = {}): Safetensors {
  const { file } = options;
  const fail = (message: string, cause?: unknown): never => {
    throw new EspalierError('BAD_FILE', `${file ?? 'safetensors'}: ${message}`, { ...(file ? { file } : {}), cause });
  };
  if (bytes.byteLength < PREFIX) fail(`${bytes.byteLength} bytes are too few for a safetensors file`);
  const size = headerSize(bytes);
  if (size > MAX_HEADER)
    throw new EspalierError(
      'LIMIT',
      `${file ?? 'safetensors'}: the header would be ${size} bytes, more than ${MAX_HEADER}: is this a safetensors file?`,
      file ? { file } : {},
    );
  if (size > bytes.byteLength - PREFIX)
    fail(`the header has ${size} bytes, but only ${bytes.byteLength - PREFIX} follow: the file is cut short`);
  const header = parseHeader(bytes.subarray(PREFIX, PREFIX + size), fail);
  const data = bytes.subarray(PREFIX + size);

  const metadata = new Map<string, string>();
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name !== METADATA) entries.push(checkEntry(name, value, fail));
    else if (!isRecord(value)) fail(`"${METADATA}" is not an object`);
    else
      for (const [key, text] of Object.entries(value))
        metadata.set(key, typeof text === 'string' ? text : fail(`"${METADATA}" has "${key}", which is not text`));
  }
  checkLayout(entries, data.byteLength, fail);

  const tensors = new Map<string, Tensor>();
  const unsupported: string[] = [];
  for (const { name, dtype, shape, begin, end } of entries) {
    const type = dtypeNames.get(dtype);
    if (type) tensors.set(name, makeTensor(name, type, data.subarray(begin, end), shape, fail));
    else unsupported.push(`${name}: no dtype ${dtype}`);
  }
  if (unsupported.length > 0)
    throw new UnsupportedError(
      `${file ?? 'safetensors'}: ${unsupported.length} tensor(s) are of a dtype that is not supported:\n  ${unsupported.join('\n  ')}`,
      unsupported,
      file ? { file } : {},
    );
  return { tensors, metadata };
}

type Fail = (message: string, cause?: unknown) => never;

interface Entry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** May be inexact beyond 2^53, which is far beyond the limit. */
function headerSize(bytes: Uint8Array): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset, PREFIX).getBigUint64(0, true));
}

function parseHeader(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  if (bytes[0] !== 0x7b) fail('the header does not begin with "{": this is not a safetensors file');
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (error) {
    return fail(`the header is not JSON in UTF-8: ${(error as Error).message}`, error);
  }
  const twice = duplicateKey(text);
  if (twice !== undefined) fail(`the header has the key "${twice}" twice`);
  return header as Record<string, unknown>;
}

/** A key that some object of a valid JSON text has twice; JSON.parse would drop the first. */
function duplicateKey(json: string): string | undefined {
  const objects: Set<string>[] = [];
  for (let at = 0; at < json.length; at++) {
    if (json[at] === '{') objects.push(new Set());
    else if (json[at] === '}') objects.pop();
    if (json[at] !== '"') continue;
    const start = at;
    while (json[++at] !== '"') if (json[at] === '\\') at++;
    const end = at + 1;
    while (/\s/.test(json[at + 1]!)) at++;
    if (json[at + 1] !== ':') continue;
    const key: string = JSON.parse(json.slice(start, end));
    const keys = objects.at(-1)!;
    if (keys.has(key)) return key;
    keys.add(key);
  }
  return undefined;
}

function checkEntry(name: string, value: unknown, fail: Fail): Entry {
  if (!isRecord(value)) return fail(`the header has "${name}", which is not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string') return fail(`the tensor "${name}" has no dtype`);
  if (!isSizes(shape)) return fail(`the tensor "${name}" has no shape of integers >= 0`);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!)
    return fail(`the tensor "${name}" has no data_offsets [begin, end] with begin <= end`);
  return { name, dtype, shape, begin: offsets[0]!, end: offsets[1]! };
}

/** The tensors must cover the data exactly: no overlap, no hole, nothing left over. */
function checkLayout(entries: readonly Entry[], bytes: number, fail: Fail): void {
  let at = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < at) fail(`the tensor "${name}" overlaps the one before it (byte ${begin} < ${at})`);
    if (begin > at) fail(`bytes ${at} to ${begin} belong to no tensor`);
    if (end > bytes) fail(`the tensor "${name}" ends at byte ${end} of ${bytes}: the file is cut short`);
    at = end;
  }
  if (at !== bytes) fail(`the last ${bytes - at} bytes belong to no tensor`);
}

function makeTensor(name: string, type: DType, bytes: Uint8Array, shape: readonly number[], fail: Fail): Tensor {
  // A zero dimension would hide an overflow of the others.
  const extents = shape.filter((extent) => extent > 0).reduce((product, extent) => product * extent, 1);
  if (!Number.isSafeInteger(extents)) fail(`the tensor "${name}" has an impossible shape [${shape}]`);
  const needed = byteLength(type, sizeOf(shape));
  if (needed !== bytes.byteLength)
    fail(`the tensor "${name}" is ${type} of [${shape}], ${needed} bytes, but has ${bytes.byteLength}`);
  return Tensor.fromBytes(type, bytes, shape);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((x) => Number.isSafeInteger(x) && x >= 0);
}
