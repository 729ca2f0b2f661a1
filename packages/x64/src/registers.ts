/**
 * The registers by name and by number. They are plain numbers: `zmm0 + i` and `zmm(i)` are the same register, but only the
 * second checks at once that it exists.
 */
import { CLASS_NAMES, CLASS_SIZES, MASK, R8, R16, R32, R64, TILE, XMM, YMM, ZMM } from './classes.ts';
import { AssemblerError } from './errors.ts';
import type { Flavor } from './flavor.ts';

/** A general register of any width: `rax`, `eax`, `ax`, `al`. */
export type Gpr = Flavor<'gpr'>;
/** A vector register: xmm (128 bits), ymm (256) or zmm (512), 0 to 31; 16 to 31 and zmm need AVX-512. */
export type Vector = Flavor<'vector'>;
/** A mask register k0 to k7. */
export type Mask = Flavor<'mask'>;
/** A tile register tmm0 to tmm7. */
export type Tile = Flavor<'tile'>;

const bank = <T extends number>(kind: number): T[] =>
  Array.from({ length: CLASS_SIZES[kind] }, (_, i) => ((kind << 8) | i) as T);

// biome-ignore format: one bank a line
export const [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15] = bank<Gpr>(R64);
// biome-ignore format: one bank a line
export const [eax, ecx, edx, ebx, esp, ebp, esi, edi, r8d, r9d, r10d, r11d, r12d, r13d, r14d, r15d] = bank<Gpr>(R32);
// biome-ignore format: one bank a line
export const [ax, cx, dx, bx, sp, bp, si, di, r8w, r9w, r10w, r11w, r12w, r13w, r14w, r15w] = bank<Gpr>(R16);
// biome-ignore format: one bank a line
export const [al, cl, dl, bl, spl, bpl, sil, dil, r8b, r9b, r10b, r11b, r12b, r13b, r14b, r15b] = bank<Gpr>(R8);
export const [k0, k1, k2, k3, k4, k5, k6, k7] = bank<Mask>(MASK);
export const [tmm0, tmm1, tmm2, tmm3, tmm4, tmm5, tmm6, tmm7] = bank<Tile>(TILE);
// biome-ignore format: one bank in four lines
export const [
  xmm0, xmm1, xmm2, xmm3, xmm4, xmm5, xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15,
  xmm16, xmm17, xmm18, xmm19, xmm20, xmm21, xmm22, xmm23, xmm24, xmm25, xmm26, xmm27, xmm28, xmm29, xmm30, xmm31,
] = bank<Vector>(XMM);
// biome-ignore format: one bank in four lines
export const [
  ymm0, ymm1, ymm2, ymm3, ymm4, ymm5, ymm6, ymm7, ymm8, ymm9, ymm10, ymm11, ymm12, ymm13, ymm14, ymm15,
  ymm16, ymm17, ymm18, ymm19, ymm20, ymm21, ymm22, ymm23, ymm24, ymm25, ymm26, ymm27, ymm28, ymm29, ymm30, ymm31,
] = bank<Vector>(YMM);
// biome-ignore format: one bank in four lines
export const [
  zmm0, zmm1, zmm2, zmm3, zmm4, zmm5, zmm6, zmm7, zmm8, zmm9, zmm10, zmm11, zmm12, zmm13, zmm14, zmm15,
  zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27, zmm28, zmm29, zmm30, zmm31,
] = bank<Vector>(ZMM);

function numbered(kind: number, number: number): number {
  const count = CLASS_SIZES[kind];
  if (number >>> 0 === number && number < count) return (kind << 8) | number;
  throw new AssemblerError(
    'BAD_OPERAND',
    `there is no register ${CLASS_NAMES[kind]}${number}: 0 to ${count - 1} exist`,
  );
}

/** Register xmm`number`, 0 to 31. @throws AssemblerError `BAD_OPERAND` */
export const xmm = (number: number): Vector => numbered(XMM, number);
/** Register ymm`number`, 0 to 31. @throws AssemblerError `BAD_OPERAND` */
export const ymm = (number: number): Vector => numbered(YMM, number);
/** Register zmm`number`, 0 to 31. @throws AssemblerError `BAD_OPERAND` */
export const zmm = (number: number): Vector => numbered(ZMM, number);
/** Mask register k`number`, 0 to 7. @throws AssemblerError `BAD_OPERAND` */
export const k = (number: number): Mask => numbered(MASK, number);
/** Tile register tmm`number`, 0 to 7. @throws AssemblerError `BAD_OPERAND` */
export const tmm = (number: number): Tile => numbered(TILE, number);
