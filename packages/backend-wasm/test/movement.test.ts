/** Ops that move elements against the scalar backend. */

import { testFamily } from './rows.ts';

await testFamily('movement', 3);
