/** What multiplies pairs of bfloat16: vectors, or tiles. */

import type { NativeFeature } from '../../cpu.ts';
import { BLOCK_ROWS, TILE_STEPS } from '../tiles.ts';

export interface Unit {
  readonly name: string;
  readonly requires: readonly NativeFeature[];
  readonly hasTiles: boolean;
  /** Rows of a block at most. */
  readonly rows: number;
  /** Steps along K, of a pair each, that are taken at once: weights and rows of A are filled up with zeros. */
  readonly steps: number;
  /** Multiply-adds for each of float32 in the same time, about. */
  readonly pace: number;
  /** Multiply-adds in a second of one thread, and the share of them that full blocks reach. */
  rate(rates: Readonly<Record<string, number>>): number;
  readonly efficiency: number;
}

export const avx512: Unit = {
  name: 'avx512bf16',
  requires: ['avx512', 'avx512-bf16'],
  hasTiles: false,
  rows: 14,
  steps: 1,
  pace: 2,
  rate: ({ bf16 }) => bf16!,
  efficiency: 0.97,
};

export const amx: Unit = {
  name: 'amxbf16',
  requires: ['avx512', 'avx512-bf16', 'amx-bf16'],
  hasTiles: true,
  rows: BLOCK_ROWS,
  steps: TILE_STEPS,
  pace: 12,
  // Tiles multiply twice as many bytes.
  rate: ({ amx }) => amx! / 2,
  efficiency: 0.6,
};
