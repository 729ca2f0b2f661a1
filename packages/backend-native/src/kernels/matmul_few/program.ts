/** The program of a product of few rows: what makes A ready, if anything, then the product. */

import { type Binding, bindShape, type Call, type Constants, type Rates, sizeOf } from '@espalier/core';
import { partition } from '@espalier/lowering';
import type { LoadedCode } from '../../code.ts';
import type { Engine } from '../../list.ts';
import type { NativeBuffer } from '../../memory.ts';
import type { NativeCall, NativePhase, NativeProgram } from '../../program.ts';
import { type Epilogue, operandWords } from '../matmul/epilogue.ts';
import { argumentWords, BLOCK_ROWS, COLUMNS, THREAD_BYTES } from './frame.ts';

type Bound = Omit<NativeCall, 'scratch'>;

export interface FewRows {
  readonly k: number;
  readonly n: number;
  readonly epilogue: Epilogue;
  readonly code: LoadedCode;
  /** The product's. */
  readonly entry: number;
  readonly weights: NativeBuffer;
  readonly packed: readonly number[];
  /** What stands for A: bytes of a row, and how it is made. */
  readonly ready?: {
    readonly pitch: number;
    readonly phase: (at: (bound: Bound & { scratch: number }) => number) => NativePhase;
  };
  /** What else to free. */
  readonly owned?: readonly NativeBuffer[];
}

export const rowsOf = ({ outputs }: Pick<NativeCall, 'outputs'>, n: number): number => sizeOf(outputs[0]!.dims) / n;

export function programOf(few: FewRows, { memory }: Engine): NativeProgram {
  const { k, n, epilogue, code, weights, ready } = few;
  const owned = [weights, ...(few.owned ?? [])];
  const cutOf = (bound: Pick<NativeCall, 'outputs' | 'threads'>) =>
    partition({ m: rowsOf(bound, n), n, k, batch: 1 }, BLOCK_ROWS, COLUMNS, bound.threads);
  const readyAt = ({ threads }: Pick<NativeCall, 'threads'>): number => threads * THREAD_BYTES;
  const product: NativePhase = {
    code: code.addresses[few.entry]!,
    units: (bound) => (rowsOf(bound, n) > 0 ? cutOf(bound).units : 0),
    args(bound) {
      const { inputs, outputs, scratch } = bound;
      const a = ready ? scratch + readyAt(bound) : inputs[0]!.address;
      const words = { ...cutOf(bound), scratch, weights: weights.address, a, c: outputs[0]!.address };
      return [...argumentWords.map((name) => words[name]), ...operandWords(epilogue, bound, inputs[0]!.dims, [k, n])];
    },
  };
  return {
    resident: code.bytes + owned.reduce((sum, { bytes }) => sum + bytes, 0),
    packed: few.packed,
    scratch: (bound) => readyAt(bound) + rowsOf(bound, n) * (ready?.pitch ?? 0),
    phases: [...(ready ? [ready.phase((bound) => bound.scratch + readyAt(bound))] : []), product],
    dispose() {
      code.dispose();
      for (const buffer of owned) memory.free(buffer);
    },
  };
}

/** Matrices of more bytes are taken to lie beyond all caches, which are read so much more slowly. */
const FAR_BYTES = 1 << 23;
const FAR = 0.32;

/** Seconds of one thread to read `bytes` of weights. */
export const readSeconds = (bytes: number, rates: Rates): number =>
  bytes / (rates['bytes']! * (bytes > FAR_BYTES ? FAR : 1));

/** Numbers of rows that a block may have. */
export function heightsOf({ outputs }: Call): readonly number[] {
  const lead = outputs[0]!.shape.slice(0, -1);
  const all = Array.from({ length: BLOCK_ROWS }, (_, i) => i + 1);
  if (!lead.every((d): d is number => typeof d === 'number')) return all;
  const rows = Math.max(1, sizeOf(lead));
  const blocks = Math.ceil(rows / BLOCK_ROWS);
  return [...new Set([Math.floor(rows / blocks), Math.ceil(rows / blocks)])];
}

/** Rows of a call, and elements of the operands of its epilogue. */
export function sizesOf({ inputs, outputs }: Call, at: Binding, n: number, { operands }: Epilogue) {
  const size = (shape: Call['inputs'][number]): number => sizeOf(bindShape(shape!.shape, at));
  return {
    rows: size(outputs[0]) / n,
    operands: operands.reduce((sum, { input }) => sum + size(inputs[input]), 0),
  };
}

export const packedInputs = (constants: Constants, ...inputs: readonly number[]): number[] =>
  inputs.filter((i) => constants[i]);
