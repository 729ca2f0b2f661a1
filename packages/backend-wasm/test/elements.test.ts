/** Functions and all other ops against the scalar backend. */

import { testFamily } from './rows.ts';

await testFamily('elements', 2);
