/** How weights of few bits lie: in panels of sixteen columns, each a row of spans along K that are added up in integers. */

import {
  type Call,
  type Constant,
  type Constants,
  elements,
  float16Values,
  type Rejection,
  type Tensor,
  toFloat16,
} from '@espalier/core';
import { remembered } from '@espalier/lowering';
import { quantizedSource } from '../matmul/quantized.ts';
import { COLUMNS } from './frame.ts';

/** Steps along K that lie together, in quads of four to a lane: weights are filled up to whole bricks of them. */
export const BRICK = 32;
export const QUADS = BRICK / 4;
/** Steps of a span: so many products of bytes add up in 32 bits, shifted by eight. */
export const SPAN = 4 * BRICK;
/** Bytes of a vector of 64 weights, once they are bytes. */
export const LINE = 64;

/** What stands for a matrix of [k, n]: levels from `least` on in as few bits as there are, less a zero point, times a scale. Of eight bits the least is the type's. */
export interface Levels {
  readonly k: number;
  readonly n: number;
  /** Of eight vectors of 64 weights, two of four bits lie in one, four of two; three bits are two, and the highest of all eight in one. */
  readonly bits: 2 | 3 | 4 | 8;
  readonly least: number;
  /** Whether the scale is that of a column, or of a row, or of a column and so many rows. */
  readonly scales: 'column' | 'row' | 'group';
  /** Rows of K that share a scale; `k` where scales are not by groups. */
  readonly group: number;
  /** Levels that are not the first zero point. */
  readonly nonzeros: number;
  /** Zero points, from `least` on: one for all, or as many as there are scales. */
  readonly zero: number | 'many';
  /** Scales of groups in 16 bits, where that loses nothing. */
  readonly isHalf: boolean;
}

/** What weights are stored as, or why they are not. */
export function levelsOf(call: Call, constants: Constants): Levels | Rejection {
  const source = quantizedSource(call, constants);
  if ('reason' in source) return source;
  const [b, scale, zero] = [1, 2, 3].map((i) => constants[i]?.tensor);
  const { k, group } = source;
  const isRow = source.group === 1 && k > 1;
  if (isRow && !(call.attrs['axis'] !== 1 && call.attrs['axis'] !== -1 && call.attrs['block_size'] === 0))
    return { reason: 'scales differ along rows and columns' };
  const zeros = zero ? (elements(zero) as number[]) : [0];
  const { least, span, counts } = valuesOf(constants[1]!, zeros);
  const scales = isRow ? 'row' : group < k ? 'group' : 'column';
  return {
    ...{ k, n: b!.dims[1]!, least, scales },
    bits: span < 4 ? 2 : span < 8 ? 3 : span < 16 ? 4 : 8,
    group: isRow ? k : group,
    nonzeros: b!.size - (counts?.get(zeros[0]!) ?? 0),
    zero: zeros.every((z) => z === zeros[0]) ? zeros[0]! - least : 'many',
    isHalf: scales === 'group' && isHalf(scale!),
  };
}

interface Values {
  readonly least: number;
  readonly span: number;
  readonly counts?: ReadonlyMap<number, number>;
}

/** The least level, how far it is to the greatest, and how often there is which; not counted where a sample says that there are many. */
function valuesOf(weights: Constant, zeros: readonly number[]): Values {
  const { type } = weights.tensor;
  const whole = { least: type === 'int8' ? -128 : 0, span: 255 };
  if (!type.endsWith('4') && areMany(weights)) return whole;
  const counts = histogramOf(weights);
  const all = [...counts.keys(), ...new Set(zeros)];
  const least = Math.min(...all);
  const span = Math.max(...all) - least;
  return span < 16 ? { least, span, counts } : { ...whole, counts };
}

/** Bytes of a sample, and how often one of them may be there. */
const SAMPLE = 4093;
const MOST_OFTEN = 0.1;

/** Whether a sample of bytes takes all eight bits, and none of them is frequent. */
const areMany = remembered(({ tensor: { bytes, type } }): boolean => {
  if (bytes.length < 4 * SAMPLE) return false;
  const step = Math.floor(bytes.length / SAMPLE);
  const sample = Uint8Array.from({ length: SAMPLE }, (_, i) => bytes[i * step]!);
  const levels = levelCounts(type, sample, SAMPLE);
  const all = [...levels.keys()];
  return Math.max(...all) - Math.min(...all) > 16 && Math.max(...levels.values()) < MOST_OFTEN * SAMPLE;
});

/** Which levels there are, and how often. */
const histogramOf = remembered(({ tensor: { bytes, type, size } }) => levelCounts(type, bytes, size));

function levelCounts(type: string, bytes: Uint8Array, size: number): ReadonlyMap<number, number> {
  const bits = type.endsWith('4') ? 4 : 8;
  const counts = new Uint32Array(256);
  for (let i = 0; i < bytes.length; i++) counts[bytes[i]!]!++;
  const levels = new Map<number, number>();
  const note = (word: number, count: number): void => {
    const level = type.startsWith('int') && word >> (bits - 1) ? word - (1 << bits) : word;
    levels.set(level, (levels.get(level) ?? 0) + count);
  };
  for (const [byte, count] of counts.entries()) {
    if (count === 0) continue;
    note(byte & (2 ** bits - 1), count);
    if (bits === 4) note(byte >> 4, count);
  }
  // Half of the last byte may be nobody's.
  if (bits === 4 && size % 2 > 0) note(bytes.at(-1)! >> 4, -1);
  return levels;
}

const halves = new WeakMap<Tensor, boolean>();

function isHalf(scale: Tensor): boolean {
  let known = halves.get(scale);
  if (known === undefined) {
    const values = float16Values();
    known = (scale.data as Float32Array).every((x) => values[toFloat16(x)] === x);
    halves.set(scale, known);
  }
  return known;
}

/** A stretch of K: its steps, and how often it comes. */
export interface Stretch {
  readonly steps: number;
  readonly times: number;
}

/** Spans of so many steps. */
const spansOf = (steps: number): Stretch[] =>
  [
    { steps: SPAN, times: Math.floor(steps / SPAN) },
    { steps: steps % SPAN, times: 1 },
  ].filter(({ steps, times }) => steps > 0 && times > 0);

/** All spans, in order: for each of the groups, and for the shorter one at the end. */
export function groupsOf({ k, group }: Pick<Levels, 'k' | 'group'>): { times: number; spans: readonly Stretch[] }[] {
  return [
    { times: Math.floor(k / group), spans: spansOf(group) },
    { times: 1, spans: spansOf(k % group) },
  ].filter(({ times, spans }) => times > 0 && spans.length > 0);
}

/** Steps that are filled up to whole bricks. */
export const padded = (steps: number): number => Math.ceil(steps / BRICK) * BRICK;

/** Visits each span; rows of K from `first` on. */
export function eachSpan(levels: Pick<Levels, 'k' | 'group'>, visit: (first: number, steps: number) => void): void {
  let first = 0;
  for (const { times, spans } of groupsOf(levels))
    for (let i = 0; i < times; i++)
      for (const { steps, times } of spans) for (let j = 0; j < times; j++, first += steps) visit(first, steps);
}

/** Steps of all spans, filled up. */
export const paddedDepth = (levels: Pick<Levels, 'k' | 'group'>): number =>
  groupsOf(levels).reduce(
    (sum, { times, spans }) => sum + times * spans.reduce((own, each) => own + each.times * padded(each.steps), 0),
    0,
  );

/** What stands before the bricks of a span: where scales and zero points are, in bytes, and where the bricks. */
export function spanLayout({ scales, zero, isHalf }: Levels): { zeros: number; bricks: number } {
  if (scales !== 'group') return { zeros: 0, bricks: 0 };
  const zeros = (isHalf ? 2 : 4) * COLUMNS;
  return { zeros, bricks: zeros + (zero === 'many' ? COLUMNS : 0) };
}

/** What stands before the spans of a panel where its columns have one scale each: these, then zero points; whole lines. */
export const columnsLayout = ({ scales, zero }: Levels): { zeros: number; bytes: number } =>
  scales === 'column' ? { zeros: LINE, bytes: (zero === 'many' ? 2 : 1) * LINE } : { zeros: 0, bytes: 0 };

export const brickBytes = (bits: number): number => bits * LINE;
