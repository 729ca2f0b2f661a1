// Finds the nearest vectors.

export interface Match {
  /** Which of the vectors. */
  readonly index: number;
  /** The cosine of the angle between it and the query. */
  readonly cosine: number;
}

/** The `count` vectors nearest to the query, nearest first; equal ones in their order. All are of length 1. */
export function nearest(query: Float32Array, vectors: readonly Float32Array[], count: number): Match[] {
  return vectors
    .map((vector, index) => ({ index, cosine: dot(query, vector) }))
    .sort((a, b) => b.cosine - a.cosine)
    .slice(0, count);
}

/** The cosine of the angle between two vectors of length 1. */
export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
