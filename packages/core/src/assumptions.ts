/**
 * What shape inference takes for granted: sizes that must be equal, or broadcast, for the model to make sense, where that depends
 * on the sizes of a run. Who runs the model checks them before any kernel trusts them.
 */

import type { Dim } from './dim.ts';

export interface Assumption {
  readonly kind: 'equal' | 'broadcast';
  readonly a: Dim;
  readonly b: Dim;
}

let recorder: Map<string, Assumption> | undefined;

/** Notes an assumption for the innermost {@link withAssumptions}. */
export function assume(assumption: Assumption): void {
  const { kind, a, b } = assumption;
  recorder?.set(`${kind} ${a} ${b}`, assumption);
}

/** Runs `work` and tells what was assumed meanwhile. */
export function withAssumptions<T>(work: () => T): { value: T; assumed: readonly Assumption[] } {
  const outer = recorder;
  const own = new Map<string, Assumption>();
  recorder = own;
  try {
    return { value: work(), assumed: [...own.values()] };
  } finally {
    recorder = outer;
  }
}
