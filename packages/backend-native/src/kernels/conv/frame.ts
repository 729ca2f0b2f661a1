/** What emitted convolutions find in memory: their arguments, and their place in the thread's scratch memory. */

import { at, rbx, rdi } from '@espalier/x64';
import { type Isa, panelWidth } from '../matmul/isa.ts';

/** The argument block; behind it the addresses of the epilogue's operands, then the words of each tap. */
export const argumentWords = [
  'scratch',
  'threadBytes',
  'x',
  'y',
  'weights',
  'groups',
  'images',
  'imagesPerUnit',
  'pixels',
  'tiles',
  'tilesPerUnit',
  'tileGroups',
  'blocks',
  'blocksPerUnit',
  'blockGroups',
  'channels',
  'chunk',
  'patchesStep',
  'sumsStep',
  'patches',
  'xImage',
  'xChannel',
  'yImage',
  'yChannel',
  'inDepth',
  'inHeight',
  'inWidth',
  'outHeight',
  'outWidth',
] as const;
export type Argument = (typeof argumentWords)[number];

/** Of each tap: bytes from where its window begins; rows and planes likewise; the first and behind the last column where it is inside. */
export const tapWords = ['offset', 'row', 'plane', 'first', 'end'] as const;

/** What a unit keeps in memory. */
export const localWords = [
  'image',
  'imageEnd',
  'tile',
  'tileStart',
  'tileEnd',
  'block',
  'blockStart',
  'blockEnd',
  'channel',
  'channels',
  'x',
  'y',
  'weights',
  'filter',
  'sums',
  'pieces',
] as const;
export type Local = (typeof localWords)[number];
const LOCAL_BYTES = Math.ceil(localWords.length / 8) * 64;

export const args = at(rdi);
export const thread = at(rbx);
export const argument = (name: Argument): number => 8 * argumentWords.indexOf(name);
export const local = (name: Local): number => 8 * localWords.indexOf(name);
export const operandArgument = (operand: number): number => 8 * (argumentWords.length + operand);

/** Neighbouring pixels that are multiplied at once, and bytes of a row of their patches: one channel and tap. */
export interface Tile {
  readonly pixels: number;
  readonly pitch: number;
}

/** Of a run of pixels in one row: its first column, how many, bytes from the tile's first pixel; its row, plane and bytes in the input. */
export const segmentWords = ['column', 'count', 'lane', 'row', 'plane', 'base'] as const;
export const SEGMENT = 8 * segmentWords.length;
/** Of a run of pixels of a tap: bytes from the channel (8), bytes from the channel's first row of patches (4), which elements are read (4). */
export const PIECE = 16;

/** Sums of a tile: as many rows as the square that turns them needs. */
export const sumBytes = (isa: Isa): number => Math.max(isa.rows, isa.lanes) * panelWidth(isa) * 4;

/** Where things are in a thread's scratch memory; behind the sums lie the patches. */
export function scratchLayout(isa: Isa, tile: Tile, taps: number) {
  const segments = LOCAL_BYTES;
  const pieces = segments + tile.pixels * SEGMENT;
  const turned = Math.ceil((pieces + taps * tile.pixels * PIECE) / 64) * 64;
  const sums = turned + panelWidth(isa) * isa.lanes * 4;
  return { segments, pieces, turned, sums };
}
