/** Which blocks have the smallest scores: exactly as many as asked for, found by counting instead of sorting. */

import { spans } from '@espalier/formats';

/** Blocks of a weight; scores are >= 0, or NaN, which is larger than all. */
export interface Scored {
  readonly scores: Float32Array;
  /** How many elements a block has. */
  size(block: number): number;
}

/**
 * Marks the blocks with the smallest scores, of equal ones the first, that have together `target` elements, or as near to it as whole
 * blocks come.
 */
export function* smallest(parts: readonly Scored[], target: number): Generator<void, Uint8Array[]> {
  // Bits of floats that are not negative order as the floats do: the high halves are counted first, then the low ones of the last.
  const words = parts.map(({ scores }) => new Uint32Array(scores.buffer, scores.byteOffset, scores.length));
  const high = yield* cut(parts, words, target, (bits) => bits >>> 16);
  const low = yield* cut(parts, words, target - high.below, (bits) => (bits >>> 16 === high.at ? bits & 0xffff : -1));
  const last = high.at * 0x10000 + low.at;
  let taken = high.below + low.below;
  let isFull = false;
  const marks: Uint8Array[] = [];
  for (const [part, { scores, size }] of parts.entries()) {
    const marked = new Uint8Array(scores.length);
    for (const [from, to] of spans(scores.length)) {
      for (let block = from; block < to; block++) {
        const bits = words[part]![block]!;
        if (bits < last) marked[block] = 1;
        if (bits !== last || isFull) continue;
        isFull = taken + size(block) / 2 > target;
        if (isFull) continue;
        marked[block] = 1;
        taken += size(block);
      }
      yield;
    }
    marks.push(marked);
  }
  return marks;
}

/** The first key at which blocks of that key and below have more than `target` elements, and how many those below have. */
function* cut(
  parts: readonly Scored[],
  words: readonly Uint32Array[],
  target: number,
  key: (bits: number) => number,
): Generator<void, { at: number; below: number }> {
  const counts = new Float64Array(0x10000);
  for (const [part, { scores, size }] of parts.entries()) {
    for (const [from, to] of spans(scores.length)) {
      for (let block = from; block < to; block++) {
        const at = key(words[part]![block]!);
        if (at >= 0) counts[at]! += size(block);
      }
      yield;
    }
  }
  let below = 0;
  for (let at = 0; at < counts.length; at++) {
    if (below + counts[at]! > target) return { at, below };
    below += counts[at]!;
  }
  return { at: 0xffff, below };
}
