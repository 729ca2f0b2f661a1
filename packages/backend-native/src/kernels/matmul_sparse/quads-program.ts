/** Products by pattern quads: their weights in memory, their program, and what they take. */

import { Slicer } from '@espalier/core';
import { loadCode } from '../../code.ts';
import type { Engine } from '../../list.ts';
import type { NativeProgram } from '../../program.ts';
import type { SizedMatrix } from './cut.ts';
import { LINE, SUMS_AT } from './frame.ts';
import { programOf, type Turning } from './program.ts';
import {
  BLOCK_COLUMNS,
  emitQuads,
  packQuads,
  QUADS_SUMS,
  type QuadCount,
  type QuadTiles,
  UNIT_COLUMNS,
} from './quads.ts';
import type { Described } from './quantized.ts';
import { columnBytes, packColumns } from './scaled.ts';

/** Multiply-adds of a dot product of a vector. */
const DOT_MACS = 64;
/**
 * What a quad takes beside its dot products, in those of a vector: four lines loaded, eight shuffles in units that are partly free; and where
 * lines begin anywhere, so that each is two.
 */
const QUAD_COST = 4.5;
const UNALIGNED_QUAD_COST = 8;
/** What sixteen columns of a tile take beside, in dot products of a vector: summing up, storing; and for each unit of what they take to finish, beyond that of a bias and levels. */
const BLOCK_COST = 600;
const FINISH_COST = 64;
const LIGHT_FINISH = 7;

/** What `tiles` take, in multiply-adds of dot products. @param finish of an element, in multiply-adds of float32 */
export function quadsCost(
  { quads, dots }: QuadCount,
  n: number,
  tiles: number,
  finish: number,
  isAligned: boolean,
): number {
  const block = BLOCK_COST + FINISH_COST * Math.max(0, finish - LIGHT_FINISH);
  const quad = isAligned ? QUAD_COST : UNALIGNED_QUAD_COST;
  return tiles * DOT_MACS * (4 * dots + quad * quads + block * Math.ceil(n / BLOCK_COLUMNS));
}

export interface QuadsProduct {
  readonly matrix: SizedMatrix<Int8Array>;
  readonly count: QuadCount;
  readonly tiles: QuadTiles;
  readonly turning: Turning;
  /** The code that turns the activations. */
  readonly turnCode: Uint8Array;
}

export async function prepareQuads(
  { scale, scaling, program }: Described,
  { matrix, count, tiles, turning, turnCode }: QuadsProduct,
  engine: Engine,
): Promise<NativeProgram> {
  const units = Math.ceil(matrix.n / UNIT_COLUMNS);
  const columnsAt = Math.ceil(count.bytes / 8) * 8;
  const entriesAt = columnsAt + columnBytes(matrix.n);
  const buffer = engine.memory.allocLasting(entriesAt + 8 * units);
  const { buffer: memory, byteOffset } = buffer.view;
  const entries = new BigUint64Array(memory, byteOffset + entriesAt, units);
  const slicer = new Slicer();
  let unit = 0;
  for (const begin of packQuads(matrix, tiles.lines, new DataView(memory, byteOffset, columnsAt))) {
    entries[unit++] = BigInt(buffer.address + begin);
    if (slicer.due) await slicer.pause();
  }
  packColumns(matrix, scale, memory, byteOffset + columnsAt);
  const code = loadCode(engine.addon, [turnCode, emitQuads(scaling, tiles)]);
  const threadBytes = (): number => SUMS_AT + QUADS_SUMS + LINE * LINE;
  return programOf({ ...program, units, turning, threadBytes, code, buffer, columnsAt, entriesAt }, engine);
}
