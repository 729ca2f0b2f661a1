/**
 * The pixels of a convolution in a row, row of the image after row, so that each tap lies equally far ahead of every pixel. The zeros of
 * the padding stand between the rows, once for two of them. With strides, every so many elements of the input form a phase of their own.
 */

import type { Convolution, Windows } from '@espalier/lowering';

/** Elements of the input along an axis that are as far from a multiple of the stride: from `first` on `count` of them, in steps of the stride from `source`. */
interface AxisPhase {
  readonly residue: number;
  readonly first: number;
  readonly count: number;
  readonly source: number;
}

interface Axis {
  readonly phases: readonly AxisPhase[];
  /** From one row of this axis to the next, as positions along it. */
  readonly extent: number;
}

export interface Flat {
  /** Positions from one row of pixels to the next, and from one plane. */
  readonly row: number;
  readonly plane: number;
  /** Positions up to the last pixel of the result, and how far ahead of a pixel the furthest tap lies. */
  readonly positions: number;
  readonly halo: number;
  /** Of each tap: its phase, and how far it lies ahead. */
  readonly taps: readonly { readonly phase: number; readonly ahead: number }[];
  /** Each by axis. */
  readonly phases: readonly (readonly AxisPhase[])[];
}

/** Distance in steps of the stride, and what is left. */
const stepsOf = ({ strides, dilations }: Convolution, axis: number, tap: number) => ({
  steps: Math.floor((tap * dilations[axis]!) / strides[axis]!),
  residue: (tap * dilations[axis]!) % strides[axis]!,
});

const tapsAlong = (conv: Convolution, axis: number): number[] => [...new Array(conv.kernel[axis]!).keys()];

function axisOf(conv: Convolution, { input, output, begin }: Windows, axis: number): Axis {
  const [size, result, pad, stride] = [input[axis]!, output[axis]!, begin[axis]!, conv.strides[axis]!];
  const taps = tapsAlong(conv, axis).map((tap) => stepsOf(conv, axis, tap));
  let extent = result;
  const phases = [...new Set(taps.map(({ residue }) => residue))].map((residue): AxisPhase => {
    const seen = result + Math.max(...taps.filter((tap) => tap.residue === residue).map(({ steps }) => steps));
    const first = Math.max(0, Math.ceil((pad - residue) / stride));
    const end = Math.min(seen, Math.floor((size - 1 + pad - residue) / stride) + 1);
    const count = Math.max(0, end - first);
    if (count > 0) extent = Math.max(extent, count + Math.max(first, seen - end));
    return { residue, first, count, source: first * stride + residue - pad };
  });
  return { phases, extent };
}

export function flatOf(conv: Convolution, windows: Windows): Flat {
  const axes = [0, 1, 2].map((axis) => axisOf(conv, windows, axis)) as [Axis, Axis, Axis];
  const row = axes[2].extent;
  const plane = row * axes[1].extent;
  const taps: { phase: number; ahead: number }[] = [];
  for (const z of tapsAlong(conv, 0))
    for (const y of tapsAlong(conv, 1))
      for (const x of tapsAlong(conv, 2)) {
        const along = [z, y, x].map((tap, axis) => stepsOf(conv, axis, tap));
        const phase = along.reduce(
          (sum, { residue }, axis) =>
            sum * axes[axis]!.phases.length + axes[axis]!.phases.findIndex((each) => each.residue === residue),
          0,
        );
        taps.push({ phase, ahead: along[0]!.steps * plane + along[1]!.steps * row + along[2]!.steps });
      }
  const [depth, height, width] = windows.output as [number, number, number];
  const isEmpty = depth * height * width === 0;
  return {
    ...{ row, plane, taps, halo: Math.max(...taps.map(({ ahead }) => ahead)) },
    positions: isEmpty ? 0 : (depth - 1) * plane + (height - 1) * row + width,
    phases: axes[0].phases.flatMap((z) => axes[1].phases.flatMap((y) => axes[2].phases.map((x) => [z, y, x]))),
  };
}

/** For each vector of positions which of them are pixels of the result, as bits, and how many pixels come before. */
export function pixelsOf({ row, plane, positions }: Flat, { output }: Windows, lanes: number) {
  const [, height, width] = output as [number, number, number];
  const vectors: { mask: number; before: number }[] = [];
  let before = 0;
  for (let from = 0; from < positions; from += lanes) {
    let mask = 0;
    let pixels = 0;
    for (let i = 0; i < Math.min(lanes, positions - from); i++) {
      const inPlane = (from + i) % plane;
      if (inPlane % row >= width || inPlane >= height * row) continue;
      mask |= 1 << i;
      pixels++;
    }
    vectors.push({ mask, before });
    before += pixels;
  }
  return vectors;
}

/** Elements next to each other, as many as fit into a vector: from where in the channel, and to which position. What follows them up to the next piece is zero. */
export interface Piece {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** Pieces that fill the positions from `begin` to below `end` of a phase. */
export function piecesOf(
  { row, plane, phases }: Flat,
  { input }: Windows,
  stride: readonly number[],
  phase: number,
  [begin, end]: readonly [number, number],
  lanes: number,
): Piece[] {
  const [z, y, x] = phases[phase] as [AxisPhase, AxisPhase, AxisPhase];
  const [, height, width] = input as [number, number, number];
  const step = stride[2]!;
  const pieces: Piece[] = [];
  let done = begin;
  /** Zeros up to a position; the last vector of them may go beyond. */
  const fill = (to: number): void => {
    for (; done < to; done += lanes) pieces.push({ from: 0, to: done, count: 0 });
  };
  const copy = (from: number, to: number, count: number): void => {
    fill(to);
    for (let i = 0; i < count; i += lanes)
      pieces.push({ from: from + i * step, to: to + i, count: Math.min(lanes, count - i) });
    done = to + Math.ceil(count / lanes) * lanes;
  };
  const rows = plane / row;
  let run = { from: 0, to: begin, count: 0 };
  for (let r = Math.floor(begin / row) - 1; r * row + x.first < end; r++) {
    const [inDepth, inHeight] = [Math.floor(r / rows) - z.first, (((r % rows) + rows) % rows) - y.first];
    if (inDepth < 0 || inDepth >= z.count || inHeight < 0 || inHeight >= y.count) continue;
    const start = r * row + x.first;
    const skipped = Math.max(0, begin - start);
    const count = Math.min(x.count, end - start) - skipped;
    if (count <= 0) continue;
    const line = (z.source + inDepth * stride[0]!) * height + y.source + inHeight * stride[1]!;
    const next = { from: line * width + x.source + skipped * step, to: start + skipped, count };
    if (run.to + run.count === next.to && run.from + run.count * step === next.from) run.count += count;
    else {
      if (run.count > 0) copy(run.from, run.to, run.count);
      run = next;
    }
  }
  if (run.count > 0) copy(run.from, run.to, run.count);
  fill(end);
  return pieces;
}

/** About how many pieces an image of one channel has. */
export const piecesIn = ({ phases, row, plane }: Flat, lanes: number): number =>
  phases.reduce((sum, [z, y, x]) => {
    const isContiguous = x!.count === row && y!.count * row === plane;
    return sum + z!.count * (isContiguous ? (y!.count * x!.count) / lanes : y!.count * Math.ceil(x!.count / lanes));
  }, 0);
