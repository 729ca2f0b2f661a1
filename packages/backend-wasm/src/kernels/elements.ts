/** What kernels on tensors share: their work, their program of one phase. */

import { type Binding, bindShape, type Call, type Rates, sizeOf, type Work } from '@espalier/core';
import { tensorBytes } from '@espalier/lowering';
import type { Emit } from '../code.ts';
import type { Engine } from '../engine.ts';
import type { WasmPhase, WasmProgram } from '../program.ts';

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
