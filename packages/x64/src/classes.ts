/**
 * Registers are plain numbers, `class << 8 | number`: nothing is allocated, and an encoder can still tell `eax` from `xmm0`
 * and both from an immediate.
 */

export const R64 = 1;
export const R32 = 2;
export const R16 = 3;
export const R8 = 4;
/** In a register these are bits 8 and 10, which options keep free for a mask. */
export const MASK = 5;
export const TILE = 6;
export const XMM = 8;
export const YMM = 9;
export const ZMM = 10;

/** How many registers a class has, by its number. */
// biome-ignore format: a list
export const CLASS_SIZES: readonly number[] = [0, 16, 16, 16, 16, 8, 8, 0, 32, 32, 32];

/** What a class is called in messages and forms, by its number. */
// biome-ignore format: a list
export const CLASS_NAMES: readonly string[] = ['', 'r64', 'r32', 'r16', 'r8', 'k', 'tmm', '', 'xmm', 'ymm', 'zmm'];

/** Whether `code` is a register of this class, with a number that exists. */
export const isOf = (kind: number, code: number): boolean => code >> 8 === kind && (code & 0xff) < CLASS_SIZES[kind];

/** Whether `code` is a general register of any width. */
export const isGeneral = (code: number): boolean => code >> 8 >= R64 && code >> 8 <= R8 && (code & 0xf0) === 0;

// biome-ignore format: one bank a line
const GPR_NAMES = [
  ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'],
  ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'],
  ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'],
  ['al', 'cl', 'dl', 'bl', 'spl', 'bpl', 'sil', 'dil'],
];

/** The register's name as Intel writes it, or undefined when `code` is no register. */
export function registerName(code: number): string | undefined {
  const kind = code >> 8;
  const number = code & 0xff;
  if (!(number < CLASS_SIZES[kind])) return undefined;
  if (kind > R8) return CLASS_NAMES[kind] + number;
  return number < 8 ? GPR_NAMES[kind - R64][number] : `r${number}${['', 'd', 'w', 'b'][kind - R64]}`;
}
