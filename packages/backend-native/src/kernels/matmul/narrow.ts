/**
 * Weights of few bits: how they lie in panels beside their scales and zero points, and the code that widens a row of a panel to
 * float32. A panel is a row of groups: the parameters of each, float32, then its rows of K.
 */

import { runGenerator, Slicer } from '@espalier/core';
import { type Address, type Assembler, BROADCAST, type Vector } from '@espalier/x64';
import type { Engine } from '../../list.ts';
import type { NativeBuffer } from '../../memory.ts';
import { avx512, type Isa, panelWidth } from './isa.ts';
import { type PanelLayout, packPanels } from './pack.ts';

export interface Narrow {
  /** Two columns lie in a byte of four-bit weights, a panel's width / 2 apart; signed ones with 8 added. */
  readonly bits: 4 | 8 | 16;
  /** Floats are those of 16 bits, and have no parameters. */
  readonly kind: 'int' | 'uint' | 'float16' | 'bfloat16';
  readonly k: number;
  /** Rows of K that share parameters; `k` where all do. */
  readonly group: number;
  /** A row has one scale and zero point for all columns of a panel; the group is one row. */
  readonly isSingle: boolean;
  readonly hasZero: boolean;
}

/** Of parameters the scale is first, the zero point behind it. */
export interface NarrowLayout extends PanelLayout {
  /** From one row to the next of its group; of the panel where a group is a row. */
  readonly stepBytes: number;
}

export function narrowLayout({ bits, k, group, isSingle, hasZero, kind }: Narrow, width: number): NarrowLayout {
  const rowBytes = (width * bits) / 8;
  const paramBytes = isFloat({ kind }) ? 0 : (hasZero ? 2 : 1) * (isSingle ? 4 : 4 * width);
  const groupBytes = paramBytes + group * rowBytes;
  const groups = Math.ceil(k / Math.max(1, group));
  const stepBytes = isRowwise({ group, k }) ? groupBytes : rowBytes;
  return { rowBytes, stepBytes, paramBytes, groupBytes, panelBytes: groups * paramBytes + k * rowBytes };
}

export const isFloat = ({ kind }: Pick<Narrow, 'kind'>): boolean => kind === 'float16' || kind === 'bfloat16';

/** True where all rows have the same parameters. */
export const isWhole = ({ group, k }: Pick<Narrow, 'group' | 'k'>): boolean => group === k;

/** True where each row has its own, of several. */
export const isRowwise = (narrow: Pick<Narrow, 'group' | 'k'>): boolean => narrow.group === 1 && !isWhole(narrow);

const NIBBLE_BIAS = 8;

/**
 * Row `u` behind the current one into one register, or two, as float32.
 * @param source points to the current row, or to its parameters where the group is a row; `params` to the group's otherwise
 * @param spare is clobbered
 */
export function emitWiden(
  a: Assembler,
  isa: Isa,
  narrow: Narrow,
  to: readonly Vector[],
  [source, params]: readonly [Address, Address],
  u: number,
  isScaled: boolean,
  spare: Vector,
): void {
  const { bits, kind, isSingle, hasZero } = narrow;
  const isSigned = kind === 'int';
  const { stepBytes, paramBytes } = narrowLayout(narrow, panelWidth(isa));
  const isRow = isRowwise(narrow);
  const row = u * stepBytes + (isRow ? paramBytes : 0);
  if (isFloat(narrow)) {
    for (const [v, x] of to.entries()) {
      a[kind === 'float16' ? 'vcvtph2ps' : 'vpmovzxwd'](x, source, row + 2 * v * isa.lanes);
      if (kind === 'bfloat16') a.vpslldi(x, x, 16);
    }
    return;
  }
  if (bits === 8) {
    for (const [v, x] of to.entries()) {
      a[isSigned ? 'vpmovsxbd' : 'vpmovzxbd'](x, source, row + v * isa.lanes);
      a.vcvtdq2ps(x, x);
    }
  } else {
    a.vpmovzxbd(to[0]!, source, row);
    if (to.length > 1) a.vpsrldi(to[1]!, to[0]!, 4);
    emitNibbles(a, isa, isSigned, to);
  }
  const parameter = (op: 'vsubps' | 'vmulps', x: Vector, offset: number): void => {
    const [address, disp] = isRow ? [source, u * stepBytes + offset] : [params, offset];
    if (!isSingle) a[op](x, x, address, disp);
    else if (isa === avx512) a[op](x, x, address, disp, BROADCAST);
    else {
      a.vbroadcastss(spare, address, disp);
      a[op](x, x, spare);
    }
  };
  for (const [v, x] of to.entries()) {
    const column = isSingle ? 0 : 4 * v * isa.lanes;
    if (hasZero) parameter('vsubps', x, paramBytes / 2 + column);
    if (isScaled) parameter('vmulps', x, column);
  }
}

/** Numbers whose lowest four bits count into float32. */
function emitNibbles(a: Assembler, isa: Isa, isSigned: boolean, to: readonly Vector[]): void {
  const bias = isSigned ? NIBBLE_BIAS : 0;
  if (isa === avx512) {
    // A permutation looks at no other bits.
    const values = a.constant(Float32Array.from({ length: 16 }, (_, i) => i - bias));
    for (const x of to) a.vpermps(x, x, values);
    return;
  }
  const everywhere = (value: number): Address => a.constant(new Uint32Array(isa.lanes).fill(value));
  a.vpand(to[0]!, to[0]!, everywhere(15));
  const offset = a.constant(new Float32Array(isa.lanes).fill(bias));
  for (const x of to) {
    a.vcvtdq2ps(x, x);
    if (bias > 0) a.vsubps(x, x, offset);
  }
}

/** A matrix of [k, n] with its parameters, as numbers. */
export interface NarrowMatrix {
  readonly n: number;
  /** The bytes of the tensor, two elements to a byte of four bits. */
  readonly bytes: Uint8Array;
  scale(row: number, column: number): number;
  zero(row: number, column: number): number;
}

export const narrowBytes = (narrow: Narrow, n: number, width: number): number =>
  Math.ceil(n / width) * narrowLayout(narrow, width).panelBytes;

/** Packs a matrix into fresh memory, which is zero. */
export async function packNarrow(
  engine: Engine,
  isa: Isa,
  narrow: Narrow,
  matrix: NarrowMatrix,
  to: NativeBuffer,
): Promise<void> {
  const { bits, k, group } = narrow;
  const { n, bytes } = matrix;
  const width = panelWidth(isa);
  const slicer = new Slicer();
  if (!isFloat(narrow)) await runGenerator(packParameters(narrow, matrix, width, to.view), slicer);
  if (bits === 4) await runGenerator(packNibbles(narrow, matrix, width, to.view), slicer);
  else await packPanels(engine, isa, bytes, [k, n], bits === 8 ? 1 : 2, group, narrowLayout(narrow, width), to);
}

/** Scales and zero points; yields after each panel. */
function* packParameters(
  narrow: Narrow,
  { n, scale, zero }: NarrowMatrix,
  width: number,
  to: Uint8Array,
): Generator<void, void> {
  const { k, group, isSingle, hasZero } = narrow;
  const { paramBytes, groupBytes, panelBytes } = narrowLayout(narrow, width);
  const view = new DataView(to.buffer, to.byteOffset, to.byteLength);
  for (let column = 0, panel = 0; column < n; column += width, panel += panelBytes) {
    const columns = isSingle ? 1 : Math.min(width, n - column);
    for (let row = 0, at = panel; row < k; row += group, at += groupBytes) {
      for (let i = 0; i < columns; i++) {
        view.setFloat32(at + 4 * i, scale(row, column + i), true);
        if (hasZero) view.setFloat32(at + paramBytes / 2 + 4 * i, zero(row, column + i), true);
      }
    }
    yield;
  }
}

/** Weights of four bits, the columns of a row's halves side by side; yields after each panel. */
function* packNibbles(
  narrow: Narrow,
  { n, bytes }: NarrowMatrix,
  width: number,
  to: Uint8Array,
): Generator<void, void> {
  const { kind, k, group } = narrow;
  const isSigned = kind === 'int';
  const { rowBytes, paramBytes } = narrowLayout(narrow, width);
  let write = 0;
  for (let column = 0; column < n; column += width) {
    const columns = Math.min(width, n - column);
    for (let row = 0; row < k; row++, write += rowBytes) {
      if (row % group === 0) write += paramBytes;
      const read = row * n + column;
      for (let i = 0; i < columns; i++) {
        const nibble = (bytes[(read + i) >> 1]! >> (4 * ((read + i) & 1))) & 15;
        to[write + (i % rowBytes)]! |= (isSigned ? nibble ^ NIBBLE_BIAS : nibble) << (i < rowBytes ? 0 : 4);
      }
    }
    yield;
  }
}
