/** What DequantizeMatMul's constants are: which of their scales and zero points belong together, and each by row and column. */

import {
  type Call,
  type Constants,
  dtypes,
  elements,
  normalizeAxis,
  type Rejection,
  type Tensor,
} from '@espalier/core';
import { avx512, panelWidth } from './isa.ts';
import type { Narrow, NarrowMatrix } from './narrow.ts';

/** Blocks along rows that are no multiple of this have a scale of their own for each column. */
const SINGLE_COLUMNS = panelWidth(avx512);

/** How weights of CastMatMul are to be packed, or why they cannot be. */
export function halfSource(_: Call, constants: Constants): Narrow | Rejection {
  const b = constants[1]?.tensor;
  if (!b) return { reason: 'the weights are not constant' };
  if (b.size === 0) return { reason: 'the weights are empty' };
  const [k] = b.dims as [number, number];
  const kind = b.type as 'float16' | 'bfloat16';
  return { bits: 16, kind, k, group: k, isSingle: false, hasZero: false };
}

/** How the weights are to be packed, or why they cannot be. */
export function quantizedSource({ inputs, attrs }: Call, constants: Constants): Narrow | Rejection {
  const [b, scale, zero] = [1, 2, 3].map((i) => constants[i]?.tensor);
  if (!b || !scale || (inputs[3] && !zero))
    return { reason: 'the weights, their scales or zero points are not constant' };
  const [k, n] = b.dims as [number, number];
  if (k === 0 || n === 0) return { reason: 'the weights are empty' };
  const { bits, kind } = dtypes[b.type];
  const axis = normalizeAxis(attrs['axis'] as number, 2);
  const block = attrs['block_size'] as number;
  const isOne = scale.size === 1;
  const perRow = !isOne && (axis === 0 ? block <= 1 : block > 0);
  return {
    bits: bits as 4 | 8,
    kind: kind as 'int' | 'uint',
    k,
    group: perRow ? 1 : axis === 0 && block > 0 && !isOne ? Math.min(block, k) : k,
    isSingle: perRow && k > 1 && (axis === 0 ? block === 0 : block % SINGLE_COLUMNS === 0),
    hasZero: zero !== undefined && elements(zero).some((z) => z !== 0),
  };
}

/** The matrix with its scales and zero points; other inputs of CastMatMul are its epilogue's. */
export function quantizedMatrix({ op, attrs }: Call, constants: Constants): NarrowMatrix {
  const [b, scale, zero] = [1, 2, 3].map((i) => constants[i]?.tensor);
  const [, n] = b!.dims as [number, number];
  if (!scale || op === 'CastMatMul') return { n, bytes: b!.bytes, scale: () => 1, zero: () => 0 };
  const axis = normalizeAxis(attrs['axis'] as number, 2);
  const block = attrs['block_size'] as number;
  const blocks = scale.dims.at(-1)!;
  /** Where a parameter is in its tensor. */
  const index = (row: number, column: number): number => {
    if (scale.size === 1) return 0;
    if (block === 0) return axis === 0 ? row : column;
    return axis === 0 ? Math.floor(row / block) * blocks + column : row * blocks + Math.floor(column / block);
  };
  const read = (tensor: Tensor | undefined): ((row: number, column: number) => number) => {
    if (!tensor) return () => 0;
    const values = elements(tensor) as number[];
    return (row, column) => values[index(row, column)]!;
  };
  return { n, bytes: b!.bytes, scale: read(scale), zero: read(zero) };
}
