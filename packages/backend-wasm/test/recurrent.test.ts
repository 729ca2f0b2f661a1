/** Recurrent layers against the scalar backend. */

import { testFamily } from './rows.ts';

await testFamily('recurrent', 8);
