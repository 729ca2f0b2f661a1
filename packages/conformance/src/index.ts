/** The suite that a backend passes: correctness, speed and support. */

export { type BenchOptions, type BenchRow, benchBackend } from './bench.ts';
export {
  attributes,
  broadcast,
  type Case,
  type CaseContext,
  type CaseInput,
  edge,
  extents,
  few,
  fixed,
  type OpCases,
  type Sizes,
  shapeInput,
  type TypeBinding,
} from './cases/define.ts';
export { opCases } from './cases/index.ts';
export { firstDifference } from './compare.ts';
export type { ConformanceTest } from './conformance-test.ts';
export { decode, encode } from './elements.ts';
export type { KnownFailure } from './manifest.ts';
export type { Replay } from './property.ts';
export {
  type ConformanceOptions,
  conformanceTests,
  type TestRunner,
  testBackend,
} from './suite.ts';
export { type SupportMatrix, type SupportRow, supportMatrix } from './support.ts';
export * as tolerance from './tolerance.ts';
export * as values from './values.ts';
