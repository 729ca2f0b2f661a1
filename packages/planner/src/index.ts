// Chooses backend, kernel and weight format for every node, and says why.
export { type Choice, choose, type Decision } from './choose.ts';
export { type Explanation, explain, explainText } from './explain.ts';
export { type ArenaLayout, type Lifetime, layOut } from './layout.ts';
export * from './passes/index.ts';
export {
  type AbsentBackend,
  type Assignment,
  type Plan,
  type Planned,
  type PlannedNode,
  type PlanOptions,
  planGraph,
} from './plan.ts';
export type { Candidate, Refusal } from './price.ts';
export { calibrate, type DeviceProfile } from './profile.ts';
