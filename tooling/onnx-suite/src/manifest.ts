/** What cannot be compared as everything else is. */

/** Ops whose results are random, with the reason; models that use one are compared by dtype and shape. */
export const randomOps: ReadonlyMap<string, string> = new Map(
  ['Bernoulli', 'Multinomial', 'RandomNormal', 'RandomNormalLike', 'RandomUniform', 'RandomUniformLike'].map((op) => [
    op,
    'ONNX leaves the generator to the implementation: the expected values are those of one run of numpy',
  ]),
);

/** Ops of whose results small ones may be further off than ONNX's runner lets them, with the reason. */
export const absoluteTolerance: ReadonlyMap<string, { readonly absolute: number; readonly reason: string }> = new Map([
  ['DFT', { absolute: 1e-6, reason: 'where terms cancel, numpy leaves the float32 roundings of the terms, not zero' }],
]);
