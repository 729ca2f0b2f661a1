/** What all products of bytes share, whatever their rows are: steps, costs, the shapes of their blocks, arguments. */

import { byteLength, type EpilogueOp, type TensorDesc } from '@espalier/core';
import type { Partition } from '@espalier/lowering';
import type { NativeKernel } from '../../kernel.ts';
import { type Epilogue, fuses } from '../matmul/epilogue.ts';
import { argumentWords, threadBytes } from './emit.ts';
import type { Finish } from './finish.ts';
import { type DotIsa, lanesOf, panelColumns } from './isa.ts';
import type { Packing } from './pack.ts';

/** What can be done to scaled sums before they are stored. */
export const scaledFuses: readonly EpilogueOp[] = [...fuses, 'QuantizeLinear', 'DequantizeLinear', 'DequantizeAdd'];

/** Share of the processor's dot products that full tiles reach. */
const EFFICIENCY = 0.96;
/** Multiply-adds by tiles for each by vectors in the same time, about: units are as much larger. */
const TILE_PACE = 6;
/** What an element takes beside its sum, in multiply-adds of float32: in every case, and by step of the epilogue where it is not {@link OTHER_STEP}. */
const FINISH = 3;
const steps: Readonly<Partial<Record<EpilogueOp, number>>> = {
  ...{ Add: 1, Sub: 1, Mul: 1, Div: 8, Relu: 1.5, Clip: 3, LeakyRelu: 4 },
  ...{ QuantizeLinear: 3, DequantizeLinear: 2, DequantizeAdd: 4.5, Gelu: 14 },
};
const OTHER_STEP = 16;

export const finishCost = (epilogue: Epilogue): number =>
  epilogue.steps.reduce((sum, { op }) => sum + (steps[op] ?? OTHER_STEP), FINISH);

/** Of `tiled` multiply-adds with their padding, `around` multiply-adds of float32 before and behind them, and `bytes`. */
export const lawOf =
  (isa: DotIsa): NonNullable<NativeKernel['law']> =>
  ({ tiled, around, bytes }, rates) => {
    const product = (tiled! / (EFFICIENCY * isa.rate(rates)) + around! / rates['fma']!) / rates['threads']!;
    const streamed = bytes / rates['bytes']!;
    // Tiles are so fast that they wait for memory rather than hide it.
    return rates['call']! + (isa.tileSteps === undefined ? Math.max(product, streamed) : product + streamed);
  };

/** Columns that tiles of `n` compute, those that fill up the last vector, or the last panel of tiles, included. */
export function tiledColumns(isa: DotIsa, n: number): number {
  const width = isa.tileSteps === undefined ? lanesOf(isa) : panelColumns(isa);
  return Math.ceil(n / width) * width;
}

/** Steps along K as units are measured in. */
export const paceOf = (isa: DotIsa, { steps }: Packing): number =>
  steps / (isa.tileSteps === undefined ? 1 : TILE_PACE);

/** Numbers of rows that blocks of `m` rows may have, one or two; every number where that is not known. */
export function blockHeights(isa: DotIsa, m: number | undefined): readonly number[] {
  if (isa.tileSteps !== undefined) return [isa.rows, isa.rows / 2];
  const all = Array.from({ length: isa.rows }, (_, i) => isa.rows - i);
  if (m === undefined) return all;
  const least = Math.floor(m / Math.max(1, Math.ceil(m / isa.rows)));
  return all.filter((rows) => rows === least || rows === least + 1);
}

/** The sizes of shapes; undefined where any is not known. */
export function knownShapes(descs: readonly TensorDesc[]): readonly (readonly number[])[] | undefined {
  const shapes = descs.map(({ shape }) => shape);
  return shapes.every((shape): shape is readonly number[] => shape.every((d) => typeof d === 'number'))
    ? shapes
    : undefined;
}

/** A bound product: addresses, and how it is cut. */
export interface BoundProduct {
  readonly scratch: number;
  /** Bytes of scratch memory of each thread; those that every product needs when absent. */
  readonly threadBytes?: number;
  readonly cut: Partition;
  readonly packing: Packing;
  /** Bytes from row to row. */
  readonly aRow: number;
  readonly yRow: number;
  /** Addresses, 0 where there is none. */
  readonly aScale: number;
  readonly aZero: number;
  readonly yScale: number;
  readonly yZero: number;
  /** Elements from row to row of the operands of the epilogue. */
  readonly rowSteps: readonly number[];
  /** What comes behind the argument words. */
  readonly more?: readonly number[];
  /** The entry of each matrix. */
  readonly entries: readonly (readonly number[])[];
}

/** The argument block of a product. */
export function productArgs(isa: DotIsa, { epilogue }: Finish, bound: BoundProduct): number[] {
  const { cut, packing, entries, rowSteps, more = [] } = bound;
  const words = {
    ...{ threadBytes: threadBytes(isa), ...bound, ...cut },
    ...{ steps: packing.steps, panelBytes: packing.panelBytes, columnWords: packing.columns, batch: entries.length },
  };
  return [
    ...argumentWords.map((name) => words[name]),
    ...more,
    ...rowSteps.map((step, i) => byteLength(epilogue.operands[i]!.dtype, step)),
    ...entries.flat(),
  ];
}
