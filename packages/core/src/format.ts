/**
 * How a tensor is stored: an ordered list of levels, one per storage dimension, after MLIR's sparse_tensor and taco.
 * A level is not a dimension (a blocked format has more levels than the tensor has dimensions), a position not a coordinate.
 */

/** One level of storage. */
export interface Level {
  /**
   * `dense`: every coordinate is there. `bitmask`: one bit per coordinate, values packed. `compressed`: coordinates of the
   * nonzeros, between position pairs. `nm`: `n` of every `m` consecutive coordinates. `block`: a dense block of `size`.
   */
  readonly kind: 'dense' | 'bitmask' | 'compressed' | 'nm' | 'block';
  readonly n?: number;
  readonly m?: number;
  readonly size?: number;
}

export interface Format {
  /** `dense`, `bitmask`, `csr`, `bsr`, `nm`, `codebook`, or a kernel's own. */
  readonly name: string;
  readonly levels: readonly Level[];
}

/** Row-major, every element stored: what a tensor has when nothing else is said. */
export const dense: Format = { name: 'dense', levels: [] };
