/** What kernels on tensors share: their work, their program of one phase. */

import {
  type Binding,
  bindShape,
  byteLength,
  type Call,
  EspalierError,
  formatShape,
  type Rates,
  sizeOf,
  type Work,
} from '@espalier/core';
import type { Emit } from '../code.ts';
import type { Engine } from '../engine.ts';
import type { WasmCall, WasmOperand, WasmPhase, WasmProgram } from '../program.ts';

/** A program that is one command. */
export async function programOf<R>(
  { code }: Engine,
  name: string,
  recipe: R,
  emit: Emit<R>,
  phase: Omit<WasmPhase, 'code'>,
  more: Pick<WasmProgram, 'scratch' | 'failure'> = {},
): Promise<WasmProgram> {
  const loaded = await code.load(name, recipe, emit);
  return {
    resident: loaded.bytes,
    phases: [{ ...phase, code: loaded }],
    ...more,
    dispose: () => loaded.release(),
  };
}

/**
 * What elements take beside their traffic.
 * @param cost of an element of the first output, in multiply-adds of vectors' lanes
 */
export function elementWork(call: Call, at: Binding, cost: number): Work {
  return { macs: cost * sizeOf(bindShape(call.outputs[0]!.shape, at)), bytes: tensorBytes(call, at), resident: 0 };
}

/** Seconds of a call whose arithmetic and traffic overlap: all threads share both. */
export function elementLaw({ macs, bytes }: Work, rates: Rates): number {
  return rates['call']! + Math.max(macs / rates['fma']!, bytes / rates['bytes']!) / rates['threads']!;
}

/** Bytes of a call's operands. */
export function tensorBytes({ inputs, outputs }: Call, at: Binding): number {
  return [...inputs, ...outputs].reduce(
    (sum, desc) => sum + (desc ? byteLength(desc.dtype, sizeOf(bindShape(desc.shape, at))) : 0),
    0,
  );
}

/** The address of an operand, 0 for one that is left out. */
export const addressOf = (operand: WasmOperand | undefined): number => operand?.address ?? 0;

/**
 * The number of elements that operands have in common. Sizes of symbols are known only now.
 * @throws EspalierError `SHAPE_MISMATCH`
 */
export function sameSize(what: string, ...operands: readonly (WasmOperand | undefined)[]): number {
  const given = operands.filter((operand) => operand !== undefined);
  const size = sizeOf(given[0]!.dims);
  for (const { dims } of given)
    if (sizeOf(dims) !== size)
      throw new EspalierError(
        'SHAPE_MISMATCH',
        `${what} have different sizes: ${formatShape(given[0]!.dims)} and ${formatShape(dims)}`,
      );
  return size;
}

/** Elements of a row, of a call whose rows are the last axis. */
export const columnsOf = ({ inputs: [x] }: Pick<WasmCall, 'inputs'>): number => x!.dims.at(-1)!;
