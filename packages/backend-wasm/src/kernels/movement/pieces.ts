/** Copies as argument words: in which way each piece is moved, and in which units. */

import { type Axis, mergeAxes, type Piece, unitElements, walkArgs } from '@espalier/lowering';
import type { Size } from '../lanes.ts';
import { PIECE_WORDS, type Way, ways } from './copy.ts';

export interface Copy {
  readonly units: number;
  readonly args: readonly number[];
}

/** Bytes that are copied in the time of an element that is computed. */
const BYTES_PER_ELEMENT = 16;

/** The copy of pieces whose elements have `size` bytes. */
export function copyOf(pieces: readonly Piece[], size: Size, threads: number): Copy {
  const args: number[] = [];
  let units = 0;
  for (const piece of pieces) {
    if (piece.extents.includes(0)) continue;
    const { way, axes } = wayOf(piece, size);
    const total = axes.reduce((product, { extent }) => product * extent, 1);
    const weight = way === 'bytes' ? BYTES_PER_ELEMENT : 1;
    const unit = weight * unitElements(total / weight, threads);
    const walked = walkArgs(axes, unit, [piece.to.address, piece.from.address]);
    const count = Math.ceil(total / unit);
    args.push(units + count, 4 * (PIECE_WORDS + walked.length), units, ways.indexOf(way), ...walked);
    units += count;
  }
  return { units, args };
}

/** Strides are in bytes; the first axis is the row, in steps of the way. */
function wayOf({ extents, to, from }: Piece, size: Size): { readonly way: Way; readonly axes: readonly Axis[] } {
  const scaled = [to, from].map(({ strides }) => strides.map((stride) => stride * size));
  const axes = mergeAxes(extents, scaled);
  const [row, ...outer] = axes as [Axis, ...Axis[]];
  if (!row.strides.every((stride) => stride === size)) return { way: size, axes };
  const bytes = row.extent * size;
  // A row of one element's size is an element of the axis around it.
  if (outer.length > 0 && (bytes === 2 || bytes === 4 || bytes === 8)) return { way: bytes, axes: outer };
  return { way: 'bytes', axes: [{ extent: bytes, strides: [1, 1] }, ...outer] };
}
