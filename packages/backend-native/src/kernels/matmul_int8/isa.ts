/**
 * Dot products of bytes: how many go into a 32-bit sum at a time, and the instructions for it. The first operand is unsigned, the
 * second signed, and no step rounds or saturates.
 */

import { type Address, type Assembler, type Vector, ymm, zmm } from '@espalier/x64';
import type { NativeFeature } from '../../cpu.ts';
import { avx2, avx512, type Isa } from '../matmul/isa.ts';
import { BLOCK_ROWS, TILE_STEPS } from '../tiles.ts';

export interface DotIsa {
  readonly name: string;
  readonly requires: readonly NativeFeature[];
  /** The same registers as floats, for what follows the sums. */
  readonly floats: Isa;
  /** Rows of the largest register tile, which is two vectors of 32-bit sums wide. */
  readonly rows: number;
  /** Elements along K that a step adds to each sum: 32 bits of a row of the first operand. */
  readonly depth: 2 | 4;
  /** Registers that rows of the first operand are broadcast into, behind the sums and two for the second. */
  readonly broadcasts: number;
  /** Tiles of AMX hold the sums, and take so many steps at once: panels and rows of the first operand are filled up. */
  readonly tileSteps?: number;
  /** Multiply-adds in a second of one thread. */
  rate(rates: Readonly<Record<string, number>>): number;
  /** Weights as {@link DotIsa.dot} takes them: `depth` for each sum of a vector. */
  loadWeights(a: Assembler, to: Vector, address: Address, offset: number): void;
  /** `sum += x . w`; `t` is a register that may change. */
  dot(a: Assembler, sum: Vector, x: Vector, w: Vector, t: Vector): void;
}

/** Sums in a vector; a panel is two vectors wide. */
export const lanesOf = ({ floats }: DotIsa): number => floats.lanes;
export const panelColumns = (isa: DotIsa): number => 2 * lanesOf(isa);
/** Bytes of a byte of the first operand, as tiles read it. */
export const elementBytes = ({ depth }: DotIsa): number => 4 / depth;
/** Bytes of the weights of one step: one vector's, and a panel's. */
export const weightBytes = (isa: DotIsa): number => isa.depth * lanesOf(isa);
export const stepBytes = (isa: DotIsa): number => 2 * weightBytes(isa);

export const avx512vnni: DotIsa = {
  name: 'avx512vnni',
  requires: ['avx512', 'avx512-vnni'],
  floats: avx512,
  rows: 14,
  depth: 4,
  broadcasts: 2,
  rate: ({ dot }) => dot!,
  loadWeights: (a, to, address, offset) => a.vmovups(to, address, offset),
  dot: (a, sum, x, w) => a.vpdpbusd(sum, x, w),
};

/** Vectors only for what is around the product. Tiles reach less of their limit, as they wait for what they load. */
export const amx: DotIsa = {
  ...avx512vnni,
  name: 'amxint8',
  requires: ['avx512', 'avx512-vnni', 'amx-int8'],
  rows: BLOCK_ROWS,
  tileSteps: TILE_STEPS,
  rate: ({ amx }) => 0.65 * amx!,
};

/** @param isEvex encodes it as AVX-512 has it: the same instruction on processors that lack the other encoding, for tests */
export const vnni256 = (isEvex: boolean): DotIsa => ({
  name: 'avxvnni',
  requires: isEvex ? avx512vnni.requires : ['avx2', 'fma', 'avx-vnni'],
  floats: avx2,
  rows: 6,
  depth: 4,
  broadcasts: 2,
  rate: ({ dot }) => dot!,
  loadWeights: (a, to, address, offset) => a.vmovups(to, address, offset),
  dot: (a, sum, x, w) => (isEvex ? a.vpdpbusd(sum, x, w) : a.vpdpbusd_vex(sum, x, w)),
});

/** Widens both to 16 bits, where products of pairs add up exactly; rows of the first operand lie widened already. */
export const avx2widened: DotIsa = {
  name: 'avx2',
  requires: ['avx2', 'fma'],
  floats: avx2,
  rows: 6,
  depth: 2,
  broadcasts: 1,
  // A multiplication and an addition of 16, where a multiply-add of floats has 8.
  rate: ({ fma }) => 1.4 * fma!,
  loadWeights: (a, to, address, offset) => a.vpmovsxbw(to, address, offset),
  dot(a, sum, x, w, t) {
    a.vpmaddwd(t, x, w);
    a.vpaddd(sum, sum, t);
  },
};

/** Register `i` at the width of the sums. */
export const register = ({ floats }: DotIsa, i: number): Vector => (floats === avx512 ? zmm(i) : ymm(i));
