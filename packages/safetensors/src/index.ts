// Reads and writes safetensors files.
export { isSafetensors, type ReadOptions, readSafetensors, type Safetensors } from './read.ts';
export { writeSafetensors } from './write.ts';
