/** Products by sparse constant matrices: a pruned weight costs nothing. */

import type { NativeKernel } from '../../kernel.ts';
import { stream } from './float32.ts';
import { blocks, quads } from './int8.ts';

export const matmulSparse: readonly NativeKernel[] = [stream, blocks, quads];
