/** The sizes of a convolution by squares, all known beforehand but the number of images, and where things lie between its phases. */

import type { Isa } from '../matmul/isa.ts';
import { type Side, spanOf } from './points.ts';

export interface Sizes {
  readonly side: Side;
  readonly channels: number;
  readonly filters: number;
  readonly height: number;
  readonly width: number;
  readonly outHeight: number;
  readonly outWidth: number;
  /** Padding before rows and columns. */
  readonly top: number;
  readonly left: number;
}

export interface Plan extends Sizes {
  readonly span: number;
  /** Squares along a row, and rows of them. */
  readonly across: number;
  readonly down: number;
  readonly squares: number;
  /** Vectors of squares. */
  readonly vectors: number;
  /** Bytes from one position of the transform to the next: of the input's, [panels of two vectors][channels][lanes], of the sums, [filters][lanes]. */
  readonly inputStep: number;
  readonly sumStep: number;
  /** Bytes of an image. */
  readonly inputs: number;
  readonly sums: number;
}

const LINE = 64;
const align = (bytes: number): number => Math.ceil(bytes / LINE) * LINE;
/** An odd number of lines, so that positions do not share sets of the caches. */
const odd = (bytes: number): number => bytes + (Math.ceil(bytes / LINE) % 2 === 0 ? LINE : 0);

export function planOf(isa: Isa, sizes: Sizes): Plan {
  const { side, channels, filters, outHeight, outWidth } = sizes;
  const span = spanOf(side);
  const [across, down] = [Math.ceil(outWidth / side), Math.ceil(outHeight / side)];
  const squares = across * down;
  const vectors = Math.ceil(squares / isa.lanes);
  const vectorBytes = 4 * isa.lanes;
  const inputStep = odd(align(vectors * channels * vectorBytes));
  const sumStep = odd(align(filters * vectors * vectorBytes));
  return {
    ...sizes,
    ...{ span, across, down, squares, vectors, inputStep, sumStep },
    inputs: span ** 2 * inputStep,
    sums: span ** 2 * sumStep,
  };
}

/** Where a vector of squares begins in the input's transform: in a panel of two, or alone in the last. */
export const panelAt = ({ channels }: Plan, isa: Isa, panel: number): number => panel * channels * 8 * isa.lanes;
