/** Every op that Espalier knows, in one table. */

import { type OpTable, opTable } from '../schema.ts';
import { activations } from './activations.ts';
import { conv } from './conv.ts';
import { einsum } from './einsum.ts';
import { fused } from './fused.ts';
import { loss } from './loss.ts';
import { matmul } from './matmul.ts';
import { normalization } from './normalization.ts';
import { pool } from './pool.ts';
import { recurrents } from './recurrent.ts';
import { reductions } from './reduce.ts';
import { resample } from './resample.ts';
import { signal } from './signal.ts';

export const onnxOps: OpTable = /* @__PURE__ */ opTable(
  activations,
  matmul,
  conv,
  einsum,
  fused,
  loss,
  normalization,
  pool,
  recurrents,
  reductions,
  resample,
  signal,
);
