/** `bsr` and `csr`: the blocks that are not all zero, and where they stand. A row of single elements is a row of blocks of 1x1. */

import type { Format, Tensor, TypedArray } from '@espalier/core';
import { countOf } from './bitmask.ts';
import type { BlockShape } from './blocks.ts';
import { decode, type Encoded, type EncodeOptions, encode } from './encoded.ts';
import type { Matrices } from './matrices.ts';
import { check, emptyWords, fromWords, wordsIn } from './words.ts';

export interface Compressed extends Encoded {
  /** Blocks before each row of blocks, and behind the last. */
  readonly positions: Uint32Array;
  /** Of each block the column, counted in blocks. */
  readonly coordinates: Uint32Array;
}

export interface Bsr extends Compressed {
  readonly block: BlockShape;
  /** Block by block, each row by row, zeros included; blocks at the edges are filled up with zeros. */
  readonly values: TypedArray;
}

export interface Csr extends Compressed {
  readonly values: TypedArray;
}

const csrFormat: Format = { name: 'csr', levels: [{ kind: 'dense' }, { kind: 'compressed' }] };

export const csr = {
  /** @throws TypeError for strings */
  async encode(tensor: Tensor, options: EncodeOptions = {}): Promise<Csr> {
    const { block: _, ...encoded } = await bsr.encode(tensor, { rows: 1, columns: 1 }, options);
    return { ...encoded, format: csrFormat };
  },
  /** @throws EspalierError `BAD_INPUT` where its parts do not fit each other */
  decode: (encoded: Csr): Promise<Tensor> => bsr.decode({ ...encoded, block: { rows: 1, columns: 1 } }),
};

export const bsr = {
  /**
   * @param block 1x4 and 16x4 are those that kernels know
   * @throws TypeError for strings, and for a block without elements
   */
  async encode(tensor: Tensor, block: BlockShape, options: EncodeOptions = {}): Promise<Bsr> {
    checkBlock(block);
    return encode(tensor, options, function* ({ type, dims, matrices, columns, words, flags }) {
      const bands = bandsOf(matrices, block);
      const across = Math.ceil(columns / block.columns);
      const hits = new Uint8Array(bands.length * across);
      for (const [band, { from, to }] of bands.entries()) {
        for (let row = from; row < to; row++)
          for (let column = 0; column < columns; column++)
            hits[band * across + Math.floor(column / block.columns)]! |= flags[row * columns + column]!;
        yield;
      }
      const blocks = countOf(hits);
      const size = block.rows * block.columns;
      const values = emptyWords(type, blocks * size);
      const coordinates = new Uint32Array(blocks);
      const positions = new Uint32Array(bands.length + 1);
      let used = 0;
      for (const [band, { from, to }] of bands.entries()) {
        for (let at = 0; at < across; at++) {
          if (hits[band * across + at] === 0) continue;
          coordinates[used] = at;
          const first = at * block.columns;
          const last = Math.min(columns, first + block.columns);
          for (let row = from; row < to; row++)
            for (let column = first; column < last; column++)
              if (flags[row * columns + column] === 1)
                values[used * size + (row - from) * block.columns + column - first] = words[row * columns + column]!;
          used++;
        }
        positions[band + 1] = used;
        yield;
      }
      const format = bsrFormat(block);
      return { format, type, dims, matrices, block, positions, coordinates, values: fromWords(type, values) };
    });
  },

  /** @throws EspalierError `BAD_INPUT` where its parts do not fit each other */
  async decode(encoded: Bsr): Promise<Tensor> {
    const { type, matrices, block, positions, coordinates } = encoded;
    checkBlock(block);
    return decode(encoded, function* (words, columns) {
      const bands = bandsOf(matrices, block);
      const size = block.rows * block.columns;
      check(positions.length === bands.length + 1, `it has not ${bands.length + 1} positions`);
      check(
        positions[0] === 0 && positions[bands.length] === coordinates.length,
        'positions are not those of its blocks',
      );
      const values = wordsIn(type, encoded.values, coordinates.length * size);
      for (const [band, { from, to }] of bands.entries()) {
        check(positions[band]! <= positions[band + 1]!, 'positions descend');
        for (let at = positions[band]!; at < positions[band + 1]!; at++) {
          const first = coordinates[at]! * block.columns;
          check(first < columns, `block ${at} lies beyond the last column`);
          const last = Math.min(columns, first + block.columns);
          for (let row = from; row < to; row++)
            for (let column = first; column < last; column++)
              words[row * columns + column] = values[at * size + (row - from) * block.columns + column - first]!;
        }
        yield;
      }
    });
  },
};

const bsrFormat = ({ rows, columns }: BlockShape): Format => ({
  name: 'bsr',
  levels: [{ kind: 'dense' }, { kind: 'compressed' }, { kind: 'block', size: rows }, { kind: 'block', size: columns }],
});

function checkBlock({ rows, columns }: BlockShape): void {
  if (!(Number.isInteger(rows) && rows >= 1 && Number.isInteger(columns) && columns >= 1))
    throw new TypeError(`${rows}x${columns} is no block: both must be whole numbers from 1 on`);
}

/** Rows that share a row of blocks; none spans two matrices. */
function bandsOf({ starts, outputs }: Matrices, { rows }: BlockShape): { from: number; to: number }[] {
  const bands: { from: number; to: number }[] = [];
  for (let matrix = 0; matrix < starts.length; matrix++)
    for (let row = 0; row < outputs; row += rows)
      bands.push({ from: matrix * outputs + row, to: matrix * outputs + Math.min(outputs, row + rows) });
  return bands;
}
