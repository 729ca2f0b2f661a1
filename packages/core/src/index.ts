export type { Assumption } from './assumptions.ts';
export * from './backend.ts';
export { ANY_SHAPE, formatType, isRanked, isSequence, kindOf, OPEN, shapeIn, type Value } from './container.ts';
export { type Binding, type Dim, dim } from './dim.ts';
export * from './dtype.ts';
export * from './errors.ts';
export { askKernel, callOf, createEvaluator, type Evaluate, runKernel } from './evaluate.ts';
export * from './format.ts';
export * from './graph.ts';
export * from './half.ts';
export * from './host.ts';
export {
  constantFacts,
  InferenceMemo,
  type Inferred,
  type InferredNode,
  type InferredSubgraph,
  inferGraph,
  inferNode,
  type Scope,
  type ValueFacts,
} from './infer.ts';
export { type EinsumLabels, einsumExtents, parseEinsum } from './ops/einsum.ts';
export { onnxOps, runtimeOps } from './ops/index.ts';
export { reducedAxes } from './ops/reduce.ts';
export { type ResizeAxis, resizeAxes, resizeGeometry } from './ops/resample.ts';
export { sliceRange } from './ops/slice.ts';
export { type SlidingWindow, slidingWindow, transposedWindow } from './ops/sliding.ts';
export * from './schema.ts';
export * from './shape.ts';
export { elements, Tensor, type TensorData, type TensorSource } from './tensor.ts';
