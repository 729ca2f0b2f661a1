/** What the processor can do and the system allows, asked of both. Source: Intel SDM, CPUID and XGETBV. */

import { Assembler, at, eax, ecx, edx, rdi } from '@espalier/x64';
import type { Addon } from './addon.ts';

/** Names of features, as kernels require them. */
export const features = [
  'avx2',
  'fma',
  'f16c',
  'bmi2',
  'avx-vnni',
  'avx512',
  'avx512-vbmi',
  'avx512-vbmi2',
  'avx512-vnni',
  'avx512-bf16',
  'avx512-fp16',
  'amx-int8',
  'amx-bf16',
] as const;
export type NativeFeature = (typeof features)[number];

/** Extended state that the system saves for us: SSE and AVX, AVX-512, tiles. */
const AVX_STATE = 0x6;
const AVX512_STATE = 0xe6;
const TILE_STATE = 0x60000;

/** A kernel that writes XCR0 to its argument block; also the probe that emitted code runs at all. */
export function emitReadXcr0(): Uint8Array {
  const a = new Assembler();
  a.xor(ecx, ecx);
  a.xgetbv();
  a.mov(at(rdi), 0, eax);
  a.mov(at(rdi), 4, edx);
  a.ret();
  return a.finish().slice();
}

/** True when the processor lets user code read XCR0. */
export function hasXgetbv(addon: Addon): boolean {
  return bit(addon.cpuid(1, 0)?.[2] ?? 0, 27);
}

const bit = (word: number, index: number): boolean => ((word >>> index) & 1) === 1;

/** @param xcr0 the low word of XCR0 */
export function findFeatures(addon: Addon, xcr0: number): Set<NativeFeature> {
  const [, , ecx1 = 0] = addon.cpuid(1, 0) ?? [];
  const [, ebx7 = 0, ecx7 = 0, edx7 = 0] = addon.cpuid(7, 0) ?? [];
  const [eax71 = 0] = addon.cpuid(7, 1) ?? [];
  const has = (state: number, ...bits: readonly boolean[]): boolean => (xcr0 & state) === state && bits.every(Boolean);
  // F, DQ, BW and VL stand together: no processor that is worth a kernel has one without the others.
  const avx512 = has(AVX512_STATE, bit(ebx7, 16), bit(ebx7, 17), bit(ebx7, 30), bit(ebx7, 31));
  const tiles = has(TILE_STATE, bit(edx7, 24)) && (bit(edx7, 25) || bit(edx7, 22)) && addon.allowTiles() === 0;
  const found: Readonly<Record<NativeFeature, boolean>> = {
    avx2: has(AVX_STATE, bit(ecx1, 28), bit(ebx7, 5)),
    fma: has(AVX_STATE, bit(ecx1, 12)),
    f16c: has(AVX_STATE, bit(ecx1, 29)),
    bmi2: bit(ebx7, 8),
    'avx-vnni': has(AVX_STATE, bit(eax71, 4)),
    avx512,
    'avx512-vbmi': avx512 && bit(ecx7, 1),
    'avx512-vbmi2': avx512 && bit(ecx7, 6),
    'avx512-vnni': avx512 && bit(ecx7, 11),
    'avx512-bf16': avx512 && bit(eax71, 5),
    'avx512-fp16': avx512 && bit(edx7, 23),
    'amx-int8': tiles && bit(edx7, 25),
    'amx-bf16': tiles && bit(edx7, 22),
  };
  return new Set(features.filter((name) => found[name]));
}
