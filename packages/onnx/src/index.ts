// Reads and writes ONNX models.
export { isOnnx } from './detect.ts';
export type { ExternalData } from './external.ts';
export { type ImportOptions, importOnnx, type OnnxMetadata, type OnnxModel } from './import.ts';
