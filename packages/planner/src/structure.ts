/** What kernels may know of a constant without looking at its elements. */

import { type Constant, dtypes, readNibble, type Structure, type Tensor } from '@espalier/core';

const structures = new WeakMap<Tensor, Structure>();

/** A constant whose structure is found once, when first asked for. */
export function constantOf(tensor: Tensor): Constant {
  return {
    tensor,
    get structure(): Structure {
      const known = structures.get(tensor) ?? structureOf(tensor);
      structures.set(tensor, known);
      return known;
    },
  };
}

function structureOf(tensor: Tensor): Structure {
  let [nonzeros, sample]: [number?, number?] = [];
  return {
    elements: tensor.size,
    get nonzeros(): number {
      nonzeros ??= countNonzeros(tensor);
      return nonzeros;
    },
    get sample(): number | undefined {
      sample ??= sampleOf(tensor);
      return sample;
    },
  };
}

const SAMPLES = 4096;
/** Where so many of them have no zero, the others are not looked at: each is a page that was in no cache. */
const FIRST_SAMPLES = 256;
/** Of a generator of pseudorandom numbers (Numerical Recipes): zeros may come in any rhythm. */
const [FACTOR, STEP] = [1664525, 1013904223];

function sampleOf(tensor: Tensor): number | undefined {
  const { bits, kind } = dtypes[tensor.type];
  if (tensor.size <= 2 * SAMPLES || tensor.type === 'string' || bits === 4) return undefined;
  const width = bits / 8;
  const { bytes } = tensor;
  // The last byte of a float has its sign.
  const last = kind === 'float' ? 0x7f : 0xff;
  let nonzeros = 0;
  let state = 1;
  for (let i = 0; i < SAMPLES; i++) {
    state = (Math.imul(state, FACTOR) + STEP) >>> 0;
    const at = Math.floor((state / 2 ** 32) * tensor.size) * width;
    let found = bytes[at + width - 1]! & last;
    for (let byte = at; byte < at + width - 1; byte++) found |= bytes[byte]!;
    if (found !== 0) nonzeros++;
    if (nonzeros === FIRST_SAMPLES && i === FIRST_SAMPLES - 1) return 1;
  }
  return nonzeros / SAMPLES;
}

function countNonzeros(tensor: Tensor): number {
  if (tensor.type === 'string') return (tensor.data as string[]).filter((text) => text !== '').length;
  const { bits, kind } = dtypes[tensor.type];
  if (bits === 4) return countNibbles(tensor);
  let nonzeros = 0;
  for (const bytes of slabs(tensor.bytes)) nonzeros += counters[bits as keyof typeof counters](bytes, kind === 'float');
  return nonzeros;
}

function countNibbles({ size, bytes }: Tensor): number {
  let nonzeros = 0;
  for (let i = 0; i < size; i++) if (readNibble(bytes, i, false) !== 0) nonzeros++;
  return nonzeros;
}

/** Bytes that are made aligned at a time: those of a file are not, and a copy of them all would be as large again. */
const SLAB = 1 << 16;

function* slabs(bytes: Uint8Array): Generator<Uint8Array> {
  if (bytes.byteOffset % 8 === 0) {
    yield bytes;
    return;
  }
  const slab = new Uint8Array(SLAB);
  for (let at = 0; at < bytes.length; at += SLAB) {
    const part = bytes.subarray(at, at + SLAB);
    slab.set(part);
    yield slab.subarray(0, part.length);
  }
}

/** Elements that are not zero, by their bits; the sign of a float does not count. */
const counters: Readonly<Record<8 | 16 | 32 | 64, (bytes: Uint8Array, isFloat: boolean) => number>> = {
  8: (bytes) => count(bytes, -1),
  16: ({ buffer, byteOffset, length }, isFloat) =>
    count(new Uint16Array(buffer, byteOffset, length / 2), isFloat ? 0x7fff : -1),
  32: ({ buffer, byteOffset, length }, isFloat) =>
    count(new Int32Array(buffer, byteOffset, length / 4), isFloat ? 0x7fffffff : -1),
  64: ({ buffer, byteOffset, length }, isFloat) => {
    const words = new Int32Array(buffer, byteOffset, length / 4);
    const mask = isFloat ? 0x7fffffff : -1;
    let nonzeros = 0;
    for (let i = 0; i < words.length; i += 2) if ((words[i]! | (words[i + 1]! & mask)) !== 0) nonzeros++;
    return nonzeros;
  },
};

function count(words: Uint8Array | Uint16Array | Int32Array, mask: number): number {
  let nonzeros = 0;
  for (let i = 0; i < words.length; i++) if ((words[i]! & mask) !== 0) nonzeros++;
  return nonzeros;
}
