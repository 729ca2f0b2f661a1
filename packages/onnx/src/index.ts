// Reads and writes ONNX models.
export {};
