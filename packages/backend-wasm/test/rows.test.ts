/** Softmax and layer normalisation against the scalar backend. */

import { testFamily } from './rows.ts';

await testFamily('rows', 4);
