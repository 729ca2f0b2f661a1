/** Reductions against the scalar backend. */

import { testFamily } from './rows.ts';

await testFamily('reduce', 4);
