/** Packs levels into panels. */

import { type Tensor, toFloat16 } from '@espalier/core';
import type { NarrowMatrix } from '../matmul/narrow.ts';
import { COLUMNS } from './frame.ts';
import { BRICK, brickBytes, columnsLayout, eachSpan, type Levels, LINE, padded, QUADS, spanLayout } from './layout.ts';
import { QUAD } from './quads.ts';

/** Elements as bytes, from the least level on; of four bits two to a byte. Yields now and then. */
export function* unpacked({ type, bytes, size }: Tensor, least: number): Generator<void, Uint8Array> {
  const levels = new Uint8Array(size);
  const isSigned = type.startsWith('int');
  const isNibble = type.endsWith('4');
  const table = Uint8Array.from({ length: 256 }, (_, bits) => {
    const sign = isNibble ? 8 : 128;
    return (isSigned && bits & sign ? bits - 2 * sign : bits) - least;
  });
  for (let from = 0; from < size; from += PIECE) {
    const to = Math.min(size, from + PIECE);
    if (isNibble) for (let i = from; i < to; i++) levels[i] = table[(bytes[i >> 1]! >> (4 * (i & 1))) & 15]!;
    else for (let i = from; i < to; i++) levels[i] = table[bytes[i]!]!;
    yield;
  }
  return levels;
}

const PIECE = 1 << 18;

/** What a panel's columns or a span's have: scales and zero points. */
function writeParameters(
  { n, least, isHalf, zero }: Levels,
  { scale, zero: zeroOf }: Pick<NarrowMatrix, 'scale' | 'zero'>,
  [row, column]: readonly [number, number],
  to: DataView,
  at: number,
  zeros: number,
): void {
  for (let i = 0; i < Math.min(COLUMNS, n - column); i++) {
    if (isHalf) to.setUint16(at + 2 * i, toFloat16(scale(row, column + i)), true);
    else to.setFloat32(at + 4 * i, scale(row, column + i), true);
    if (zero === 'many') to.setUint8(at + zeros + i, zeroOf(row, column + i) - least);
  }
}

/**
 * Packs into fresh memory, which is zero; yields after each panel.
 * @param bricks writes those of a span (rows of K from `first` on, `columns` columns from `column` on), and says how many bytes they take
 * @returns where each panel begins
 */
export function* packPanels(
  levels: Levels,
  matrix: Pick<NarrowMatrix, 'scale' | 'zero'>,
  to: Uint8Array,
  bricks: (to: number, span: Place) => number,
): Generator<void, number[]> {
  const { n, scales } = levels;
  const view = new DataView(to.buffer, to.byteOffset, to.byteLength);
  const [panel, span] = [columnsLayout(levels), spanLayout(levels)];
  const starts: number[] = [];
  let at = 0;
  for (let column = 0; column < n; column += COLUMNS) {
    starts.push(at);
    if (scales === 'column') writeParameters(levels, matrix, [0, column], view, at, panel.zeros);
    at += panel.bytes;
    eachSpan(levels, (first, steps) => {
      if (scales === 'group') writeParameters(levels, matrix, [first, column], view, at, span.zeros);
      at += span.bricks;
      at += bricks(at, { first, steps, column, columns: Math.min(COLUMNS, n - column) });
    });
    yield;
  }
  return starts;
}

/** Where in the matrix a span of a panel is. */
export interface Place {
  readonly first: number;
  readonly steps: number;
  readonly column: number;
  readonly columns: number;
}

/**
 * Writes the bricks of a span, all weights stored; those of eight bits as they are in the tensor, of others their levels.
 * @param hasQuads where the quads of whole panels are there already
 */
export function writePlanes(levels: Levels, weights: Uint8Array, to: Uint8Array, hasQuads: boolean) {
  return levels.bits === 8 ? writeBytes(levels, weights, to, hasQuads) : writeBits(levels, weights, to);
}

/** A lane of a brick of bytes is a quad of steps of a column. */
function writeBytes({ n, least }: Levels, weights: Uint8Array, to: Uint8Array, hasQuads: boolean) {
  const signs = least < 0 ? 0x80 : 0;
  const lanes = new Uint32Array(to.buffer, to.byteOffset, Math.floor(to.byteLength / 4));
  return (at: number, { first, steps, column, columns }: Place): number => {
    const there = hasQuads && columns === COLUMNS ? steps - (steps % QUAD) : 0;
    let lane = (at + there * COLUMNS) / QUAD;
    for (let step = there; step < steps; step += QUAD, lane += LINE / QUAD) {
      const from = (first + step) * n + column;
      const rows = Math.min(QUAD, steps - step);
      if (rows === QUAD)
        for (let i = 0; i < columns; i++) {
          const read = from + i;
          const quad =
            weights[read]! |
            (weights[read + n]! << 8) |
            (weights[read + 2 * n]! << 16) |
            (weights[read + 3 * n]! << 24);
          lanes[lane + i] = quad ^ (signs * 0x01010101);
        }
      else
        for (let row = 0; row < rows; row++)
          for (let i = 0; i < columns; i++) lanes[lane + i]! |= (weights[from + row * n + i]! ^ signs) << (8 * row);
    }
    return padded(steps) * COLUMNS;
  };
}

function writeBits({ n, bits }: Levels, weights: Uint8Array, to: Uint8Array) {
  const low = bits === 3 ? 2 : bits;
  const mask = (1 << low) - 1;
  const perLine = 8 / low;
  const bytes = brickBytes(bits);
  return (at: number, { first, steps, column, columns }: Place): number => {
    for (let step = 0; step < steps; step++) {
      const brick = at + Math.floor(step / BRICK) * bytes;
      const quad = Math.floor(step / 4) % QUADS;
      const line = brick + Math.floor(quad / perLine) * LINE + (step % 4);
      const high = brick + 2 * LINE + (step % 4);
      const shift = low * (quad % perLine);
      const from = (first + step) * n + column;
      for (let i = 0; i < columns; i++) {
        const level = weights[from + i]!;
        to[line + 4 * i]! |= (level & mask) << shift;
        if (bits === 3) to[high + 4 * i]! |= (level >> 2) << quad;
      }
    }
    return (padded(steps) / BRICK) * bytes;
  };
}

/** Scales and zero points of rows of B, as numbers of A are turned by them: one float a step; one byte for each digit of a step. */
export function rowParameters(
  levels: Levels,
  { scale, zero }: Pick<NarrowMatrix, 'scale' | 'zero'>,
): { scales: Float32Array; zeros: Uint8Array } {
  const { k, least } = levels;
  const scales = Float32Array.from({ length: k }, (_, row) => scale(row, 0));
  const zeros = new Uint8Array(4 * padded(k));
  for (let row = 0; row < k; row++)
    for (let digit = 0; digit < 3; digit++) zeros[(row >> 2) * 16 + 4 * digit + (row & 3)] = zero(row, 0) - least;
  return { scales, zeros };
}
