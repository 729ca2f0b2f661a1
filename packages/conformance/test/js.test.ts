/** The scalar backend passes, on few calls; `suite/js.suite.ts` takes many. */

import { createJsBackend } from '@espalier/backend-js';
import { describe, it } from 'vitest';
import { testBackend } from '../src/index.ts';

testBackend(createJsBackend(), { it, describe, runs: 4 });
