/** Arithmetic, comparisons, logic and casts against the scalar backend. */

import { testFamily } from './rows.ts';

await testFamily('arithmetic', 2);
