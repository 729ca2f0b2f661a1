/** Products by sparse matrices of bytes against the scalar backend. */

import { testFamily } from './rows.ts';

await testFamily('sparseBytes', 3);
