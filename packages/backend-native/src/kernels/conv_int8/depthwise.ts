/** Sums of each channel by itself: bytes of the taps of a patch are interleaved, so that a dot product takes some taps of a channel. */

import { type Assembler, at, eax, type Gpr, r8, rbx, rcx, rdx, type Vector, xmm, ymm } from '@espalier/x64';
import type { NativeBuffer } from '../../memory.ts';
import { type DotIsa, elementBytes, panelColumns, stepBytes } from '../matmul_int8/isa.ts';
import type { Packing } from '../matmul_int8/pack.ts';

/** More taps make long code. */
export const MOST_TAPS = 64;
/** Columns of a lane of 128 bits. */
const LANE = 4;
const LOW_HALVES = 0x20;
const HIGH_HALVES = 0x31;

/** Registers that the taps of a panel are interleaved in: as many as taps go into a dot product, with so many sums each. */
const sumsOf = (isa: DotIsa): number => panelColumns(isa) / isa.depth;
const registerOf = (isa: DotIsa, i: number): Vector => (sumsOf(isa) === 2 * LANE ? ymm : xmm)(i);
/** The column whose taps are the `position`th in the registers. */
const columnAt = (isa: DotIsa, position: number): number => {
  const [i, within] = [Math.floor(position / sumsOf(isa)), position % sumsOf(isa)];
  return LANE * i + LANE * isa.depth * Math.floor(within / LANE) + (within % LANE);
};

/** Puts the columns of packed panels into the order in which interleaving leaves them. */
export function reorderColumns(isa: DotIsa, { panels, steps }: Packing, { view }: NativeBuffer): void {
  const { depth } = isa;
  const bytes = stepBytes(isa);
  for (let step = 0; step < panels * steps; step++) {
    const from = view.slice(step * bytes, (step + 1) * bytes);
    for (let position = 0; position < panelColumns(isa); position++) {
      const column = columnAt(isa, position);
      view.set(from.subarray(column * depth, (column + 1) * depth), step * bytes + position * depth);
    }
  }
}

/**
 * Sums of a panel's channels for each of a block's rows, into memory from rbx on, a row of the panel's columns after another. Rows of
 * patches begin at r8, where the panel's first channel is, `pitch` bytes apart; rcx says how many there are, `weights` points to the
 * panel, `totals` to the sums of its columns, and eax is the zero point. Changes rax, rcx, rdx, r8.
 */
export function emitChannelSums(
  a: Assembler,
  isa: DotIsa,
  { taps, channels }: { readonly taps: number; readonly channels: number },
  weights: Gpr,
  totals: Gpr,
  pitch: Gpr,
): void {
  const { depth } = isa;
  const width = elementBytes(isa);
  const r = (i: number): Vector => registerOf(isa, i);
  const [sums, x, t, w] = [0, 4, 8, 8].map((first) => Array.from({ length: 4 }, (_, i) => r(first + i))) as [
    Vector[],
    Vector[],
    Vector[],
    Vector[],
  ];
  const vectorBytes = 4 * sumsOf(isa);
  const begin = Array.from({ length: depth }, (_, i) => r(12 + i));
  a.neg(eax);
  a.vmovd(xmm(0), eax);
  a.vpbroadcastd(r(0), xmm(0));
  for (const [i, each] of begin.entries()) a.vpmulld(each, r(0), at(totals), i * vectorBytes);
  a.mov(rdx, rbx);
  const row = a.here();
  for (let i = 0; i < depth; i++) a.vpxor(sums[i]!, sums[i]!, sums[i]!);
  for (let step = 0; step * depth < taps; step++) {
    const count = Math.min(depth, taps - step * depth);
    for (let i = 0; i < count; i++) a.vmovups(x[i]!, at(r8), (step * depth + i) * channels * width);
    // Weights of taps that there are none of are zero, so that any will do.
    const tap = (i: number): Vector => x[Math.min(i, count - 1)]!;
    if (depth === 4) {
      a.vpunpcklbw(t[0]!, tap(0), tap(1));
      a.vpunpckhbw(t[1]!, tap(0), tap(1));
      const others = count > 2 ? [t[2]!, t[3]!] : [t[0]!, t[1]!];
      if (count > 2) {
        a.vpunpcklbw(t[2]!, tap(2), tap(3));
        a.vpunpckhbw(t[3]!, tap(2), tap(3));
      }
      a.vpunpcklwd(x[0]!, t[0]!, others[0]!);
      a.vpunpckhwd(x[1]!, t[0]!, others[0]!);
      a.vpunpcklwd(x[2]!, t[1]!, others[1]!);
      a.vpunpckhwd(x[3]!, t[1]!, others[1]!);
    } else {
      a.vpunpcklwd(t[0]!, tap(0), tap(1));
      a.vpunpckhwd(x[1]!, tap(0), tap(1));
      a.vmovaps(x[0]!, t[0]!);
    }
    for (let i = 0; i < depth; i++) {
      isa.loadWeights(a, w[i]!, at(weights), step * stepBytes(isa) + i * sumsOf(isa) * depth);
      isa.dot(a, sums[i]!, x[i]!, w[i]!, r(8 + ((i + 1) % depth)));
    }
  }
  if (sumsOf(isa) === LANE) {
    for (let i = 0; i < depth; i++) {
      a.vpaddd(sums[i]!, sums[i]!, begin[i]!);
      a.vmovups(at(rdx), i * vectorBytes, sums[i]!);
    }
  } else {
    for (let i = 0; i < depth; i++) {
      const pair = 2 * (i % (depth / 2));
      a.vperm2i128(t[i]!, sums[pair]!, sums[pair + 1]!, i < depth / 2 ? LOW_HALVES : HIGH_HALVES);
      a.vpaddd(t[i]!, t[i]!, begin[i]!);
      a.vmovups(at(rdx), i * vectorBytes, t[i]!);
    }
  }
  a.addi(rdx, 4 * panelColumns(isa));
  a.add(r8, pitch);
  a.dec(rcx);
  a.jnz(row);
}
