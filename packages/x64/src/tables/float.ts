/** Arithmetic, rounding and comparison of single and double precision. */
// biome-ignore format: names
import {
  B32, B64, ER, evex, F2, F3, FULL, FULL32, FULL64, X as LX, M1, M2, M3, NOMASK, NOZERO, NP, P66, SAE, vex, W0, W1,
  XY, XYZ,
} from '../encode/vector.ts';
import { AVX, DQ, F } from '../features.ts';
import { maskOrVector } from '../shapes/alternatives.ts';
import { K, V } from '../shapes/kinds.ts';
import { rm, rmi } from '../shapes/rm.ts';
import { rvm, rvmi } from '../shapes/rvm.ts';

const VVV = [V, V, V] as const;
const KVV = [K, V, V] as const;
// biome-ignore format: columns
export const float = {
  /** dst = a + b of single precision. */
  vaddps: rvm(VVV, NP, M1, 0x58, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, F, ER)),
  /** dst = a + b of double precision. */
  vaddpd: rvm(VVV, P66, M1, 0x58, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, F, ER)),
  /** dst = a + b, the lowest single alone. */
  vaddss: rvm(VVV, F3, M1, 0x58, B32, vex(W0, LX, AVX), evex(W0, LX, F, ER)),
  /** dst = a + b, the lowest double alone. */
  vaddsd: rvm(VVV, F2, M1, 0x58, B64, vex(W0, LX, AVX), evex(W1, LX, F, ER)),
  /** dst = a - b of single precision. */
  vsubps: rvm(VVV, NP, M1, 0x5c, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, F, ER)),
  /** dst = a - b of double precision. */
  vsubpd: rvm(VVV, P66, M1, 0x5c, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, F, ER)),
  /** dst = a - b, the lowest single alone. */
  vsubss: rvm(VVV, F3, M1, 0x5c, B32, vex(W0, LX, AVX), evex(W0, LX, F, ER)),
  /** dst = a - b, the lowest double alone. */
  vsubsd: rvm(VVV, F2, M1, 0x5c, B64, vex(W0, LX, AVX), evex(W1, LX, F, ER)),
  /** dst = a * b of single precision. */
  vmulps: rvm(VVV, NP, M1, 0x59, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, F, ER)),
  /** dst = a * b of double precision. */
  vmulpd: rvm(VVV, P66, M1, 0x59, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, F, ER)),
  /** dst = a * b, the lowest single alone. */
  vmulss: rvm(VVV, F3, M1, 0x59, B32, vex(W0, LX, AVX), evex(W0, LX, F, ER)),
  /** dst = a * b, the lowest double alone. */
  vmulsd: rvm(VVV, F2, M1, 0x59, B64, vex(W0, LX, AVX), evex(W1, LX, F, ER)),
  /** dst = a / b of single precision. */
  vdivps: rvm(VVV, NP, M1, 0x5e, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, F, ER)),
  /** dst = a / b of double precision. */
  vdivpd: rvm(VVV, P66, M1, 0x5e, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, F, ER)),
  /** dst = a / b, the lowest single alone. */
  vdivss: rvm(VVV, F3, M1, 0x5e, B32, vex(W0, LX, AVX), evex(W0, LX, F, ER)),
  /** dst = a / b, the lowest double alone. */
  vdivsd: rvm(VVV, F2, M1, 0x5e, B64, vex(W0, LX, AVX), evex(W1, LX, F, ER)),
  /** dst = a < b ? a : b of single precision. */
  vminps: rvm(VVV, NP, M1, 0x5d, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, F, SAE)),
  /** dst = a < b ? a : b of double precision. */
  vminpd: rvm(VVV, P66, M1, 0x5d, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, F, SAE)),
  /** dst = a < b ? a : b, the lowest single alone. */
  vminss: rvm(VVV, F3, M1, 0x5d, B32, vex(W0, LX, AVX), evex(W0, LX, F, SAE)),
  /** dst = a < b ? a : b, the lowest double alone. */
  vminsd: rvm(VVV, F2, M1, 0x5d, B64, vex(W0, LX, AVX), evex(W1, LX, F, SAE)),
  /** dst = a > b ? a : b of single precision. */
  vmaxps: rvm(VVV, NP, M1, 0x5f, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, F, SAE)),
  /** dst = a > b ? a : b of double precision. */
  vmaxpd: rvm(VVV, P66, M1, 0x5f, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, F, SAE)),
  /** dst = a > b ? a : b, the lowest single alone. */
  vmaxss: rvm(VVV, F3, M1, 0x5f, B32, vex(W0, LX, AVX), evex(W0, LX, F, SAE)),
  /** dst = a > b ? a : b, the lowest double alone. */
  vmaxsd: rvm(VVV, F2, M1, 0x5f, B64, vex(W0, LX, AVX), evex(W1, LX, F, SAE)),

  /** Square roots of single precision. */
  vsqrtps: rm([V, V], NP, M1, 0x51, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, F, ER)),
  /** Square roots of double precision. */
  vsqrtpd: rm([V, V], P66, M1, 0x51, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, F, ER)),
  /** Square root of the lowest single of b, the rest from a. */
  vsqrtss: rvm(VVV, F3, M1, 0x51, B32, vex(W0, LX, AVX), evex(W0, LX, F, ER)),
  /** Square root of the lowest double of b, the rest from a. */
  vsqrtsd: rvm(VVV, F2, M1, 0x51, B64, vex(W0, LX, AVX), evex(W1, LX, F, ER)),
  /** 1 / src to 12 bits (relative error 1.5 * 2^-12). */
  vrcpps: rm([V, V], NP, M1, 0x53, FULL, vex(W0, XY, AVX)),
  /** The same for the lowest single of b, the rest from a. */
  vrcpss: rvm(VVV, F3, M1, 0x53, B32, vex(W0, LX, AVX)),
  /** 1 / sqrt(src) to 12 bits (relative error 1.5 * 2^-12). */
  vrsqrtps: rm([V, V], NP, M1, 0x52, FULL, vex(W0, XY, AVX)),
  /** The same for the lowest single of b, the rest from a. */
  vrsqrtss: rvm(VVV, F3, M1, 0x52, B32, vex(W0, LX, AVX)),
  /** 1 / src to 14 bits (relative error below 2^-14). */
  vrcp14ps: rm([V, V], P66, M2, 0x4c, FULL32, evex(W0, XYZ, F)),
  /** 1 / src to 14 bits (relative error below 2^-14). */
  vrcp14pd: rm([V, V], P66, M2, 0x4c, FULL64, evex(W1, XYZ, F)),
  /** The same for the lowest single of b, the rest from a. */
  vrcp14ss: rvm(VVV, P66, M2, 0x4d, B32, evex(W0, LX, F)),
  /** The same for the lowest double of b, the rest from a. */
  vrcp14sd: rvm(VVV, P66, M2, 0x4d, B64, evex(W1, LX, F)),
  /** 1 / sqrt(src) to 14 bits (relative error below 2^-14). */
  vrsqrt14ps: rm([V, V], P66, M2, 0x4e, FULL32, evex(W0, XYZ, F)),
  /** 1 / sqrt(src) to 14 bits (relative error below 2^-14). */
  vrsqrt14pd: rm([V, V], P66, M2, 0x4e, FULL64, evex(W1, XYZ, F)),
  /** The same for the lowest single of b, the rest from a. */
  vrsqrt14ss: rvm(VVV, P66, M2, 0x4f, B32, evex(W0, LX, F)),
  /** The same for the lowest double of b, the rest from a. */
  vrsqrt14sd: rvm(VVV, P66, M2, 0x4f, B64, evex(W1, LX, F)),

  /** dst = a & b */
  vandps: rvm(VVV, NP, M1, 0x54, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, DQ)),
  /** dst = a & b */
  vandpd: rvm(VVV, P66, M1, 0x54, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, DQ)),
  /** dst = ~a & b */
  vandnps: rvm(VVV, NP, M1, 0x55, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, DQ)),
  /** dst = ~a & b */
  vandnpd: rvm(VVV, P66, M1, 0x55, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, DQ)),
  /** dst = a | b */
  vorps: rvm(VVV, NP, M1, 0x56, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, DQ)),
  /** dst = a | b */
  vorpd: rvm(VVV, P66, M1, 0x56, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, DQ)),
  /** dst = a ^ b */
  vxorps: rvm(VVV, NP, M1, 0x57, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, DQ)),
  /** dst = a ^ b */
  vxorpd: rvm(VVV, P66, M1, 0x57, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, DQ)),
  /** Adds neighbours, those of a then those of b, in each 128 bits. */
  vhaddps: rvm(VVV, F2, M1, 0x7c, FULL, vex(W0, XY, AVX)),
  /** Adds neighbours, that of a then that of b, in each 128 bits. */
  vhaddpd: rvm(VVV, P66, M1, 0x7c, FULL, vex(W0, XY, AVX)),
  /** Subtracts neighbours, those of a then those of b, in each 128 bits. */
  vhsubps: rvm(VVV, F2, M1, 0x7d, FULL, vex(W0, XY, AVX)),
  /** Subtracts neighbours, that of a then that of b, in each 128 bits. */
  vhsubpd: rvm(VVV, P66, M1, 0x7d, FULL, vex(W0, XY, AVX)),
  /** dst = a - b in even elements, a + b in odd ones. */
  vaddsubps: rvm(VVV, F2, M1, 0xd0, FULL, vex(W0, XY, AVX)),
  /** dst = a - b in even elements, a + b in odd ones. */
  vaddsubpd: rvm(VVV, P66, M1, 0xd0, FULL, vex(W0, XY, AVX)),
  /** Dot product in each 128 bits; imm8 selects what enters (bits 4-7) and where it goes (0-3). */
  vdpps: rvmi(VVV, P66, M3, 0x40, FULL, vex(W0, XY, AVX)),
  /** Dot product of two doubles; imm8 as in vdpps. */
  vdppd: rvmi(VVV, P66, M3, 0x41, FULL, vex(W0, LX, AVX)),

  /** Rounds to integers: imm8 0 nearest even, 1 down, 2 up, 3 toward zero, 4 as MXCSR says; + 8 silences inexact. */
  vroundps: rmi([V, V], P66, M3, 0x08, FULL, vex(W0, XY, AVX)),
  /** Rounds to integers; imm8 as in vroundps. */
  vroundpd: rmi([V, V], P66, M3, 0x09, FULL, vex(W0, XY, AVX)),
  /** Rounds the lowest single of b, the rest from a; imm8 as in vroundps. */
  vroundss: rvmi(VVV, P66, M3, 0x0a, B32, vex(W0, LX, AVX)),
  /** Rounds the lowest double of b, the rest from a; imm8 as in vroundps. */
  vroundsd: rvmi(VVV, P66, M3, 0x0b, B64, vex(W0, LX, AVX)),
  /** Rounds to multiples of 2^-(imm8 >> 4); the low bits of imm8 as in vroundps. */
  vrndscaleps: rmi([V, V], P66, M3, 0x08, FULL32, evex(W0, XYZ, F, SAE)),
  /** Rounds to multiples of 2^-(imm8 >> 4); the low bits of imm8 as in vroundps. */
  vrndscalepd: rmi([V, V], P66, M3, 0x09, FULL64, evex(W1, XYZ, F, SAE)),
  /** Rounds to multiples of 2^-(imm8 >> 4); the low bits of imm8 as in vroundps. The lowest of b, the rest from a. */
  vrndscaless: rvmi(VVV, P66, M3, 0x0a, B32, evex(W0, LX, F, SAE)),
  /** Rounds to multiples of 2^-(imm8 >> 4); the low bits of imm8 as in vroundps. The lowest of b, the rest from a. */
  vrndscalesd: rvmi(VVV, P66, M3, 0x0b, B64, evex(W1, LX, F, SAE)),
  /** src minus itself rounded as vrndscale does. */
  vreduceps: rmi([V, V], P66, M3, 0x56, FULL32, evex(W0, XYZ, DQ, SAE)),
  /** src minus itself rounded as vrndscale does. */
  vreducepd: rmi([V, V], P66, M3, 0x56, FULL64, evex(W1, XYZ, DQ, SAE)),
  /** src minus itself rounded as vrndscale does. The lowest of b, the rest from a. */
  vreducess: rvmi(VVV, P66, M3, 0x57, B32, evex(W0, LX, DQ, SAE)),
  /** src minus itself rounded as vrndscale does. The lowest of b, the rest from a. */
  vreducesd: rvmi(VVV, P66, M3, 0x57, B64, evex(W1, LX, DQ, SAE)),
  /** Minimum (imm8 0), maximum (1), or those of absolute values (2, 3), sign as imm8 bits 2-3 say. */
  vrangeps: rvmi(VVV, P66, M3, 0x50, FULL32, evex(W0, XYZ, DQ, SAE)),
  /** Minimum (imm8 0), maximum (1), or those of absolute values (2, 3), sign as imm8 bits 2-3 say. */
  vrangepd: rvmi(VVV, P66, M3, 0x50, FULL64, evex(W1, XYZ, DQ, SAE)),
  /** Minimum (imm8 0), maximum (1), or those of absolute values (2, 3), sign as imm8 bits 2-3 say. The lowest alone. */
  vrangess: rvmi(VVV, P66, M3, 0x51, B32, evex(W0, LX, DQ, SAE)),
  /** Minimum (imm8 0), maximum (1), or those of absolute values (2, 3), sign as imm8 bits 2-3 say. The lowest alone. */
  vrangesd: rvmi(VVV, P66, M3, 0x51, B64, evex(W1, LX, DQ, SAE)),
  /** Exponent as a floating-point number: floor(log2(abs(src))). */
  vgetexpps: rm([V, V], P66, M2, 0x42, FULL32, evex(W0, XYZ, F, SAE)),
  /** Exponent as a floating-point number: floor(log2(abs(src))). */
  vgetexppd: rm([V, V], P66, M2, 0x42, FULL64, evex(W1, XYZ, F, SAE)),
  /** Exponent as a floating-point number: floor(log2(abs(src))). The lowest of b, the rest from a. */
  vgetexpss: rvm(VVV, P66, M2, 0x43, B32, evex(W0, LX, F, SAE)),
  /** Exponent as a floating-point number: floor(log2(abs(src))). The lowest of b, the rest from a. */
  vgetexpsd: rvm(VVV, P66, M2, 0x43, B64, evex(W1, LX, F, SAE)),
  /** Mantissa, normalised as imm8 says: 0 into [1, 2), 1 [0.5, 2), 2 [0.5, 1), 3 [0.75, 1.5). */
  vgetmantps: rmi([V, V], P66, M3, 0x26, FULL32, evex(W0, XYZ, F, SAE)),
  /** Mantissa, normalised as imm8 says: 0 into [1, 2), 1 [0.5, 2), 2 [0.5, 1), 3 [0.75, 1.5). */
  vgetmantpd: rmi([V, V], P66, M3, 0x26, FULL64, evex(W1, XYZ, F, SAE)),
  /** Mantissa, normalised as imm8 says: 0 into [1, 2), 1 [0.5, 2), 2 [0.5, 1), 3 [0.75, 1.5). The lowest of b, the rest from a. */
  vgetmantss: rvmi(VVV, P66, M3, 0x27, B32, evex(W0, LX, F, SAE)),
  /** Mantissa, normalised as imm8 says: 0 into [1, 2), 1 [0.5, 2), 2 [0.5, 1), 3 [0.75, 1.5). The lowest of b, the rest from a. */
  vgetmantsd: rvmi(VVV, P66, M3, 0x27, B64, evex(W1, LX, F, SAE)),
  /** dst = a * 2^floor(b) */
  vscalefps: rvm(VVV, P66, M2, 0x2c, FULL32, evex(W0, XYZ, F, ER)),
  /** dst = a * 2^floor(b) */
  vscalefpd: rvm(VVV, P66, M2, 0x2c, FULL64, evex(W1, XYZ, F, ER)),
  /** dst = a * 2^floor(b) The lowest alone. */
  vscalefss: rvm(VVV, P66, M2, 0x2d, B32, evex(W0, LX, F, ER)),
  /** dst = a * 2^floor(b) The lowest alone. */
  vscalefsd: rvm(VVV, P66, M2, 0x2d, B64, evex(W1, LX, F, ER)),
  /** Replaces special values of a by the table in b. */
  vfixupimmps: rvmi(VVV, P66, M3, 0x54, FULL32, evex(W0, XYZ, F, SAE)),
  /** Replaces special values of a by the table in b. */
  vfixupimmpd: rvmi(VVV, P66, M3, 0x54, FULL64, evex(W1, XYZ, F, SAE)),
  /** Replaces special values of a by the table in b. The lowest alone. */
  vfixupimmss: rvmi(VVV, P66, M3, 0x55, B32, evex(W0, LX, F, SAE)),
  /** Replaces special values of a by the table in b. The lowest alone. */
  vfixupimmsd: rvmi(VVV, P66, M3, 0x55, B64, evex(W1, LX, F, SAE)),

  /** Mask of elements in the classes of imm8: 1 quiet NaN, 2 +0, 4 -0, 8 +inf, 16 -inf, 32 denormal, 64 negative, 128 signaling NaN. */
  vfpclassps: rmi([K, V], P66, M3, 0x66, FULL32, evex(W0, XYZ, DQ, NOZERO)),
  /** Classes as in vfpclassps. */
  vfpclasspd: rmi([K, V], P66, M3, 0x66, FULL64, evex(W1, XYZ, DQ, NOZERO)),
  /** Classes of the lowest element, as in vfpclassps. */
  vfpclassss: rmi([K, V], P66, M3, 0x67, B32, evex(W0, LX, DQ, NOZERO)),
  /** Classes of the lowest element, as in vfpclassps. */
  vfpclasssd: rmi([K, V], P66, M3, 0x67, B64, evex(W1, LX, DQ, NOZERO)),
  /** Compares into a mask register, or into a vector of ones and zeros: imm8 0 equal, 1 less, 2 less or equal, 3 unordered, 4 to 7 their opposites, more to 31. */
  vcmpps: maskOrVector(rvmi(VVV, NP, M1, 0xc2, FULL32, vex(W0, XY, AVX)), rvmi(KVV, NP, M1, 0xc2, FULL32, evex(W0, XYZ, F, SAE | NOZERO))),
  /** Compares into a mask register, or into a vector of ones and zeros: imm8 0 equal, 1 less, 2 less or equal, 3 unordered, 4 to 7 their opposites, more to 31. */
  vcmppd: maskOrVector(rvmi(VVV, P66, M1, 0xc2, FULL64, vex(W0, XY, AVX)), rvmi(KVV, P66, M1, 0xc2, FULL64, evex(W1, XYZ, F, SAE | NOZERO))),
  /** Compares into a mask register, or into a vector of ones and zeros: imm8 0 equal, 1 less, 2 less or equal, 3 unordered, 4 to 7 their opposites, more to 31. */
  vcmpss: maskOrVector(rvmi(VVV, F3, M1, 0xc2, B32, vex(W0, LX, AVX)), rvmi(KVV, F3, M1, 0xc2, B32, evex(W0, LX, F, SAE | NOZERO))),
  /** Compares into a mask register, or into a vector of ones and zeros: imm8 0 equal, 1 less, 2 less or equal, 3 unordered, 4 to 7 their opposites, more to 31. */
  vcmpsd: maskOrVector(rvmi(VVV, F2, M1, 0xc2, B64, vex(W0, LX, AVX)), rvmi(KVV, F2, M1, 0xc2, B64, evex(W1, LX, F, SAE | NOZERO))),
  /** Compares the lowest singles into flags; quiet NaNs are no exception. */
  vucomiss: rm([V, V], NP, M1, 0x2e, B32, vex(W0, LX, AVX), evex(W0, LX, F, SAE | NOMASK)),
  /** Compares the lowest doubles into flags; quiet NaNs are no exception. */
  vucomisd: rm([V, V], P66, M1, 0x2e, B64, vex(W0, LX, AVX), evex(W1, LX, F, SAE | NOMASK)),
  /** Compares the lowest singles into flags; any NaN is an exception. */
  vcomiss: rm([V, V], NP, M1, 0x2f, B32, vex(W0, LX, AVX), evex(W0, LX, F, SAE | NOMASK)),
  /** Compares the lowest doubles into flags; any NaN is an exception. */
  vcomisd: rm([V, V], P66, M1, 0x2f, B64, vex(W0, LX, AVX), evex(W1, LX, F, SAE | NOMASK)),
};
