/** Operands as floating point numbers, so that the loops of an op see one or two kinds of array. */

import type { Phase } from '@espalier/core';
import type { Operand } from './define.ts';

export type Floats = Float32Array | Float64Array;

export interface Floating {
  readonly data: Floats;
  /** What fills `data`; empty where it is the operand's own. */
  readonly before: readonly Phase[];
}

/** The operand's elements as floats: float32 and float64 as they are, integers as float64 (those of 64 bits rounded). */
export function floating(x: Operand): Floating {
  if (x.data instanceof Float32Array || x.data instanceof Float64Array) return { data: x.data, before: [] };
  const data = new Float64Array(x.size);
  const run = (from: number, to: number): void => {
    for (let i = from; i < to; i++) data[i] = Number(x.data[i]);
  };
  return { data, before: [{ units: x.size, run }] };
}

/** Memory for intermediate results, of the precision that the operand has. */
export function floatsLike(x: Operand, length: number): Floats {
  return x.dtype === 'float64' ? new Float64Array(length) : new Float32Array(length);
}
