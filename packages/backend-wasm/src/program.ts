/** What kernels of this backend prepare: phases of emitted code, with argument blocks made from bound operands. */

import type { Binding, DType, EspalierError, Program } from '@espalier/core';
import type { Code } from './code.ts';

export interface WasmOperand {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly address: number;
}

/** A call with its sizes bound and its operands in memory. */
export interface WasmCall {
  readonly inputs: readonly (WasmOperand | undefined)[];
  readonly outputs: readonly (WasmOperand | undefined)[];
  readonly at: Binding;
  /** Memory of as many bytes as the program's `scratch` says, aligned to 64; its contents are anyone's. */
  readonly scratch: number;
  /** 16 bytes in which emitted code says what is wrong with the values it was given: a word that is not 0, one more, and what it found. */
  readonly status: number;
  /** How many threads may run units at once; emitted code is given a number below it. */
  readonly threads: number;
}

/** One command: emitted code, run once for each unit, in any order and on any thread. */
export interface WasmPhase {
  readonly code: Code;
  units(call: WasmCall): number;
  /** The argument block: words of 32 bits. */
  args(call: WasmCall): readonly number[];
}

/** Phases run one after the other: all units of one before any of the next. */
export interface WasmProgram extends Program {
  readonly phases: readonly WasmPhase[];
  /** Bytes of scratch memory for a call. */
  scratch?(call: Omit<WasmCall, 'scratch'>): number;
  /** What a status means; the run ends with it. */
  failure?(kind: number, found: bigint, more: number): EspalierError;
}
