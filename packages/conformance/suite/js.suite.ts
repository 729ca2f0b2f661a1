/** The scalar backend passes on many calls. */

import { createJsBackend } from '@espalier/backend-js';
import { describe, it } from 'vitest';
import { testBackend } from '../src/index.ts';

testBackend(createJsBackend(), { it, describe, runs: 40, seed: 2 });
