/** The passes, and the order in which they run. */

import type { Graph } from '@espalier/core';
import { canonicalForms } from './canonical-forms.ts';
import { channelsLast } from './channels-last.ts';
import { commonSubexpressions } from './common-subexpressions.ts';
import { constantFolding, dequantizeConstants } from './constant-folding.ts';
import { deadCode } from './dead-code.ts';
import { foldBatchNormalization } from './fold-batch-normalization.ts';
import { fuseAttention } from './fuse-attention.ts';
import { fuseEpilogues } from './fuse-epilogues.ts';
import { fuseGelu } from './fuse-gelu.ts';
import { fuseLayerNormalization } from './fuse-layer-normalization.ts';
import { fuseQuantization } from './fuse-quantization.ts';
import { fuseSkipLayerNormalization } from './fuse-skip-layer-normalization.ts';
import { fuseSoftmax } from './fuse-softmax.ts';
import { inlineIf } from './inline-if.ts';
import type { Pass } from './pass.ts';
import { type PassReport, type RunPassesOptions, runStages } from './run.ts';
import { dataDependentShapes, shapeArithmetic } from './shape-arithmetic.ts';
import { sinkExpands } from './sink-expands.ts';
import { sinkViews } from './sink-views.ts';
import { widenHalves } from './widen-halves.ts';
import { writeNormalizations } from './write-normalizations.ts';
import { writeResizes } from './write-resizes.ts';
import { writeTransposedConvolutions } from './write-transposed-convolutions.ts';

export { decompose } from '../decompose.ts';
export type { Pass, PassContext } from './pass.ts';
export type { PassReport, RunPassesOptions } from './run.ts';

/** In stages; the passes of a stage run in turn until none of them changes anything. */
export const defaultPasses: readonly (readonly Pass[])[] = [
  [
    inlineIf,
    widenHalves,
    constantFolding,
    shapeArithmetic,
    // What computed shapes is gone before the others look at every node.
    deadCode,
    canonicalForms,
    sinkExpands,
    commonSubexpressions,
    deadCode,
  ],
  [
    foldBatchNormalization,
    fuseLayerNormalization,
    fuseGelu,
    fuseSoftmax,
    fuseAttention,
    fuseQuantization,
    constantFolding,
    canonicalForms,
    sinkExpands,
    commonSubexpressions,
    deadCode,
  ],
  [channelsLast, canonicalForms, commonSubexpressions, deadCode],
  [
    writeNormalizations,
    writeResizes,
    writeTransposedConvolutions,
    dequantizeConstants,
    sinkViews,
    constantFolding,
    canonicalForms,
    commonSubexpressions,
    deadCode,
  ],
  [fuseSkipLayerNormalization, fuseEpilogues, dataDependentShapes, deadCode],
];

/** Passes that pay, or not, for the graph as a whole, by which backends have kernels for what they write. */
export const optionalPasses: readonly string[] = [widenHalves.name, channelsLast.name];

/** What pays once a fused node was taken apart. */
export const afterUnfusing: readonly (readonly Pass[])[] = [
  [constantFolding, dequantizeConstants, commonSubexpressions, deadCode],
];

/**
 * Rewrites a graph, and the graphs nested in it, into one that computes the same with less.
 * @returns the graph and a report of every run that was due or that changed something
 * @throws TypeError when `disable` names no pass
 * @throws EspalierError as `inferGraph` for a malformed graph, and `ABORTED`
 */
export function runPasses(
  graph: Graph,
  options: Omit<RunPassesOptions, 'passes'> & Partial<Pick<RunPassesOptions, 'passes'>>,
): Promise<{ graph: Graph; report: PassReport[] }> {
  return runStages(graph, { passes: defaultPasses, ...options });
}
