/** What kernels on float32 tensors share: their work, their program of one phase. */

import { type Binding, bindShape, type Call, sizeOf, type Work } from '@espalier/core';
import { Assembler } from '@espalier/x64';
import { sharedCode } from '../code.ts';
import type { Engine } from '../list.ts';
import { Vectors } from '../math/index.ts';
import type { NativePhase, NativeProgram } from '../program.ts';

/**
 * What an element takes beside its traffic, in multiply-adds of the same width, with AVX-512 and with AVX2: measured with
 * bench/float32.mjs on data in the second-level cache.
 */
export type Cost = readonly [wide: number, narrow: number];

/** @param cost of an element of the first output */
export function elementWork({ inputs, outputs }: Call, at: Binding, isWide: boolean, cost: Cost): Work {
  const sizes = [...inputs, ...outputs].map((desc) => (desc ? sizeOf(bindShape(desc.shape, at)) : 0));
  return {
    macs: cost[isWide ? 0 : 1] * sizes[inputs.length]!,
    bytes: 4 * sizes.reduce((a, b) => a + b, 0),
    resident: 0,
  };
}

function assemble<Of extends readonly unknown[]>(
  isWide: boolean,
  emit: (v: Vectors, ...of: Of) => void,
  ...of: Of
): Uint8Array {
  const a = new Assembler();
  emit(new Vectors(a, isWide), ...of);
  return a.finish();
}

/**
 * A program that is one command.
 * @param emission what emits its code and all that this is told: where they are the same the code is shared
 */
export function programOf<Of extends readonly unknown[]>(
  { addon }: Engine,
  isWide: boolean,
  [emit, ...of]: readonly [emit: (v: Vectors, ...of: Of) => void, ...of: Of],
  phase: Omit<NativePhase, 'code'>,
): NativeProgram {
  const code = sharedCode(addon, assemble<Of>, isWide, emit, ...of);
  return {
    resident: code.bytes,
    phases: [{ ...phase, code: code.addresses[0]! }],
    dispose: () => code.dispose(),
  };
}
