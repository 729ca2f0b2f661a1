/** Every op that Espalier knows, in one table. */

import { type OpTable, opTable } from '../schema.ts';
import { activations } from './activations.ts';
import { matmul } from './matmul.ts';

export const onnxOps: OpTable = /* @__PURE__ */ opTable(activations, matmul);
