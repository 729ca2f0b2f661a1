/** The product of fixed-point rows by weights of few bits, of which all are stored. */

import { type Assembler, at, BROADCAST, type Gpr, r8, r9, r10, r11, r13, zmm } from '@espalier/x64';
import { DIGITS, digitAt, emitGroups, fixedBytes, SCALE_AT, sumAt } from './fixed.ts';
import { aAt, COLUMNS, panel, weightsAt } from './frame.ts';
import { BRICK, brickBytes, columnsLayout, type Levels, LINE, padded, QUADS, spanLayout } from './layout.ts';

/** Rows of A of a block, and parameters of the panel's columns. */
const rowsAt: readonly Gpr[] = [r8, r9, r10, r11];
const columnsAt = r13;
/** Registers: sums of digits come first, those of rows at 16; weights as they lie, and as bytes; what they are masked with. */
const [RAW, HIGH, SCALE, ZEROS, LOW_BITS, ALL_BITS, SHIFT] = [20, 21, 24, 25, 26, 27, 28];
const BYTES = [22, 23];

/** How the vectors of 64 weights of a span come into registers. */
export interface Bricks {
  /** Bytes that a span takes, and bytes that are read ahead of it; where it is not known, the span advances. */
  readonly bytes?: (steps: number) => number;
  begin(a: Assembler): void;
  /** The vector of a quad, 0 to 7, of brick `brick` of a span whose bricks begin `offset` bytes from {@link weightsAt} on. */
  load(a: Assembler, brick: number, quad: number, offset: number): number;
}

/** How far ahead of its use a line is fetched. */
const AHEAD = 2048;

export function planes({ bits }: Levels): Bricks {
  const everywhere = (value: number): number => (value * 0x01010101) >>> 0;
  return {
    bytes: (steps) => (padded(steps) / BRICK) * brickBytes(bits),
    begin(a) {
      if (bits === 8) return;
      const low = bits === 4 ? 15 : 3;
      a.vpbroadcastd(zmm(LOW_BITS), a.constant(Uint32Array.of(everywhere(low))));
      if (bits === 3) a.vpbroadcastd(zmm(ALL_BITS), a.constant(Uint32Array.of(everywhere(7))));
    },
    load(a, brick, quad, offset) {
      const to = zmm(BYTES[quad % 2]!);
      const base = offset + brick * brickBytes(bits);
      const fetch = (register: number, line: number): void => {
        a.vmovups(zmm(register), at(weightsAt), base + LINE * line);
        a.prefetcht0(at(weightsAt), AHEAD + base + LINE * line);
      };
      if (bits === 8) {
        fetch(BYTES[quad % 2]!, quad);
        return to;
      }
      const low = bits === 4 ? 4 : 2;
      const perLine = 8 / low;
      if (quad % perLine === 0) fetch(RAW, quad / perLine);
      if (bits === 3 && quad === 0) fetch(HIGH, 2);
      const shift = low * (quad % perLine);
      if (bits !== 3) {
        if (shift > 0) a.vpsrlwi(to, zmm(RAW), shift);
        a.vpandd(to, shift > 0 ? to : zmm(RAW), zmm(LOW_BITS));
        return to;
      }
      if (shift > 0) a.vpsrlwi(to, zmm(RAW), shift);
      else a.vmovaps(to, zmm(RAW));
      const high = zmm(SHIFT);
      if (quad < 2) a.vpsllwi(high, zmm(HIGH), 2 - quad);
      else if (quad > 2) a.vpsrlwi(high, zmm(HIGH), quad - 2);
      a.vpternlogd(to, quad === 2 ? zmm(HIGH) : high, zmm(LOW_BITS), SELECT);
      a.vpandd(to, to, zmm(ALL_BITS));
      return to;
    },
  };
}

/** Bits of the first where the third has ones, else of the second. */
const SELECT = 0xe4;

/** A block of `rows`; the row's sums are left in `sum(r)`. Weights of a panel begin where `begin` says, else `panelBytes` apart. */
export function emitProduct(
  a: Assembler,
  levels: Levels,
  bricks: Bricks,
  [pitch, panelBytes]: readonly [number, number],
  rows: number,
  sum: (r: number) => number,
): void {
  // Where one row's digits are all, even and odd quads are added up apart, so that no sum waits for itself.
  const sets = rows === 1 ? 2 : 1;
  const digit = (set: number, r: number, d: number): number => zmm((set * rows + r) * DIGITS + d);
  const { zeros, bricks: bricksAt } = spanLayout(levels);
  const columns = columnsLayout(levels);
  const hasColumnZeros = levels.zero === 'many' && levels.scales !== 'row';
  a.imuli(panel, panel, panelBytes);
  a.add(weightsAt, panel);
  if (columns.bytes > 0) {
    a.mov(columnsAt, weightsAt);
    a.addi(weightsAt, columns.bytes);
  }
  for (let r = 1; r < rows; r++) a.lea(rowsAt[r]!, at(aAt), r * pitch);
  for (let r = 0; r < rows; r++) a.vxorps(sum(r), sum(r), sum(r));
  bricks.begin(a);
  if (columns.zeros > 0 && hasColumnZeros) a.vpmovzxbd(zmm(ZEROS), at(columnsAt), columns.zeros);
  const thousands = a.constant(Float32Array.of(65536));
  emitGroups(a, levels, (steps) => {
    if (levels.scales === 'group' && hasColumnZeros) a.vpmovzxbd(zmm(ZEROS), at(weightsAt), zeros);
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
      if (levels.isHalf) a.vcvtph2ps(scale, at(weightsAt));
      else a.vmovups(scale, at(weightsAt));
    }
    for (let r = 0; r < rows; r++) {
      const [low, middle, high] = [0, 1, 2].map((d) => digit(0, r, d)) as [number, number, number];
      if (sets > 1) for (let d = 0; d < DIGITS; d++) a.vpaddd(digit(0, r, d), digit(0, r, d), digit(1, r, d));
      a.vpslldi(middle, middle, 8);
      a.vpaddd(low, low, middle);
      a.vcvtdq2ps(low, low);
      a.vcvtdq2ps(high, high);
      a.vfmadd231ps(low, high, thousands, 0, BROADCAST);
      if (levels.scales === 'group') {
        a.vmulps(middle, scale, at(rowsAt[r]!), SCALE_AT, BROADCAST);
        a.vfmadd231ps(sum(r), low, middle);
      } else a.vfmadd231ps(sum(r), low, at(rowsAt[r]!), SCALE_AT, BROADCAST);
    }
    for (let r = 0; r < rows; r++) a.addi(rowsAt[r]!, fixedBytes(padded(steps)));
    if (bricks.bytes) a.addi(weightsAt, bricksAt + bricks.bytes(steps));
  });
  if (levels.scales === 'column') for (let r = 0; r < rows; r++) a.vmulps(sum(r), sum(r), at(columnsAt));
}

/** Columns' zero points are bytes, a vector of them a lane each. */
export const ZERO_BYTES = COLUMNS;
