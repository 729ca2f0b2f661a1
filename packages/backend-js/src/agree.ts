/** Sizes that are known to be equal only when they are numbers. */

import { EspalierError } from '@espalier/core';

/**
 * Reading past an operand must be impossible, also where a shape inferred from symbols promised more than the run keeps.
 * @throws EspalierError `SHAPE_MISMATCH`
 */
export function agree(a: number, b: number, what: string): void {
  if (a !== b) throw new EspalierError('SHAPE_MISMATCH', `${what}: ${a} is not ${b}`);
}
