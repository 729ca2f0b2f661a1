/**
 * Minimal filtering after Winograd (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015): m x m pixels of a 3 x 3
 * convolution from (m + 2)^2 multiplications, between transforms of the input, of the filters and of the sums.
 */

/** Pixels along a side of a square of the result. */
export type Side = 2 | 4;

/** Those of a filter. */
export const TAPS = 3;

/** Of a square of the input, and of its transform. */
export const spanOf = (side: Side): number => side + TAPS - 1;

/**
 * Where the polynomials are evaluated beside 0 and infinity: at these and their negatives. For squares of four, 1/sqrt(2) and sqrt(2): the
 * errors are half of those of the usual 1 and 2, and about twice those of a convolution that adds term by term.
 */
export const pointsOf = (side: Side): readonly number[] => (side === 2 ? [1] : [Math.SQRT1_2, Math.SQRT2]);

/** The transform of a filter's rows, by point: 0, then each point and its negative, then infinity. */
function filterMatrix(side: Side): readonly (readonly number[])[] {
  const finite = [0, ...pointsOf(side).flatMap((p) => [p, -p])];
  const rows = finite.map((p) => {
    const scale = finite.reduce((product, q) => (q === p ? product : product * (p - q)), 1);
    return [1 / scale, p / scale, p ** 2 / scale];
  });
  return [...rows, [0, 0, 1]];
}

/** Writes the transform of the 3 x 3 weights at `offset`. */
export function filterTransform(side: Side): (weights: Float32Array, offset: number, to: Float64Array) => void {
  const matrix = filterMatrix(side);
  const span = spanOf(side);
  const half = new Float64Array(span * TAPS);
  return (weights, offset, to) => {
    for (let i = 0; i < span; i++)
      for (let x = 0; x < TAPS; x++)
        half[i * TAPS + x] = matrix[i]!.reduce((sum, g, y) => sum + g * weights[offset + y * TAPS + x]!, 0);
    for (let i = 0; i < span; i++)
      for (let j = 0; j < span; j++)
        to[i * span + j] = matrix[j]!.reduce((sum, g, x) => sum + g * half[i * TAPS + x]!, 0);
  };
}
