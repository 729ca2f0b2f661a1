/** Products by sparse matrices: zeros cost nothing. */

import { isas, type WasmKernel } from '../../kernel.ts';
import { float32 } from './float32.ts';
import { bytes } from './int8.ts';

export const matmulSparse: readonly WasmKernel[] = /* @__PURE__ */ isas.flatMap((isa) => [float32(isa), ...bytes(isa)]);
