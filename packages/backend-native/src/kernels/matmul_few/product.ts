/** The product of a block of fixed-point rows by a panel of weights, which come into registers as bytes. */

import { type Assembler, at, BROADCAST, type Gpr, r8, r9, r10, r11, r13, type Vector, zmm } from '@espalier/x64';
import { DIGITS, digitAt, emitGroups, fixedBytes, SCALE_AT, sumAt } from './fixed.ts';
import { aAt, weightsAt } from './frame.ts';
import { BRICK, columnsLayout, type Levels, padded, QUADS, spanLayout } from './layout.ts';

/** Rows of A of a block, and parameters of the panel's columns. */
const rowsAt: readonly Gpr[] = [r8, r9, r10, r11];
const columnsAt = r13;
/** Registers: sums of digits come first, those of rows at 16, a decoder's own at 20 to 23 and from 26 on. */
const [SCALE, ZEROS] = [24, 25];

/** How the vectors of 64 weights of a span come into registers. May change rax, rdx, rsi, r14 and r15. */
export interface Bricks {
  /** Points {@link weightsAt} to the panel that {@link panel} numbers; constants into registers. */
  begin(a: Assembler): void;
  /** Where a span's parameters are, as long as it is worked on; bricks begin `bricksAt` bytes behind. */
  beginSpan(a: Assembler, bricksAt: number): Gpr;
  /** The vector of a quad of steps, 0 to 7, of a brick of the span: the register it is in. */
  load(a: Assembler, brick: number, quad: number, bricksAt: number): number;
  /** Points {@link weightsAt} behind the span. */
  endSpan(a: Assembler, steps: number, bricksAt: number): void;
}

/** A block of `rows`, the sums of each left in the register that `sum` says. */
export function emitProduct(
  a: Assembler,
  levels: Levels,
  bricks: Bricks,
  pitch: number,
  rows: number,
  sum: (r: number) => number,
): void {
  // Where one row's digits are all, even and odd quads are added up apart, so that no sum waits for itself.
  const sets = rows === 1 ? 2 : 1;
  const digit = (set: number, r: number, d: number): number => zmm((set * rows + r) * DIGITS + d);
  const { zeros, bricks: bricksAt } = spanLayout(levels);
  const columns = columnsLayout(levels);
  const hasColumnZeros = levels.zero === 'many' && levels.scales !== 'row';
  bricks.begin(a);
  if (columns.bytes > 0) {
    a.mov(columnsAt, weightsAt);
    a.addi(weightsAt, columns.bytes);
  }
  for (let r = 1; r < rows; r++) a.lea(rowsAt[r]!, at(aAt), r * pitch);
  for (let r = 0; r < rows; r++) a.vxorps(sum(r), sum(r), sum(r));
  if (columns.zeros > 0 && hasColumnZeros) a.vpmovzxbd(zmm(ZEROS), at(columnsAt), columns.zeros);
  emitGroups(a, levels, (steps) => {
    const spanAt = bricks.beginSpan(a, bricksAt);
    if (levels.scales === 'group' && hasColumnZeros) a.vpmovzxbd(zmm(ZEROS), at(spanAt), zeros);
    for (let r = 0; r < rows; r++)
      for (let d = 0; d < DIGITS; d++) {
        const first = digit(0, r, d);
        if (hasColumnZeros) a.vpmulld(first, zmm(ZEROS), at(rowsAt[r]!), sumAt(d), BROADCAST);
        else if (levels.zero === 0) a.vpxord(first, first, first);
        else a.vpbroadcastd(first, at(rowsAt[r]!), sumAt(d));
        if (sets > 1) a.vpxord(digit(1, r, d), digit(1, r, d), digit(1, r, d));
      }
    for (let brick = 0; brick < padded(steps) / BRICK; brick++)
      for (let quad = 0; quad < QUADS; quad++) {
        const weights = bricks.load(a, brick, quad, bricksAt);
        for (let r = 0; r < rows; r++)
          for (let d = 0; d < DIGITS; d++) {
            const to = digit(quad % sets, r, d);
            a.vpdpbusd(to, weights, at(rowsAt[r]!), digitAt(brick * QUADS + quad, d), BROADCAST);
          }
      }
    const scale = zmm(SCALE);
    if (levels.scales === 'group') {
      if (levels.isHalf) a.vcvtph2ps(scale, at(spanAt));
      else a.vmovups(scale, at(spanAt));
    }
    for (let r = 0; r < rows; r++) {
      const [low, middle, high] = [0, 1, 2].map((d) => digit(0, r, d)) as [number, number, number];
      if (sets > 1) for (let d = 0; d < DIGITS; d++) a.vpaddd(digit(0, r, d), digit(0, r, d), digit(1, r, d));
      emitNumber(a, low, middle, high);
      if (levels.scales === 'group') {
        a.vmulps(middle, scale, at(rowsAt[r]!), SCALE_AT, BROADCAST);
        a.vfmadd231ps(sum(r), low, middle);
      } else a.vfmadd231ps(sum(r), low, at(rowsAt[r]!), SCALE_AT, BROADCAST);
    }
    for (let r = 0; r < rows; r++) a.addi(rowsAt[r]!, fixedBytes(padded(steps)));
    bricks.endSpan(a, steps, bricksAt);
  });
  if (levels.scales === 'column') for (let r = 0; r < rows; r++) a.vmulps(sum(r), sum(r), at(columnsAt));
}

/** The numbers whose digits are given, into the first; changes the others. */
export function emitNumber(a: Assembler, low: Vector, middle: Vector, high: Vector): void {
  a.vpslldi(middle, middle, 8);
  a.vpaddd(low, low, middle);
  a.vcvtdq2ps(low, low);
  a.vcvtdq2ps(high, high);
  a.vfmadd231ps(low, high, a.constant(Float32Array.of(65536)), 0, BROADCAST);
}
