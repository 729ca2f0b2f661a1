/** Recurrent layers against the scalar backend. */

import { testRows } from './rows.ts';

await testRows(/^(RNN|GRU|LSTM)$/, 8);
