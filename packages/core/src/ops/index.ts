/** Every op that Espalier knows, in one table. */

import { type OpTable, opTable } from '../schema.ts';
import { activations } from './activations.ts';
import { binary } from './binary.ts';
import { cast } from './cast.ts';
import { controlFlow } from './control.ts';
import { conv } from './conv.ts';
import { einsum } from './einsum.ts';
import { fused } from './fused.ts';
import { gathers } from './gather.ts';
import { generators } from './generate.ts';
import { loss } from './loss.ts';
import { math } from './math.ts';
import { matmul } from './matmul.ts';
import { normalization } from './normalization.ts';
import { pool } from './pool.ts';
import { quantization } from './quantize.ts';
import { random } from './random.ts';
import { rearrange } from './rearrange.ts';
import { recurrents } from './recurrent.ts';
import { reductions } from './reduce.ts';
import { resample } from './resample.ts';
import { selections } from './select.ts';
import { sequences } from './sequence.ts';
import { shapes } from './shapes.ts';
import { signal } from './signal.ts';
import { strings } from './strings.ts';
import { tfIdf } from './tfidf.ts';

export const onnxOps: OpTable = /* @__PURE__ */ opTable(
  activations,
  math,
  binary,
  cast,
  quantization,
  random,
  strings,
  shapes,
  rearrange,
  gathers,
  generators,
  selections,
  tfIdf,
  controlFlow,
  sequences,
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

/** Ops of ONNX's own domain that the runtime does itself, on values in host memory: no backend has to know them. */
export const runtimeOps: ReadonlySet<string> = /* @__PURE__ */ (() =>
  new Set([...controlFlow, ...sequences].map(({ name }) => name)))();
