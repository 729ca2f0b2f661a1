/** Numbers that are the same every time, for weights and feeds. */

/** A xorshift generator of 32-bit words (Marsaglia, 2003), seeded with a text. */
export function wordsOf(seed: string): () => number {
  let state = 2166136261;
  for (const char of seed) state = Math.imul(state ^ char.codePointAt(0)!, 16777619);
  state ||= 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** Numbers in [0, 1). */
export function uniform(seed: string): () => number {
  const word = wordsOf(seed);
  return () => word() / 2 ** 32;
}

/** The standard deviation of the sum of four bytes. */
const FOUR_BYTES = Math.sqrt((4 * (256 ** 2 - 1)) / 12);

/**
 * Nearly normally distributed, none of them 0: sums of four bytes and a fraction, as models have more weights than Box and
 * Muller's way has time for.
 */
export function normals(seed: string, count: number, deviation: number, mean = 0): Float32Array {
  const word = wordsOf(seed);
  const scale = deviation / FOUR_BYTES;
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const bits = word();
    const sum = (bits & 255) + ((bits >>> 8) & 255) + ((bits >>> 16) & 255) + (bits >>> 24);
    values[i] = (sum + bits / 2 ** 32 - 510.5) * scale + mean;
  }
  return values;
}
