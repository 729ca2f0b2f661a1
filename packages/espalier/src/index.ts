// What most people install: load a model, run it, ask why it runs as it does.
export { createJsBackend } from '@espalier/backend-js';
export { type PatternName, type PruneOptions, prune } from '@espalier/compress';
export {
  type AnyBackend,
  type DType,
  type ErrorCode,
  EspalierError,
  type Graph,
  Tensor,
  type TensorData,
  UnsupportedError,
  type Value,
  type ValueKind,
} from '@espalier/core';
export { calibrate, type DeviceProfile, type Explanation, type Plan, type PlannedNode } from '@espalier/planner';
export {
  createRuntime,
  type Fetches,
  type NodeTiming,
  type Runtime,
  type Session,
  type SessionRunOptions,
  type ValueMetadata,
} from '@espalier/runtime';
export { type BackendName, type BackendSettings, backendNames } from './backends.ts';
export { type LoadOptions, load, type Progress } from './load.ts';
export type { ModelSource } from './source.ts';
