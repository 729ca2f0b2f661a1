/** Products of few rows, which wait for weights to come from memory: these are stored in as few bits as they have. */

import type { NativeKernel } from '../../kernel.ts';
import { activeColumns } from './active.ts';
import { fixedPoint } from './kernel.ts';

export const matmulFew: readonly NativeKernel[] = [...fixedPoint, activeColumns];
