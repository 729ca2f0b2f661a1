/** An assembler for the x86-64 instructions that numeric kernels need. */
export {
  type Address,
  at,
  byte,
  type Displacement,
  dword,
  type Label,
  qword,
  rip,
  word,
  xmmword,
  ymmword,
  zmmword,
} from './address.ts';
export { Assembler } from './assembler.ts';
export { AssemblerError, type AssemblerErrorCode } from './errors.ts';
export { FEATURES, type Feature } from './features.ts';
export { BROADCAST, type Options, RD_SAE, RN_SAE, RU_SAE, RZ_SAE, SAE, ZERO } from './options.ts';
export * from './registers.ts';
export { SHORT } from './shapes/jump.ts';
