/** Quantisation against the scalar backend. */

import { testFamily } from './rows.ts';

await testFamily('quantize', 8);
