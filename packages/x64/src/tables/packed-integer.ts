/** Vectors of integers: arithmetic, comparison, bits and shifts. Names end in b, w, d, q: 8, 16, 32, 64 bits. */
// biome-ignore format: names
import {
  B128, evex, F3, FULL, FULL32, FULL64, M1, M2, M3, NOMASK, NOZERO, P66, vex, vexRegisters, W0, W1, XY, XYZ,
} from '../encode/vector.ts';
import { AVX, AVX2, BITALG, BW, CD, DQ, F, VBMI, VBMI2, VPOPCNT } from '../features.ts';
import { maskOrVector } from '../shapes/alternatives.ts';
import { K, V, X } from '../shapes/kinds.ts';
import { rm, vmi } from '../shapes/rm.ts';
import { rvm, rvmi } from '../shapes/rvm.ts';

const VVV = [V, V, V] as const;
const KVV = [K, V, V] as const;
// biome-ignore format: columns
export const packedInteger = {
  /** dst = a + b */
  vpaddb: rvm(VVV, P66, M1, 0xfc, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** dst = a + b */
  vpaddw: rvm(VVV, P66, M1, 0xfd, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** dst = a + b */
  vpaddd: rvm(VVV, P66, M1, 0xfe, FULL32, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** dst = a + b */
  vpaddq: rvm(VVV, P66, M1, 0xd4, FULL64, vex(W0, XY, AVX, AVX2), evex(W1, XYZ, F)),
  /** dst = a - b */
  vpsubb: rvm(VVV, P66, M1, 0xf8, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** dst = a - b */
  vpsubw: rvm(VVV, P66, M1, 0xf9, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** dst = a - b */
  vpsubd: rvm(VVV, P66, M1, 0xfa, FULL32, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** dst = a - b */
  vpsubq: rvm(VVV, P66, M1, 0xfb, FULL64, vex(W0, XY, AVX, AVX2), evex(W1, XYZ, F)),
  /** dst = a + b, saturated, signed. */
  vpaddsb: rvm(VVV, P66, M1, 0xec, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** dst = a + b, saturated, signed. */
  vpaddsw: rvm(VVV, P66, M1, 0xed, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** dst = a + b, saturated, unsigned. */
  vpaddusb: rvm(VVV, P66, M1, 0xdc, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** dst = a + b, saturated, unsigned. */
  vpaddusw: rvm(VVV, P66, M1, 0xdd, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** dst = a - b, saturated, signed. */
  vpsubsb: rvm(VVV, P66, M1, 0xe8, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** dst = a - b, saturated, signed. */
  vpsubsw: rvm(VVV, P66, M1, 0xe9, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** dst = a - b, saturated, unsigned. */
  vpsubusb: rvm(VVV, P66, M1, 0xd8, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** dst = a - b, saturated, unsigned. */
  vpsubusw: rvm(VVV, P66, M1, 0xd9, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** dst = a * b, the low 16 bits. */
  vpmullw: rvm(VVV, P66, M1, 0xd5, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** dst = a * b, the high 16 bits, signed. */
  vpmulhw: rvm(VVV, P66, M1, 0xe5, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** dst = a * b, the high 16 bits, unsigned. */
  vpmulhuw: rvm(VVV, P66, M1, 0xe4, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** dst = (a * b + 2^14) >> 15 */
  vpmulhrsw: rvm(VVV, P66, M2, 0x0b, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** dst = a * b, the low 32 bits. */
  vpmulld: rvm(VVV, P66, M2, 0x40, FULL32, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** dst = a * b, the low 64 bits. */
  vpmullq: rvm(VVV, P66, M2, 0x40, FULL64, evex(W1, XYZ, DQ)),
  /** uint32 in even places to uint64: dst = a * b */
  vpmuludq: rvm(VVV, P66, M1, 0xf4, FULL64, vex(W0, XY, AVX, AVX2), evex(W1, XYZ, F)),
  /** int32 in even places to int64: dst = a * b */
  vpmuldq: rvm(VVV, P66, M2, 0x28, FULL64, vex(W0, XY, AVX, AVX2), evex(W1, XYZ, F)),
  /** int16 to int32: sums of two neighbouring products. */
  vpmaddwd: rvm(VVV, P66, M1, 0xf5, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** uint8 of a times int8 of b to int16: saturated sums of two neighbouring products. */
  vpmaddubsw: rvm(VVV, P66, M2, 0x04, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Sums of absolute differences of 8 bytes, into 64 bits. */
  vpsadbw: rvm(VVV, P66, M1, 0xf6, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW, NOMASK)),
  /** dst = (a + b + 1) >> 1, unsigned. */
  vpavgb: rvm(VVV, P66, M1, 0xe0, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** dst = (a + b + 1) >> 1, unsigned. */
  vpavgw: rvm(VVV, P66, M1, 0xe3, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Eight sums of absolute differences of four bytes; imm8 says where. */
  vmpsadbw: rvmi(VVV, P66, M3, 0x42, FULL, vex(W0, XY, AVX, AVX2)),
  /** Sums of absolute differences of four bytes, those of b shuffled by imm8. */
  vdbpsadbw: rvmi(VVV, P66, M3, 0x42, FULL, evex(W0, XYZ, BW)),
  /** Adds neighbours. */
  vphaddw: rvm(VVV, P66, M2, 0x01, FULL, vex(W0, XY, AVX, AVX2)),
  /** Adds neighbours. */
  vphaddd: rvm(VVV, P66, M2, 0x02, FULL, vex(W0, XY, AVX, AVX2)),
  /** Adds neighbours, saturated. */
  vphaddsw: rvm(VVV, P66, M2, 0x03, FULL, vex(W0, XY, AVX, AVX2)),
  /** Subtracts neighbours. */
  vphsubw: rvm(VVV, P66, M2, 0x05, FULL, vex(W0, XY, AVX, AVX2)),
  /** Subtracts neighbours. */
  vphsubd: rvm(VVV, P66, M2, 0x06, FULL, vex(W0, XY, AVX, AVX2)),
  /** Subtracts neighbours, saturated. */
  vphsubsw: rvm(VVV, P66, M2, 0x07, FULL, vex(W0, XY, AVX, AVX2)),
  /** dst = a * sign(b) */
  vpsignb: rvm(VVV, P66, M2, 0x08, FULL, vex(W0, XY, AVX, AVX2)),
  /** dst = a * sign(b) */
  vpsignw: rvm(VVV, P66, M2, 0x09, FULL, vex(W0, XY, AVX, AVX2)),
  /** dst = a * sign(b) */
  vpsignd: rvm(VVV, P66, M2, 0x0a, FULL, vex(W0, XY, AVX, AVX2)),

  /** Minimum, unsigned. */
  vpminub: rvm(VVV, P66, M1, 0xda, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Minimum, unsigned. */
  vpminuw: rvm(VVV, P66, M2, 0x3a, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Minimum, unsigned. */
  vpminud: rvm(VVV, P66, M2, 0x3b, FULL32, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** Minimum, unsigned. */
  vpminuq: rvm(VVV, P66, M2, 0x3b, FULL64, evex(W1, XYZ, F)),
  /** Minimum, signed. */
  vpminsb: rvm(VVV, P66, M2, 0x38, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Minimum, signed. */
  vpminsw: rvm(VVV, P66, M1, 0xea, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Minimum, signed. */
  vpminsd: rvm(VVV, P66, M2, 0x39, FULL32, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** Minimum, signed. */
  vpminsq: rvm(VVV, P66, M2, 0x39, FULL64, evex(W1, XYZ, F)),
  /** Maximum, unsigned. */
  vpmaxub: rvm(VVV, P66, M1, 0xde, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Maximum, unsigned. */
  vpmaxuw: rvm(VVV, P66, M2, 0x3e, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Maximum, unsigned. */
  vpmaxud: rvm(VVV, P66, M2, 0x3f, FULL32, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** Maximum, unsigned. */
  vpmaxuq: rvm(VVV, P66, M2, 0x3f, FULL64, evex(W1, XYZ, F)),
  /** Maximum, signed. */
  vpmaxsb: rvm(VVV, P66, M2, 0x3c, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Maximum, signed. */
  vpmaxsw: rvm(VVV, P66, M1, 0xee, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Maximum, signed. */
  vpmaxsd: rvm(VVV, P66, M2, 0x3d, FULL32, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** Maximum, signed. */
  vpmaxsq: rvm(VVV, P66, M2, 0x3d, FULL64, evex(W1, XYZ, F)),
  /** Absolute value. */
  vpabsb: rm([V, V], P66, M2, 0x1c, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Absolute value. */
  vpabsw: rm([V, V], P66, M2, 0x1d, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Absolute value. */
  vpabsd: rm([V, V], P66, M2, 0x1e, FULL32, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** Absolute value. */
  vpabsq: rm([V, V], P66, M2, 0x1f, FULL64, evex(W1, XYZ, F)),

  /** dst = a & b */
  vpand: rvm(VVV, P66, M1, 0xdb, FULL, vex(W0, XY, AVX, AVX2)),
  /** dst = a & b, masked by 32 bits. */
  vpandd: rvm(VVV, P66, M1, 0xdb, FULL32, evex(W0, XYZ, F)),
  /** dst = a & b, masked by 64 bits. */
  vpandq: rvm(VVV, P66, M1, 0xdb, FULL64, evex(W1, XYZ, F)),
  /** dst = ~a & b */
  vpandn: rvm(VVV, P66, M1, 0xdf, FULL, vex(W0, XY, AVX, AVX2)),
  /** dst = ~a & b, masked by 32 bits. */
  vpandnd: rvm(VVV, P66, M1, 0xdf, FULL32, evex(W0, XYZ, F)),
  /** dst = ~a & b, masked by 64 bits. */
  vpandnq: rvm(VVV, P66, M1, 0xdf, FULL64, evex(W1, XYZ, F)),
  /** dst = a | b */
  vpor: rvm(VVV, P66, M1, 0xeb, FULL, vex(W0, XY, AVX, AVX2)),
  /** dst = a | b, masked by 32 bits. */
  vpord: rvm(VVV, P66, M1, 0xeb, FULL32, evex(W0, XYZ, F)),
  /** dst = a | b, masked by 64 bits. */
  vporq: rvm(VVV, P66, M1, 0xeb, FULL64, evex(W1, XYZ, F)),
  /** dst = a ^ b */
  vpxor: rvm(VVV, P66, M1, 0xef, FULL, vex(W0, XY, AVX, AVX2)),
  /** dst = a ^ b, masked by 32 bits. */
  vpxord: rvm(VVV, P66, M1, 0xef, FULL32, evex(W0, XYZ, F)),
  /** dst = a ^ b, masked by 64 bits. */
  vpxorq: rvm(VVV, P66, M1, 0xef, FULL64, evex(W1, XYZ, F)),
  /** Any function of three bits: bit 4 dst + 2 a + b of imm8. */
  vpternlogd: rvmi(VVV, P66, M3, 0x25, FULL32, evex(W0, XYZ, F)),
  /** Any function of three bits: bit 4 dst + 2 a + b of imm8. */
  vpternlogq: rvmi(VVV, P66, M3, 0x25, FULL64, evex(W1, XYZ, F)),

  /** Where equal: into a mask register, or into a vector of ones and zeros. */
  vpcmpeqb: maskOrVector(rvm(VVV, P66, M1, 0x74, FULL, vex(W0, XY, AVX, AVX2)), rvm(KVV, P66, M1, 0x74, FULL, evex(W0, XYZ, BW, NOZERO))),
  /** Where equal: into a mask register, or into a vector of ones and zeros. */
  vpcmpeqw: maskOrVector(rvm(VVV, P66, M1, 0x75, FULL, vex(W0, XY, AVX, AVX2)), rvm(KVV, P66, M1, 0x75, FULL, evex(W0, XYZ, BW, NOZERO))),
  /** Where equal: into a mask register, or into a vector of ones and zeros. */
  vpcmpeqd: maskOrVector(rvm(VVV, P66, M1, 0x76, FULL32, vex(W0, XY, AVX, AVX2)), rvm(KVV, P66, M1, 0x76, FULL32, evex(W0, XYZ, F, NOZERO))),
  /** Where equal: into a mask register, or into a vector of ones and zeros. */
  vpcmpeqq: maskOrVector(rvm(VVV, P66, M2, 0x29, FULL64, vex(W0, XY, AVX, AVX2)), rvm(KVV, P66, M2, 0x29, FULL64, evex(W1, XYZ, F, NOZERO))),
  /** Where greater, signed: into a mask register, or into a vector of ones and zeros. */
  vpcmpgtb: maskOrVector(rvm(VVV, P66, M1, 0x64, FULL, vex(W0, XY, AVX, AVX2)), rvm(KVV, P66, M1, 0x64, FULL, evex(W0, XYZ, BW, NOZERO))),
  /** Where greater, signed: into a mask register, or into a vector of ones and zeros. */
  vpcmpgtw: maskOrVector(rvm(VVV, P66, M1, 0x65, FULL, vex(W0, XY, AVX, AVX2)), rvm(KVV, P66, M1, 0x65, FULL, evex(W0, XYZ, BW, NOZERO))),
  /** Where greater, signed: into a mask register, or into a vector of ones and zeros. */
  vpcmpgtd: maskOrVector(rvm(VVV, P66, M1, 0x66, FULL32, vex(W0, XY, AVX, AVX2)), rvm(KVV, P66, M1, 0x66, FULL32, evex(W0, XYZ, F, NOZERO))),
  /** Where greater, signed: into a mask register, or into a vector of ones and zeros. */
  vpcmpgtq: maskOrVector(rvm(VVV, P66, M2, 0x37, FULL64, vex(W0, XY, AVX, AVX2)), rvm(KVV, P66, M2, 0x37, FULL64, evex(W1, XYZ, F, NOZERO))),
  /** Compares signed: imm8 0 equal, 1 less, 2 less or equal, 4 to 6 their opposites. */
  vpcmpb: rvmi(KVV, P66, M3, 0x3f, FULL, evex(W0, XYZ, BW, NOZERO)),
  /** Compares unsigned; imm8 as in vpcmpb. */
  vpcmpub: rvmi(KVV, P66, M3, 0x3e, FULL, evex(W0, XYZ, BW, NOZERO)),
  /** Compares signed: imm8 0 equal, 1 less, 2 less or equal, 4 to 6 their opposites. */
  vpcmpw: rvmi(KVV, P66, M3, 0x3f, FULL, evex(W1, XYZ, BW, NOZERO)),
  /** Compares unsigned; imm8 as in vpcmpb. */
  vpcmpuw: rvmi(KVV, P66, M3, 0x3e, FULL, evex(W1, XYZ, BW, NOZERO)),
  /** Compares signed: imm8 0 equal, 1 less, 2 less or equal, 4 to 6 their opposites. */
  vpcmpd: rvmi(KVV, P66, M3, 0x1f, FULL32, evex(W0, XYZ, F, NOZERO)),
  /** Compares unsigned; imm8 as in vpcmpb. */
  vpcmpud: rvmi(KVV, P66, M3, 0x1e, FULL32, evex(W0, XYZ, F, NOZERO)),
  /** Compares signed: imm8 0 equal, 1 less, 2 less or equal, 4 to 6 their opposites. */
  vpcmpq: rvmi(KVV, P66, M3, 0x1f, FULL64, evex(W1, XYZ, F, NOZERO)),
  /** Compares unsigned; imm8 as in vpcmpb. */
  vpcmpuq: rvmi(KVV, P66, M3, 0x1e, FULL64, evex(W1, XYZ, F, NOZERO)),
  /** Mask of where a & b is not 0. */
  vptestmb: rvm(KVV, P66, M2, 0x26, FULL, evex(W0, XYZ, BW, NOZERO)),
  /** Mask of where a & b is 0. */
  vptestnmb: rvm(KVV, F3, M2, 0x26, FULL, evex(W0, XYZ, BW, NOZERO)),
  /** Mask of where a & b is not 0. */
  vptestmw: rvm(KVV, P66, M2, 0x26, FULL, evex(W1, XYZ, BW, NOZERO)),
  /** Mask of where a & b is 0. */
  vptestnmw: rvm(KVV, F3, M2, 0x26, FULL, evex(W1, XYZ, BW, NOZERO)),
  /** Mask of where a & b is not 0. */
  vptestmd: rvm(KVV, P66, M2, 0x27, FULL32, evex(W0, XYZ, F, NOZERO)),
  /** Mask of where a & b is 0. */
  vptestnmd: rvm(KVV, F3, M2, 0x27, FULL32, evex(W0, XYZ, F, NOZERO)),
  /** Mask of where a & b is not 0. */
  vptestmq: rvm(KVV, P66, M2, 0x27, FULL64, evex(W1, XYZ, F, NOZERO)),
  /** Mask of where a & b is 0. */
  vptestnmq: rvm(KVV, F3, M2, 0x27, FULL64, evex(W1, XYZ, F, NOZERO)),
  /** Flags: zero if dst & src is 0, carry if ~dst & src is 0. */
  vptest: rm([V, V], P66, M2, 0x17, FULL, vex(W0, XY, AVX)),
  /** The same for the signs of singles. */
  vtestps: rm([V, V], P66, M2, 0x0e, FULL, vex(W0, XY, AVX)),
  /** The same for the signs of doubles. */
  vtestpd: rm([V, V], P66, M2, 0x0f, FULL, vex(W0, XY, AVX)),

  /** Shifts left, all by the lowest 64 bits of b. */
  vpsllw: rvm([V, V, X], P66, M1, 0xf1, B128, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Shifts left, all by the lowest 64 bits of b. */
  vpslld: rvm([V, V, X], P66, M1, 0xf2, B128, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** Shifts left, all by the lowest 64 bits of b. */
  vpsllq: rvm([V, V, X], P66, M1, 0xf3, B128, vex(W0, XY, AVX, AVX2), evex(W1, XYZ, F)),
  /** Shifts right, all by the lowest 64 bits of b. */
  vpsrlw: rvm([V, V, X], P66, M1, 0xd1, B128, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Shifts right, all by the lowest 64 bits of b. */
  vpsrld: rvm([V, V, X], P66, M1, 0xd2, B128, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** Shifts right, all by the lowest 64 bits of b. */
  vpsrlq: rvm([V, V, X], P66, M1, 0xd3, B128, vex(W0, XY, AVX, AVX2), evex(W1, XYZ, F)),
  /** Shifts right, keeping signs, all by the lowest 64 bits of b. */
  vpsraw: rvm([V, V, X], P66, M1, 0xe1, B128, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Shifts right, keeping signs, all by the lowest 64 bits of b. */
  vpsrad: rvm([V, V, X], P66, M1, 0xe2, B128, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** Shifts right, keeping signs, all by the lowest 64 bits of b. */
  vpsraq: rvm([V, V, X], P66, M1, 0xe2, B128, evex(W1, XYZ, F)),
  /** Shifts left by imm8. */
  vpsllwi: vmi([V, V], 6, P66, M1, 0x71, FULL, vexRegisters(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Shifts left by imm8. */
  vpslldi: vmi([V, V], 6, P66, M1, 0x72, FULL32, vexRegisters(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** Shifts left by imm8. */
  vpsllqi: vmi([V, V], 6, P66, M1, 0x73, FULL64, vexRegisters(W0, XY, AVX, AVX2), evex(W1, XYZ, F)),
  /** Shifts right by imm8. */
  vpsrlwi: vmi([V, V], 2, P66, M1, 0x71, FULL, vexRegisters(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Shifts right by imm8. */
  vpsrldi: vmi([V, V], 2, P66, M1, 0x72, FULL32, vexRegisters(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** Shifts right by imm8. */
  vpsrlqi: vmi([V, V], 2, P66, M1, 0x73, FULL64, vexRegisters(W0, XY, AVX, AVX2), evex(W1, XYZ, F)),
  /** Shifts right, keeping signs by imm8. */
  vpsrawi: vmi([V, V], 4, P66, M1, 0x71, FULL, vexRegisters(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Shifts right, keeping signs by imm8. */
  vpsradi: vmi([V, V], 4, P66, M1, 0x72, FULL32, vexRegisters(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** Shifts right, keeping signs by imm8. */
  vpsraqi: vmi([V, V], 4, P66, M1, 0x72, FULL64, evex(W1, XYZ, F)),
  /** Shifts each 128 bits left by imm8 bytes. */
  vpslldq: vmi([V, V], 7, P66, M1, 0x73, FULL, vexRegisters(W0, XY, AVX, AVX2), evex(W0, XYZ, BW, NOMASK)),
  /** Shifts each 128 bits right by imm8 bytes. */
  vpsrldq: vmi([V, V], 3, P66, M1, 0x73, FULL, vexRegisters(W0, XY, AVX, AVX2), evex(W0, XYZ, BW, NOMASK)),
  /** Rotates left by imm8. */
  vprold: vmi([V, V], 1, P66, M1, 0x72, FULL32, evex(W0, XYZ, F)),
  /** Rotates left by imm8. */
  vprolq: vmi([V, V], 1, P66, M1, 0x72, FULL64, evex(W1, XYZ, F)),
  /** Rotates right by imm8. */
  vprord: vmi([V, V], 0, P66, M1, 0x72, FULL32, evex(W0, XYZ, F)),
  /** Rotates right by imm8. */
  vprorq: vmi([V, V], 0, P66, M1, 0x72, FULL64, evex(W1, XYZ, F)),
  /** Shifts left, each by its element of b. */
  vpsllvw: rvm(VVV, P66, M2, 0x12, FULL, evex(W1, XYZ, BW)),
  /** Shifts left, each by its element of b. */
  vpsllvd: rvm(VVV, P66, M2, 0x47, FULL32, vex(W0, XY, AVX2), evex(W0, XYZ, F)),
  /** Shifts left, each by its element of b. */
  vpsllvq: rvm(VVV, P66, M2, 0x47, FULL64, vex(W1, XY, AVX2), evex(W1, XYZ, F)),
  /** Shifts right, each by its element of b. */
  vpsrlvw: rvm(VVV, P66, M2, 0x10, FULL, evex(W1, XYZ, BW)),
  /** Shifts right, each by its element of b. */
  vpsrlvd: rvm(VVV, P66, M2, 0x45, FULL32, vex(W0, XY, AVX2), evex(W0, XYZ, F)),
  /** Shifts right, each by its element of b. */
  vpsrlvq: rvm(VVV, P66, M2, 0x45, FULL64, vex(W1, XY, AVX2), evex(W1, XYZ, F)),
  /** Shifts right, keeping signs, each by its element of b. */
  vpsravw: rvm(VVV, P66, M2, 0x11, FULL, evex(W1, XYZ, BW)),
  /** Shifts right, keeping signs, each by its element of b. */
  vpsravd: rvm(VVV, P66, M2, 0x46, FULL32, vex(W0, XY, AVX2), evex(W0, XYZ, F)),
  /** Shifts right, keeping signs, each by its element of b. */
  vpsravq: rvm(VVV, P66, M2, 0x46, FULL64, evex(W1, XYZ, F)),
  /** Rotates left, each by its element of b. */
  vprolvd: rvm(VVV, P66, M2, 0x15, FULL32, evex(W0, XYZ, F)),
  /** Rotates left, each by its element of b. */
  vprolvq: rvm(VVV, P66, M2, 0x15, FULL64, evex(W1, XYZ, F)),
  /** Rotates right, each by its element of b. */
  vprorvd: rvm(VVV, P66, M2, 0x14, FULL32, evex(W0, XYZ, F)),
  /** Rotates right, each by its element of b. */
  vprorvq: rvm(VVV, P66, M2, 0x14, FULL64, evex(W1, XYZ, F)),
  /** Shifts pairs left: high bits of a:b, by imm8. */
  vpshldw: rvmi(VVV, P66, M3, 0x70, FULL, evex(W1, XYZ, VBMI2)),
  /** Shifts pairs left: high bits of a:b, by imm8. */
  vpshldd: rvmi(VVV, P66, M3, 0x71, FULL32, evex(W0, XYZ, VBMI2)),
  /** Shifts pairs left: high bits of a:b, by imm8. */
  vpshldq: rvmi(VVV, P66, M3, 0x71, FULL64, evex(W1, XYZ, VBMI2)),
  /** Shifts pairs right: low bits of b:a, by imm8. */
  vpshrdw: rvmi(VVV, P66, M3, 0x72, FULL, evex(W1, XYZ, VBMI2)),
  /** Shifts pairs right: low bits of b:a, by imm8. */
  vpshrdd: rvmi(VVV, P66, M3, 0x73, FULL32, evex(W0, XYZ, VBMI2)),
  /** Shifts pairs right: low bits of b:a, by imm8. */
  vpshrdq: rvmi(VVV, P66, M3, 0x73, FULL64, evex(W1, XYZ, VBMI2)),
  /** Shifts pairs left: high bits of dst:a, each by its element of b. */
  vpshldvw: rvm(VVV, P66, M2, 0x70, FULL, evex(W1, XYZ, VBMI2)),
  /** Shifts pairs left: high bits of dst:a, each by its element of b. */
  vpshldvd: rvm(VVV, P66, M2, 0x71, FULL32, evex(W0, XYZ, VBMI2)),
  /** Shifts pairs left: high bits of dst:a, each by its element of b. */
  vpshldvq: rvm(VVV, P66, M2, 0x71, FULL64, evex(W1, XYZ, VBMI2)),
  /** Shifts pairs right: low bits of a:dst, each by its element of b. */
  vpshrdvw: rvm(VVV, P66, M2, 0x72, FULL, evex(W1, XYZ, VBMI2)),
  /** Shifts pairs right: low bits of a:dst, each by its element of b. */
  vpshrdvd: rvm(VVV, P66, M2, 0x73, FULL32, evex(W0, XYZ, VBMI2)),
  /** Shifts pairs right: low bits of a:dst, each by its element of b. */
  vpshrdvq: rvm(VVV, P66, M2, 0x73, FULL64, evex(W1, XYZ, VBMI2)),
  /** Eight bytes from each 64 bits of b, from the bit that each byte of a says. */
  vpmultishiftqb: rvm(VVV, P66, M2, 0x83, FULL64, evex(W1, XYZ, VBMI)),

  /** Leading zeros. */
  vplzcntd: rm([V, V], P66, M2, 0x44, FULL32, evex(W0, XYZ, CD)),
  /** Leading zeros. */
  vplzcntq: rm([V, V], P66, M2, 0x44, FULL64, evex(W1, XYZ, CD)),
  /** For each element a bit for each earlier one that equals it. */
  vpconflictd: rm([V, V], P66, M2, 0xc4, FULL32, evex(W0, XYZ, CD)),
  /** For each element a bit for each earlier one that equals it. */
  vpconflictq: rm([V, V], P66, M2, 0xc4, FULL64, evex(W1, XYZ, CD)),
  /** Number of set bits. */
  vpopcntb: rm([V, V], P66, M2, 0x54, FULL, evex(W0, XYZ, BITALG)),
  /** Number of set bits. */
  vpopcntw: rm([V, V], P66, M2, 0x54, FULL, evex(W1, XYZ, BITALG)),
  /** Number of set bits. */
  vpopcntd: rm([V, V], P66, M2, 0x55, FULL32, evex(W0, XYZ, VPOPCNT)),
  /** Number of set bits. */
  vpopcntq: rm([V, V], P66, M2, 0x55, FULL64, evex(W1, XYZ, VPOPCNT)),
};
