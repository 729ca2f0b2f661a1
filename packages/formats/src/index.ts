// How weights are stored, and what is in them.
export { type Bitmask, bitmask } from './bitmask.ts';
export { type BlockShape, gridOf, spans, visitBlocks } from './blocks.ts';
export { type Bsr, bsr, type Compressed, type Csr, csr } from './bsr.ts';
export { type Codebook, codebook } from './codebook.ts';
export type { Encoded, EncodeOptions } from './encoded.ts';
export { type Axes, axesOf, type Matrices, rowMajor, weightMatrices } from './matrices.ts';
export { type Nm, nm } from './nm.ts';
export { type BlockCount, type Statistics, type StatisticsOptions, statistics } from './statistics.ts';
export { type Weight, weightsOf } from './weights.ts';
