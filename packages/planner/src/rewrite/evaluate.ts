/** Computes nodes on constants. */

import { hasCode, type Node, type Tensor } from '@espalier/core';
import type { PassContext } from '../passes/pass.ts';

/**
 * What a node makes of constants; undefined where nothing evaluates, where the backend lacks the op, and where the node cannot
 * be computed: then the run says so, if it gets there.
 * @throws EspalierError `ABORTED`
 */
export async function tryEvaluate(
  { evaluate, signal }: PassContext,
  node: Node,
  inputs: readonly (Tensor | undefined)[],
): Promise<Tensor[] | undefined> {
  try {
    return await evaluate?.(node, inputs, signal);
  } catch (error) {
    if (error instanceof Error && 'code' in error && !hasCode(error, 'ABORTED')) return undefined;
    throw error;
  }
}
