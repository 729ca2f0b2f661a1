// The native engine: memory, executable pages and threads for kernels that emit x86-64 machine code.

export { type Found, findAddon, prebuiltPackage } from './addon.ts';
export { createNativeBackend, type NativeBackend, type NativeOptions } from './backend.ts';
export { type LoadedCode, loadCode } from './code.ts';
export { features as nativeFeatures, type NativeFeature } from './cpu.ts';
export { type EngineOptions, type StartedEngine, startEngine } from './engine.ts';
export { type MappedFile, mapFile } from './files.ts';
export type { NativeKernel } from './kernel.ts';
export { type Engine, recordList } from './list.ts';
export { MAX_BUFFER_BYTES, Memory, type NativeBuffer } from './memory.ts';
export type { NativeCall, NativeOperand, NativePhase, NativeProgram } from './program.ts';
