/** Products and attention against the scalar backend. */

import { testFamily } from './rows.ts';

await testFamily('products', 4);
