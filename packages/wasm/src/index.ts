// Writes WebAssembly modules: one method per instruction.

export type { ValueType } from './bytes.ts';
export { type Func, FunctionBuilder, type Label, type Local } from './function.ts';
export { type Instruction, type Instructions, instructions, type Value } from './instructions.ts';
export { type MemoryType, ModuleBuilder } from './module.ts';
