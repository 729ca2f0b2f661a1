/** Copies as argument words: which code moves each piece, and in which units. */

import { type Axis, mergeAxes, unitElements, walkArgs } from '@espalier/lowering';
import { type Engine, runOnce } from '../../list.ts';
import type { Size } from '../lanes.ts';
import { type MovementCode, movementCode } from './code.ts';
import { blockColumns, blockRows, canTurn, PIECE, stagedColumns } from './emit.ts';

/** Where elements lie: the first, and how far the next along each axis is, in elements. */
export interface Place {
  readonly address: number;
  readonly strides: readonly number[];
}

/** Elements in a shape, from one place to another. Pieces of a copy do not overlap. */
export interface Piece {
  readonly extents: readonly number[];
  readonly to: Place;
  readonly from: Place;
}

export interface Copy {
  readonly units: number;
  readonly args: readonly number[];
}

/** The copy of pieces whose elements have `size` bytes. */
export function copyOf(pieces: readonly Piece[], size: Size, code: MovementCode, threads: number): Copy {
  const args: number[] = [];
  let units = 0;
  for (const piece of pieces) {
    if (piece.extents.includes(0)) continue;
    const { entry, axes, unit, square = [0, 0, 0, 0] } = wayOf(piece, size, code.isWide, threads);
    const walked = walkArgs(axes, unit, [piece.to.address, piece.from.address]);
    const count = Math.ceil((walked[0] as number) / unit);
    args.push(units + count, PIECE + 8 * walked.length, units, code.entries.get(entry)!, ...square, ...walked);
    units += count;
  }
  return { units, args };
}

/** Copies constants once, on the pool's threads. What is copied must stay where it is meanwhile. */
export async function runCopy(engine: Engine, isWide: boolean, pieces: readonly Piece[], size: Size): Promise<void> {
  const code = movementCode(engine, isWide);
  try {
    await runOnce(engine, { code: code.entries.get('dispatch')!, ...copyOf(pieces, size, code, engine.team) });
  } finally {
    code.release();
  }
}

/** What an element takes beside its traffic, in multiply-adds of a vector's element. */
export function costOf(piece: Piece, elementSize: Size, isWide: boolean): number {
  const { entry, axes, square } = wayOf(piece, elementSize, isWide, 1);
  const [way, size] = entry.split(' ');
  if (way !== 'turn' && way !== 'elements') return 4;
  const strides = square
    ? square.slice(2)
    : axes.flatMap((axis) => axis.strides.filter((stride) => stride > Number(size)));
  const isFar = strides.every((stride) => stride % FAR === 0);
  if (way === 'elements') return isFar ? 60 : 12;
  return isFar ? (isWide ? 3 : 5) * Number(size) : 6;
}
/** Rows so far apart on both sides share so few sets of the caches that lines are moved by the latency of what is behind. */
const FAR = 1024;

interface Way {
  readonly entry: string;
  /** Strides in bytes; the first is the row, in the steps of the code. */
  readonly axes: readonly Axis[];
  /** Steps of a unit. */
  readonly unit: number;
  readonly square?: readonly [columns: number, rows: number, to: number, from: number];
}

/** Rows a multiple of so many bytes apart share few sets of the first-level cache. */
const EVICTING = 512;
/** Units end where vectors do. */
const GRAIN = 64;

function wayOf({ extents, to, from }: Piece, elementSize: Size, isWide: boolean, threads: number): Way {
  const scaled = [to, from].map(({ strides }) => strides.map((stride) => stride * elementSize));
  const { size, axes } = widest(mergeAxes(extents, scaled), elementSize);
  const [row, ...outer] = axes as [Axis, ...Axis[]];
  const [toStep, fromStep] = row.strides as [number, number];
  const total = axes.reduce((product, { extent }) => product * extent, 1);
  const bytes = total * size;
  const byteUnit = Math.ceil((4 * unitElements(bytes / 4, threads)) / GRAIN) * GRAIN;
  if (toStep === size && (fromStep === size || fromStep === 0)) {
    const inBytes = { extent: row.extent * size, strides: [1, fromStep / size] };
    return { entry: fromStep === 0 ? `fill ${size}` : 'rows', axes: [inBytes, ...outer], unit: byteUnit };
  }
  const turned = outer.findIndex(({ strides }) => strides[1] === size);
  const columns = turned < 0 ? 0 : outer[turned]!.extent;
  if (toStep === size && columns >= blockColumns(size) && row.extent >= blockRows(size, 16)) {
    const register = [isWide ? 64 : 32, 16].find(
      (width) => canTurn(size, isWide) && row.extent >= blockRows(size, width),
    );
    if (register) {
      const rows = blockRows(size, register);
      const isStaged = fromStep % EVICTING === 0 && columns >= stagedColumns(size);
      const blocks = { extent: Math.ceil(row.extent / rows), strides: row.strides.map((stride) => stride * rows) };
      return {
        entry: `turn ${size} ${register}${isStaged ? ' staged' : ''}`,
        axes: [blocks, ...outer.toSpliced(turned, 1)],
        unit: Math.max(1, Math.floor(byteUnit / size / (rows * columns))),
        square: [columns, row.extent, outer[turned]!.strides[0]!, fromStep],
      };
    }
  }
  return { entry: `elements ${size}`, axes, unit: Math.max(1, Math.floor(byteUnit / size)) };
}

/** Rows that are short enough to be one element are one. */
function widest(axes: readonly Axis[], size: Size): { size: Size; axes: readonly Axis[] } {
  const [row, ...outer] = axes;
  const bytes = row!.extent * size;
  const isElement = outer.length > 0 && (bytes === 2 || bytes === 4 || bytes === 8);
  return isElement && row!.strides.every((stride) => stride === size) ? { size: bytes, axes: outer } : { size, axes };
}
