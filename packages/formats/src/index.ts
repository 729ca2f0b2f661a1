// How weights are stored, and what is in them.
export { type BlockShape, gridOf, spans, visitBlocks } from './blocks.ts';
export { type Axes, axesOf, type Matrices, rowMajor, weightMatrices } from './matrices.ts';
export { type Weight, weightsOf } from './weights.ts';
