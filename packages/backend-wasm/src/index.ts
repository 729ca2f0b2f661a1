// The WebAssembly engine: memory, modules and threads for kernels that emit WebAssembly with 128-bit SIMD.

export { createWasmBackend, createWasmBackendOf, type WasmBackend, type WasmOptions } from './backend.ts';
export { type Engine, type EngineOptions, startEngine } from './engine.ts';
export { features as wasmFeatures, type WasmFeature } from './features.ts';
export type { WasmKernel } from './kernel.ts';
export { matmul } from './kernels/matmul/index.ts';
export type { WasmBuffer } from './memory.ts';
export type { WasmCall, WasmOperand, WasmPhase, WasmProgram } from './program.ts';
