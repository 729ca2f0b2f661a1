/** Instruction set extensions, so that emitted code can say what it needs of a processor. */

/** As `Assembler.features()` names them: what CPUID reports, in lower case. */
// biome-ignore format: one group a line
export const FEATURES = [
  'popcnt', 'lzcnt', 'bmi1', 'bmi2', 'prfchw', 'avx', 'avx2', 'fma', 'f16c', 'avxvnni', 'avxvnniint8',
  'avx512f', 'avx512vl', 'avx512bw', 'avx512dq', 'avx512cd', 'avx512vbmi', 'avx512vbmi2', 'avx512vnni', 'avx512bitalg',
  'avx512vpopcntdq', 'avx512bf16', 'avx512fp16', 'amx-tile', 'amx-int8', 'amx-bf16', 'amx-fp16',
] as const;

export type Feature = (typeof FEATURES)[number];

const bit = (name: Feature): number => 1 << FEATURES.indexOf(name);

/** Part of every x86-64. */
export const BASE = 0;
export const POPCNT = bit('popcnt');
export const LZCNT = bit('lzcnt');
export const BMI1 = bit('bmi1');
export const BMI2 = bit('bmi2');
export const PREFETCHW = bit('prfchw');
export const AVX = bit('avx');
export const AVX2 = bit('avx2');
export const FMA = bit('fma');
export const F16C = bit('f16c');
export const AVXVNNI = bit('avxvnni');
export const VNNIINT8 = bit('avxvnniint8');
export const F = bit('avx512f');
export const VL = bit('avx512vl');
export const BW = bit('avx512bw');
export const DQ = bit('avx512dq');
export const CD = bit('avx512cd');
export const VBMI = bit('avx512vbmi');
export const VBMI2 = bit('avx512vbmi2');
export const VNNI = bit('avx512vnni');
export const BITALG = bit('avx512bitalg');
export const VPOPCNT = bit('avx512vpopcntdq');
export const BF16 = bit('avx512bf16');
export const FP16 = bit('avx512fp16');
export const AMX_TILE = bit('amx-tile');
export const AMX_INT8 = bit('amx-int8');
export const AMX_BF16 = bit('amx-bf16');
export const AMX_FP16 = bit('amx-fp16');

/** The names of the bits in `set`. */
export const featureNames = (set: number): Feature[] => FEATURES.filter((_, i) => (set >> i) & 1);
