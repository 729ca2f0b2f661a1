// Reads and writes ONNX models.
export { isOnnx } from './detect.ts';
export { EXTERNAL_BYTES, type ExportOptions, exportOnnx } from './export.ts';
export type { ExternalData } from './external.ts';
export {
  type ImportOptions,
  importOnnx,
  importTensor,
  inspectOnnx,
  type OnnxMetadata,
  type OnnxModel,
} from './import.ts';
