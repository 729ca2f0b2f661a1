// What calls come to, whatever the machine: matrices cut into units, walks over operands, moves of pieces.

export {
  type AttentionGeometry,
  type AttentionLayout,
  type AttentionSteps,
  attentionGeometry,
  type HeadSizes,
  headSizes,
} from './attention.ts';
export {
  type Convolution,
  convolutionOf,
  depthwiseOf,
  insideOf,
  poolOf,
  seenExtents,
  tapOffsets,
  type Windows,
  windowCounts,
  windowsOf,
} from './convolution.ts';
export { type Geometry, geometry, type Partition, partition, partitionWords } from './geometry.ts';
export {
  gatherNDRows,
  gatherRows,
  type IndexedRows,
  type IndexedWord,
  indexedWords,
  outOfRange,
  scatterNDRows,
} from './indexed.ts';
export { type LineWalk, lineWalk } from './lines.ts';
export { addressOf, bytesOf, columnsOf, movedBytes, sameSize, tensorBytes } from './operands.ts';
export { checkPlaneOperands, type PlaneEpilogue, type PlaneOperand, planeEpilogue } from './planes.ts';
export {
  agree,
  type BoundCall,
  type BoundOperand,
  copied,
  filled,
  type Piece,
  type Place,
  padded,
  type Rearrangement,
  rearrangements,
} from './rearrange.ts';
export {
  type Activation,
  type Recurrent,
  type RecurrentPass,
  recurrentLayers,
  recurrentOf,
  recurrentProduct,
  recurrentSizes,
  recurrentStrides,
} from './recurrent.ts';
export { directionFloats, inputWeights, packRecurrence, passFloats, stateFloats } from './recurrent-pack.ts';
export { foldedAxes, foldsNeighbours, type ReductionWalk, reductionWalk } from './reduction.ts';
export { levels, notSparse, remembered, rowsOfTheirOwn, shiftedZeros, tooDense } from './sparse.ts';
export { unitElements, unitRows } from './units.ts';
export { type SizeValues, sizeValues } from './values.ts';
export { type Axis, checkFits, mergeAxes, walk, walkArgs } from './walk.ts';
