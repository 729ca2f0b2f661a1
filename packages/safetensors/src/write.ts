/** Writes safetensors: the same tensors and metadata always give the same bytes. */

import { dtypes, type Tensor } from '@espalier/core';
import { dtypeNames, METADATA, PREFIX } from './format.ts';

const fileNames = new Map([...dtypeNames].map(([name, dtype]) => [dtype, name]));

/**
 * Tensors stand sorted by element size, largest first, then by name, so that each is aligned; the data begins at a multiple
 * of 8 bytes.
 * @throws TypeError for dtypes that the format lacks (string, int4, uint4) and names it cannot hold
 */
export function writeSafetensors(
  tensors: Iterable<readonly [string, Tensor]>,
  metadata: Iterable<readonly [string, string]> = [],
): Uint8Array {
  const sorted = [...tensors].sort(([a, x], [b, y]) => dtypes[y.type].bits - dtypes[x.type].bits || compare(a, b));
  const header = new Map<string, unknown>();
  const texts = [...metadata].sort(([a], [b]) => compare(a, b));
  if (texts.length > 0) header.set(METADATA, Object.fromEntries(texts));
  let at = 0;
  for (const [name, tensor] of sorted) {
    const dtype = fileNames.get(tensor.type);
    if (!dtype) throw new TypeError(`the tensor "${name}" is ${tensor.type}, which safetensors does not have`);
    if (name === METADATA || header.has(name)) throw new TypeError(`the name "${name}" is already taken`);
    if (/\p{Surrogate}/u.test(name))
      throw new TypeError(`the name "${name}" has half a surrogate pair, which UTF-8 cannot hold`);
    const end = at + tensor.bytes.byteLength;
    header.set(name, { dtype, shape: tensor.dims, data_offsets: [at, end] });
    at = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const size = Math.ceil(json.byteLength / 8) * 8;
  const file = new Uint8Array(PREFIX + size + at);
  new DataView(file.buffer).setBigUint64(0, BigInt(size), true);
  file.set(json, PREFIX);
  file.fill(0x20, PREFIX + json.byteLength, PREFIX + size);
  at = PREFIX + size;
  for (const [, { bytes }] of sorted) {
    file.set(bytes, at);
    at += bytes.byteLength;
  }
  return file;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
