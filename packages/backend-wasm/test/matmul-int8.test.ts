/** Products of bytes against the scalar backend. */

import { testRows } from './rows.ts';

await testRows(/^(QuantizedMatMul|MatMulInteger)$/, 10);
