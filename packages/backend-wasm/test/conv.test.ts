/** Convolutions and pools against the scalar backend. */

import { testFamily } from './rows.ts';

await testFamily('conv', 2);
