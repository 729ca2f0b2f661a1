/** What every op is tried with. */

import { convCases } from './conv.ts';
import type { OpCases } from './define.ts';
import { elementwiseCases } from './elementwise.ts';
import { indexingCases } from './indexing.ts';
import { matmulCases } from './matmul.ts';
import { movementCases } from './movement.ts';
import { normalizationCases } from './normalization.ts';
import { poolCases } from './pool.ts';
import { randomCases } from './random.ts';
import { reduceCases } from './reduce.ts';
import { resampleCases } from './resample.ts';
import { sequenceCases } from './sequence.ts';

export const opCases: readonly OpCases[] = [
  ...elementwiseCases,
  ...matmulCases,
  ...convCases,
  ...poolCases,
  ...reduceCases,
  ...movementCases,
  ...indexingCases,
  ...normalizationCases,
  ...sequenceCases,
  ...resampleCases,
  ...randomCases,
];
