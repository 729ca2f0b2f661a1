/** Weights in panels: the columns of a matrix in groups of as many as a register tile is wide, each group row by row. */

export const packedBytes = (k: number, n: number, width: number): number => Math.ceil(n / width) * k * width * 4;

/** Copies `b`, of [k, n], into panels of `width` columns, the last filled up with zeros; yields after each. */
export function* packPanels(
  b: Float32Array,
  k: number,
  n: number,
  width: number,
  { buffer, byteOffset, byteLength }: Uint8Array,
): Generator<void, void> {
  const to = new Float32Array(buffer, byteOffset, byteLength / 4);
  let write = 0;
  for (let column = 0; column < n; column += width) {
    const columns = Math.min(width, n - column);
    for (let row = 0; row < k; row++, write += width) {
      const read = row * n + column;
      for (let i = 0; i < width; i++) to[write + i] = i < columns ? b[read + i]! : 0;
    }
    yield;
  }
}
