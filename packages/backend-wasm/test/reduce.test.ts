/** Reductions against the scalar backend. */

import { testRows } from './rows.ts';

await testRows(/^(Reduce|Global)/, 4);
