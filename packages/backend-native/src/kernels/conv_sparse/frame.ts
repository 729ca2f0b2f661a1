/** What units of sparse convolutions find in memory: their arguments, and their place in the thread's scratch memory. */

import type { Convolution } from '@espalier/lowering';
import { at, rbx } from '@espalier/x64';
import type { Isa } from '../matmul/isa.ts';

import { type Cut, unitColumns } from '../matmul_sparse/cut.ts';
import type { Flat } from './flat.ts';

/**
 * The argument block; behind it the addresses of the epilogue's operands, then tables: for each tile its pixels as 16 bits and how many
 * pixels come before, for each block where its pieces begin, and the pieces.
 */
export const argumentWords = [
  'scratch',
  'threadBytes',
  'x',
  'y',
  'weights',
  'entries',
  'groups',
  'blocks',
  'parts',
  'units',
  'unitsPerPart',
  'tiles',
  'xImage',
  'xChannel',
  'yImage',
  'yChannel',
  'pixelsTable',
  'blockTable',
] as const;
export type Argument = (typeof argumentWords)[number];
export const argument = (name: Argument): number => 8 * argumentWords.indexOf(name);
export const operandArgument = (operand: number): number => 8 * (argumentWords.length + operand);

/** Bytes of a piece: bytes from the channel (8), bytes from where the channel's phases are (4), how many elements (4). */
export const PIECE = 16;

const localWords = ['args', 'tile', 'tiles', 'pieces', 'piecesEnd', 'y', 'filter', 'entry', 'entryEnd', 'x'] as const;
export const local = (name: (typeof localWords)[number]): number => 8 * localWords.indexOf(name);
export const thread = at(rbx);

const LINE = 64;
const align = (bytes: number): number => Math.ceil(bytes / LINE) * LINE;
/** Where a thread has the phases of all channels. */
export const PHASES_AT = align(8 * localWords.length);

/** Where things lie in the memory of a thread, for blocks of so many tiles. */
export interface Layout {
  readonly tiles: number;
  /** Bytes from one phase to the next, and from one channel: an odd number of lines, so that channels do not share sets of the caches. */
  readonly phase: number;
  readonly channel: number;
  readonly sumsAt: number;
  readonly bytes: number;
}

export function layoutOf(isa: Isa, { channels }: Convolution, { halo, phases }: Flat, tiles: number, cut: Cut): Layout {
  const vector = 4 * isa.lanes;
  const phase = align(tiles * vector + 4 * halo + vector);
  const lines = (phases.length * phase) / LINE;
  const channel = (lines + 1 - (lines % 2)) * LINE;
  const sumsAt = PHASES_AT + channels * channel;
  return { tiles, phase, channel, sumsAt, bytes: align(sumsAt + tiles * unitColumns(cut) * vector) };
}
