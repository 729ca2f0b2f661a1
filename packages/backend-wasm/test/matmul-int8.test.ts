/** Products of bytes against the scalar backend. */

import { testFamily } from './rows.ts';

await testFamily('bytes', 5);
