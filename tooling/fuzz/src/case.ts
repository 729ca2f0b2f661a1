/** A graph and what to run it on. */

import type { Graph } from '@espalier/core';

export interface Case {
  readonly graph: Graph;
  /** Sizes of symbols, one set after the other. */
  readonly bindings: readonly Readonly<Record<string, number>>[];
  /** Values of the data of inputs follow from it. */
  readonly seed: number;
  /** Of integer inputs: they lie below it, and not below minus it. */
  readonly limits: ReadonlyMap<string, number>;
}
