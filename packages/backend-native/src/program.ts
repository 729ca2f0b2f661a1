/** What kernels of this backend prepare: phases of emitted code, with argument blocks made from bound operands. */

import type { Binding, DType, EspalierError, Program } from '@espalier/core';

export interface NativeOperand {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly address: number;
}

/** A call with its sizes bound and its operands in memory. */
export interface NativeCall {
  readonly inputs: readonly (NativeOperand | undefined)[];
  readonly outputs: readonly (NativeOperand | undefined)[];
  readonly at: Binding;
  /** Memory of as many bytes as the program's `scratch` says, aligned to 64; its contents are anyone's. */
  readonly scratch: number;
  /** Two words in which emitted code says what is wrong with the values it was given: anything but 0, then what it found. */
  readonly status: number;
  /** How many threads may run units at once; emitted code is given a number below it. */
  readonly threads: number;
}

/** One command: emitted code, run once for each unit, in any order and on any thread. */
export interface NativePhase {
  /** Its address. */
  readonly code: number;
  units(call: NativeCall): number;
  /** The argument block: 64-bit words, integers below 2^53. */
  args(call: NativeCall): readonly number[];
}

/** Phases run one after the other: all units of one before any of the next. */
export interface NativeProgram extends Program {
  readonly phases: readonly NativePhase[];
  /** Bytes of scratch memory for a call. */
  scratch?(call: Omit<NativeCall, 'scratch'>): number;
  /** What a status means; the run ends with it. */
  failure?(kind: number, found: bigint): EspalierError;
}
