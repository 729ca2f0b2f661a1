/** A row of this backend's table. */

import type { Call, Constants, Kernel } from '@espalier/core';
import type { Engine } from './engine.ts';
import type { WasmProgram } from './program.ts';

/**
 * A kernel whose `prepare` is given the engine that will run what it emits. Tables of kernels are made by calls that are marked as pure, so
 * that pages which do not name a table do not bundle it.
 */
export interface WasmKernel extends Omit<Kernel<WasmProgram>, 'prepare' | 'evaluate'> {
  prepare(call: Call, constants: Constants, engine: Engine): WasmProgram | Promise<WasmProgram>;
}

/** The instruction sets that kernels are written for, best first. */
export interface Isa {
  readonly name: 'relaxed' | 'simd';
  readonly requires: readonly ('relaxed-simd' | 'simd')[];
  /** Multiplications and additions may be one instruction. */
  readonly isRelaxed: boolean;
}

export const isas: readonly Isa[] = [
  { name: 'relaxed', requires: ['relaxed-simd'], isRelaxed: true },
  { name: 'simd', requires: ['simd'], isRelaxed: false },
];
