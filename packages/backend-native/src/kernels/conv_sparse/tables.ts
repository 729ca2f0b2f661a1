/** What units need to know about the sizes of a call: how many there are, and tables of pixels and pieces. */

import { sizeOf } from '@espalier/core';
import type { Convolution, Windows } from '@espalier/lowering';
import type { Isa } from '../matmul/isa.ts';
import { flatOf, piecesOf, pixelsOf } from './flat.ts';
import { type Argument, type Layout, operandArgument, PIECE } from './frame.ts';

export interface Tables {
  readonly units: number;
  readonly words: Readonly<
    Record<Exclude<Argument, 'scratch' | 'threadBytes' | 'x' | 'y' | 'weights' | 'entries'>, number>
  >;
  readonly tables: readonly number[];
}

/** @param units of a group's filters @param operands of the epilogue */
export function tablesOf(
  isa: Isa,
  conv: Convolution,
  windows: Windows,
  layout: Layout,
  units: number,
  operands: number,
  threads: number,
): Tables {
  const { groups, channels, filters, strides } = conv;
  const flat = flatOf(conv, windows);
  const pixels = pixelsOf(flat, windows, isa.lanes);
  const blocks = Math.ceil(pixels.length / layout.tiles);
  const images = windows.batch * groups;
  // Threads share blocks; only where there are too few of them the filters as well.
  const wanted = images * blocks < threads ? Math.ceil((2 * threads) / Math.max(1, images * blocks)) : 1;
  const unitsPerPart = Math.ceil(units / Math.min(units, wanted));
  const parts = Math.ceil(units / unitsPerPart);
  const starts: number[] = [];
  const pieces: number[] = [];
  const pixelsTable = operandArgument(operands);
  const blockTable = pixelsTable + 8 * pixels.length;
  const piecesAt = blockTable + 8 * (blocks + 1);
  const pitch = isa.lanes * layout.tiles;
  for (let block = 0; block < blocks; block++) {
    starts.push(piecesAt + (PIECE / 2) * pieces.length);
    const begin = block * pitch;
    const end = Math.min(begin + pitch, isa.lanes * pixels.length) + flat.halo;
    for (const phase of flat.phases.keys())
      for (const { from, to, count } of piecesOf(flat, windows, strides, phase, [begin, end], isa.lanes))
        pieces.push(4 * from, phase * layout.phase + 4 * (to - begin) + count * 2 ** 32);
  }
  starts.push(piecesAt + (PIECE / 2) * pieces.length);
  const [xChannel, yChannel] = [4 * sizeOf(windows.input), 4 * sizeOf(windows.output)];
  return {
    units: pixels.length === 0 ? 0 : images * blocks * parts,
    words: {
      ...{ groups, blocks, parts, units, unitsPerPart, tiles: pixels.length, pixelsTable, blockTable },
      ...{ xChannel, xImage: channels * xChannel, yChannel, yImage: filters * yChannel },
    },
    tables: [...pixels.map(({ mask, before }) => before * 2 ** 16 + mask), ...starts, ...pieces],
  };
}
