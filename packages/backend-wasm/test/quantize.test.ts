/** Quantisation against the scalar backend. */

import { testRows } from './rows.ts';

await testRows(/QuantizeLinear$|^DequantizeLinear$/, 12);
