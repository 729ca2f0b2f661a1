/** Convolutions and pools against the scalar backend. */

import { testRows } from './rows.ts';

await testRows(/^(Conv|MaxPool|AveragePool)$/, 6);
