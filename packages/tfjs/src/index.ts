// Reads TensorFlow.js graph models.
export { type ImportOptions, importTfjs, type TfjsModel } from './import.ts';
export type { LoadShard } from './weights.ts';
