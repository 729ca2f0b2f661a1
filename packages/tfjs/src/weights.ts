/** The weights of a model: the shards of a group laid end to end, cut at the sizes that the manifest gives. */

import { byteLength, type DType, fromFloat16, sizeOf, Tensor, throwIfAborted } from '@espalier/core';
import type { Fail, TfModel, TfWeight } from './graphdef.ts';

/** Reads a shard by its path as the manifest has it. */
export type LoadShard = (path: string) => Promise<Uint8Array>;

/** The weights of dtypes that tensors here do not have, one reason each. */
export function unsupportedWeights(groups: TfModel['groups']): readonly string[] {
  return groups.flatMap(({ weights }) => weights.map(whyNot).filter((reason) => reason !== undefined));
}

/**
 * Every weight of the model by name; all must be supported. Quantised ones are restored, 8-bit integers widened, as tfjs
 * does it.
 */
export async function readWeights(
  groups: TfModel['groups'],
  loadShard: LoadShard,
  fail: Fail,
  signal: AbortSignal | undefined,
): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  for (const { paths, weights } of groups) {
    const shards: Uint8Array[] = [];
    for (const path of paths) {
      throwIfAborted(signal);
      shards.push(await loadShard(path));
    }
    const bytes = new ShardReader(shards, paths, fail);
    for (const weight of weights) {
      if (tensors.has(weight.name)) fail(`has two weights "${weight.name}"`);
      tensors.set(weight.name, readWeight(weight, bytes));
    }
    bytes.end();
  }
  return tensors;
}

/** Why a weight cannot be read, where it cannot. */
function whyNot({ name, dtype, quantization }: TfWeight): string | undefined {
  if (!quantization)
    return ['float32', 'int32', 'bool', 'uint8', 'string'].includes(dtype)
      ? undefined
      : `weight ${name}: no dtype ${dtype}`;
  const { dtype: from, scale, min } = quantization;
  const affine = (from === 'uint8' || from === 'uint16') && scale !== undefined && min !== undefined;
  const known = dtype === 'float32' ? affine || from === 'float16' : dtype === 'int32' && affine;
  return known ? undefined : `weight ${name}: no quantization of ${dtype} as ${from}`;
}

function readWeight({ name, dtype, shape, quantization }: TfWeight, bytes: ShardReader): Tensor {
  const size = sizeOf(shape);
  if (dtype === 'string') return new Tensor('string', readStrings(name, size, bytes), shape);
  const stored = (quantization?.dtype ?? dtype) as DType;
  const raw = Tensor.fromBytes(stored, bytes.take(byteLength(stored, size), name), shape);
  if (stored === dtype && stored !== 'uint8') return raw;
  const codes = raw.data as Uint8Array | Uint16Array;
  if (stored === 'float16') return new Tensor('float32', Float32Array.from(codes, fromFloat16), shape);
  const { scale = 1, min = 0 } = quantization ?? {};
  return dtype === 'float32'
    ? new Tensor(
        'float32',
        Float32Array.from(codes, (code) => code * scale + min),
        shape,
      )
    : new Tensor(
        'int32',
        Int32Array.from(codes, (code) => Math.round(code * scale + min)),
        shape,
      );
}

/** Each string is a 32-bit length and that many bytes of UTF-8. */
function readStrings(name: string, count: number, bytes: ShardReader): string[] {
  const decoder = new TextDecoder();
  const strings: string[] = [];
  for (let i = 0; i < count; i++) {
    const prefix = bytes.take(4, name);
    const length = new DataView(prefix.buffer, prefix.byteOffset).getUint32(0, true);
    strings.push(decoder.decode(bytes.take(length, name)));
  }
  return strings;
}

/** The bytes of several shards in order; what lies within one shard is not copied. */
class ShardReader {
  private readonly shards: readonly Uint8Array[];
  private readonly paths: readonly string[];
  private readonly fail: Fail;
  private shard = 0;
  private offset = 0;

  constructor(shards: readonly Uint8Array[], paths: readonly string[], fail: Fail) {
    this.shards = shards;
    this.paths = paths;
    this.fail = fail;
  }

  private get left(): number {
    return this.shards.reduce((sum, bytes, i) => sum + (i < this.shard ? 0 : bytes.byteLength), -this.offset);
  }

  take(count: number, name: string): Uint8Array {
    const { left } = this;
    if (count > left)
      this.fail(`has the weight "${name}" of ${count} bytes, but ${this.paths.join(', ')} has only ${left} left`);
    let part = this.next(count);
    if (part.byteLength === count) return part;
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count; part = this.next(count - at)) {
      bytes.set(part, at);
      at += part.byteLength;
    }
    return bytes;
  }

  /** The next bytes that lie in one shard, `count` at most. */
  private next(count: number): Uint8Array {
    while (this.offset === this.shards[this.shard]?.byteLength) {
      this.shard++;
      this.offset = 0;
    }
    const part = this.shards[this.shard]?.subarray(this.offset, this.offset + count) ?? new Uint8Array();
    this.offset += part.byteLength;
    return part;
  }

  end(): void {
    if (this.left > 0) this.fail(`has weights that use all but ${this.left} bytes of ${this.paths.join(', ')}`);
  }
}
