/** What cannot be compared by value. */

/** Ops whose results are random, with the reason; models that use one are compared by dtype and shape. */
export const randomOps: ReadonlyMap<string, string> = new Map(
  ['Bernoulli', 'Multinomial', 'RandomNormal', 'RandomNormalLike', 'RandomUniform', 'RandomUniformLike'].map((op) => [
    op,
    'ONNX leaves the generator to the implementation: the expected values are those of one run of numpy',
  ]),
);
