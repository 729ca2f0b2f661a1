// Turns plans into sessions and runs them.
export type { NodeTiming } from './frame.ts';
export { createRuntime, type Runtime, type RuntimeOptions, type SessionOptions } from './runtime.ts';
export type { Fetches, Session, SessionRunOptions, ValueMetadata } from './session.ts';
