// Reads and writes ONNX models.
export { isOnnx } from './detect.ts';
export { EXTERNAL_BYTES, type ExportOptions, exportOnnx } from './export.ts';
export type { ExternalData } from './external.ts';
export {
  type ImportOptions,
  importOnnx,
  inspectOnnx,
  type OnnxMetadata,
  type OnnxModel,
} from './import.ts';
export { importTensor, importValue } from './values.ts';
