// Reads TensorFlow.js graph models.
export { type ImportedModel, type ImportOptions, importTfjs } from './import.ts';
export type { LoadShard } from './weights.ts';
