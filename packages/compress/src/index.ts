// Makes models smaller and faster.
export { type Pattern, type PatternName, parsePattern } from './pattern.ts';
export { type PruneOptions, prune } from './prune.ts';
