/** Elements changing places: interleaving, permuting, blending, broadcasting, inserting, extracting, compressing. */
// biome-ignore format: names
import {
  B8, B16, B32, B64, B128, B256, DUP, evex, F2, F3, FULL, FULL32, FULL64, X as LX, Y as LY, Z as LZ, M1, M2, M3,
  NOMASK, NONE, NP, P66, PACKED8, PACKED16, PACKED32, PACKED64, vex, W0, W1, XY, XYZ, YZ,
} from '../encode/vector.ts';
import { AVX, AVX2, BW, DQ, F, VBMI, VBMI2 } from '../features.ts';
import { generalOrMemory, memoryOrRegister, registerOrGeneral } from '../shapes/alternatives.ts';
import { H, R32, R64, V, X } from '../shapes/kinds.ts';
import { mr, mri } from '../shapes/mr.ts';
import { load, rm, rmi } from '../shapes/rm.ts';
import { rvm, rvmi } from '../shapes/rvm.ts';
import { blend } from '../shapes/vex-only.ts';

const VVV = [V, V, V] as const;
// biome-ignore format: columns
export const shuffle = {
  /** Interleaves the low halves of a and b, in each 128 bits. */
  vunpcklps: rvm(VVV, NP, M1, 0x14, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, F)),
  /** Interleaves the low halves of a and b, in each 128 bits. */
  vunpcklpd: rvm(VVV, P66, M1, 0x14, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, F)),
  /** Interleaves the high halves of a and b, in each 128 bits. */
  vunpckhps: rvm(VVV, NP, M1, 0x15, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, F)),
  /** Interleaves the high halves of a and b, in each 128 bits. */
  vunpckhpd: rvm(VVV, P66, M1, 0x15, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, F)),
  /** Interleaves the low halves of a and b, in each 128 bits. */
  vpunpcklbw: rvm(VVV, P66, M1, 0x60, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Interleaves the low halves of a and b, in each 128 bits. */
  vpunpcklwd: rvm(VVV, P66, M1, 0x61, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Interleaves the low halves of a and b, in each 128 bits. */
  vpunpckldq: rvm(VVV, P66, M1, 0x62, FULL32, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** Interleaves the low halves of a and b, in each 128 bits. */
  vpunpcklqdq: rvm(VVV, P66, M1, 0x6c, FULL64, vex(W0, XY, AVX, AVX2), evex(W1, XYZ, F)),
  /** Interleaves the high halves of a and b, in each 128 bits. */
  vpunpckhbw: rvm(VVV, P66, M1, 0x68, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Interleaves the high halves of a and b, in each 128 bits. */
  vpunpckhwd: rvm(VVV, P66, M1, 0x69, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Interleaves the high halves of a and b, in each 128 bits. */
  vpunpckhdq: rvm(VVV, P66, M1, 0x6a, FULL32, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** Interleaves the high halves of a and b, in each 128 bits. */
  vpunpckhqdq: rvm(VVV, P66, M1, 0x6d, FULL64, vex(W0, XY, AVX, AVX2), evex(W1, XYZ, F)),
  /** int16 of a and b to int8, saturated, in each 128 bits. */
  vpacksswb: rvm(VVV, P66, M1, 0x63, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** int16 of a and b to uint8, saturated, in each 128 bits. */
  vpackuswb: rvm(VVV, P66, M1, 0x67, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** int32 of a and b to int16, saturated, in each 128 bits. */
  vpackssdw: rvm(VVV, P66, M1, 0x6b, FULL32, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** int32 of a and b to uint16, saturated, in each 128 bits. */
  vpackusdw: rvm(VVV, P66, M2, 0x2b, FULL32, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),

  /** Bytes of a by the indices in b, in each 128 bits; zero where bit 7 is set. */
  vpshufb: rvm(VVV, P66, M2, 0x00, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** 32-bit elements by imm8, two bits each, in each 128 bits. */
  vpshufd: rmi([V, V], P66, M1, 0x70, FULL32, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** The low four words by imm8, in each 128 bits. */
  vpshuflw: rmi([V, V], F2, M1, 0x70, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** The high four words by imm8, in each 128 bits. */
  vpshufhw: rmi([V, V], F3, M1, 0x70, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** Two singles of a, then two of b, by imm8, in each 128 bits. */
  vshufps: rvmi(VVV, NP, M1, 0xc6, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, F)),
  /** One double of a, then one of b, by imm8, in each 128 bits. */
  vshufpd: rvmi(VVV, P66, M1, 0xc6, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, F)),
  /** Bytes of a:b from number imm8 on, in each 128 bits. */
  vpalignr: rvmi(VVV, P66, M3, 0x0f, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** 32-bit elements of a:b from number imm8 on, over the whole. */
  valignd: rvmi(VVV, P66, M3, 0x03, FULL32, evex(W0, XYZ, F)),
  /** 64-bit elements of a:b from number imm8 on, over the whole. */
  valignq: rvmi(VVV, P66, M3, 0x03, FULL64, evex(W1, XYZ, F)),

  /** Singles of a by the indices in b, in each 128 bits. */
  vpermilps: rvm(VVV, P66, M2, 0x0c, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, F)),
  /** Doubles of a by bit 1 of each element of b, in each 128 bits. */
  vpermilpd: rvm(VVV, P66, M2, 0x0d, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, F)),
  /** Singles by imm8, two bits each, in each 128 bits. */
  vpermilpsi: rmi([V, V], P66, M3, 0x04, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, F)),
  /** Doubles by imm8, a bit each, in each 128 bits. */
  vpermilpdi: rmi([V, V], P66, M3, 0x05, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, F)),
  /** Elements of b by the indices in a, over the whole. */
  vpermd: rvm(VVV, P66, M2, 0x36, FULL32, vex(W0, LY, AVX2), evex(W0, YZ, F)),
  /** Elements of b by the indices in a, over the whole. */
  vpermps: rvm(VVV, P66, M2, 0x16, FULL32, vex(W0, LY, AVX2), evex(W0, YZ, F)),
  /** Elements of b by the indices in a, over the whole. */
  vpermq: rvm(VVV, P66, M2, 0x36, FULL64, evex(W1, YZ, F)),
  /** Elements of b by the indices in a, over the whole. */
  vpermpd: rvm(VVV, P66, M2, 0x16, FULL64, evex(W1, YZ, F)),
  /** Elements of b by the indices in a, over the whole. */
  vpermb: rvm(VVV, P66, M2, 0x8d, FULL, evex(W0, XYZ, VBMI)),
  /** Elements of b by the indices in a, over the whole. */
  vpermw: rvm(VVV, P66, M2, 0x8d, FULL, evex(W1, XYZ, BW)),
  /** 64-bit elements by imm8, two bits each, in each 256 bits. */
  vpermqi: rmi([V, V], P66, M3, 0x00, FULL64, vex(W1, LY, AVX2), evex(W1, YZ, F)),
  /** Doubles by imm8, two bits each, in each 256 bits. */
  vpermpdi: rmi([V, V], P66, M3, 0x01, FULL64, vex(W1, LY, AVX2), evex(W1, YZ, F)),
  /** Halves of a and b by imm8: bits 0-1 and 4-5 choose, 3 and 7 clear. */
  vperm2f128: rvmi(VVV, P66, M3, 0x06, FULL, vex(W0, LY, AVX)),
  /** Halves of a and b by imm8: bits 0-1 and 4-5 choose, 3 and 7 clear. */
  vperm2i128: rvmi(VVV, P66, M3, 0x46, FULL, vex(W0, LY, AVX2)),
  /** Elements of the table a:b by the indices in dst, which they replace. */
  vpermi2b: rvm(VVV, P66, M2, 0x75, FULL, evex(W0, XYZ, VBMI)),
  /** Elements of the table a:b by the indices in dst, which they replace. */
  vpermi2w: rvm(VVV, P66, M2, 0x75, FULL, evex(W1, XYZ, BW)),
  /** Elements of the table a:b by the indices in dst, which they replace. */
  vpermi2d: rvm(VVV, P66, M2, 0x76, FULL32, evex(W0, XYZ, F)),
  /** Elements of the table a:b by the indices in dst, which they replace. */
  vpermi2q: rvm(VVV, P66, M2, 0x76, FULL64, evex(W1, XYZ, F)),
  /** Elements of the table a:b by the indices in dst, which they replace. */
  vpermi2ps: rvm(VVV, P66, M2, 0x77, FULL32, evex(W0, XYZ, F)),
  /** Elements of the table a:b by the indices in dst, which they replace. */
  vpermi2pd: rvm(VVV, P66, M2, 0x77, FULL64, evex(W1, XYZ, F)),
  /** Elements of the table dst:b by the indices in a. */
  vpermt2b: rvm(VVV, P66, M2, 0x7d, FULL, evex(W0, XYZ, VBMI)),
  /** Elements of the table dst:b by the indices in a. */
  vpermt2w: rvm(VVV, P66, M2, 0x7d, FULL, evex(W1, XYZ, BW)),
  /** Elements of the table dst:b by the indices in a. */
  vpermt2d: rvm(VVV, P66, M2, 0x7e, FULL32, evex(W0, XYZ, F)),
  /** Elements of the table dst:b by the indices in a. */
  vpermt2q: rvm(VVV, P66, M2, 0x7e, FULL64, evex(W1, XYZ, F)),
  /** Elements of the table dst:b by the indices in a. */
  vpermt2ps: rvm(VVV, P66, M2, 0x7f, FULL32, evex(W0, XYZ, F)),
  /** Elements of the table dst:b by the indices in a. */
  vpermt2pd: rvm(VVV, P66, M2, 0x7f, FULL64, evex(W1, XYZ, F)),
  /** 128-bit parts: of a into the low half, of b into the high half, by imm8. */
  vshuff32x4: rvmi(VVV, P66, M3, 0x23, FULL32, evex(W0, YZ, F)),
  /** 128-bit parts: of a into the low half, of b into the high half, by imm8. */
  vshuff64x2: rvmi(VVV, P66, M3, 0x23, FULL64, evex(W1, YZ, F)),
  /** 128-bit parts: of a into the low half, of b into the high half, by imm8. */
  vshufi32x4: rvmi(VVV, P66, M3, 0x43, FULL32, evex(W0, YZ, F)),
  /** 128-bit parts: of a into the low half, of b into the high half, by imm8. */
  vshufi64x2: rvmi(VVV, P66, M3, 0x43, FULL64, evex(W1, YZ, F)),

  /** Of a, or of b where the bit of imm8 is set. */
  vblendps: rvmi(VVV, P66, M3, 0x0c, FULL, vex(W0, XY, AVX)),
  /** Of a, or of b where the bit of imm8 is set. */
  vblendpd: rvmi(VVV, P66, M3, 0x0d, FULL, vex(W0, XY, AVX)),
  /** Words of a, or of b where the bit of imm8 is set, in each 128 bits. */
  vpblendw: rvmi(VVV, P66, M3, 0x0e, FULL, vex(W0, XY, AVX, AVX2)),
  /** Of a, or of b where the bit of imm8 is set. */
  vpblendd: rvmi(VVV, P66, M3, 0x02, FULL, vex(W0, XY, AVX2)),
  /** Of a, or of b where the sign bit in mask is set. */
  vblendvps: blend(P66, M3, 0x4a, FULL, vex(W0, XY, AVX)),
  /** Of a, or of b where the sign bit in mask is set. */
  vblendvpd: blend(P66, M3, 0x4b, FULL, vex(W0, XY, AVX)),
  /** Of a, or of b where the sign bit in mask is set. */
  vpblendvb: blend(P66, M3, 0x4c, FULL, vex(W0, XY, AVX, AVX2)),
  /** Of a, or of b where the mask is set. */
  vblendmps: rvm(VVV, P66, M2, 0x65, FULL32, evex(W0, XYZ, F)),
  /** Of a, or of b where the mask is set. */
  vblendmpd: rvm(VVV, P66, M2, 0x65, FULL64, evex(W1, XYZ, F)),
  /** Of a, or of b where the mask is set. */
  vpblendmd: rvm(VVV, P66, M2, 0x64, FULL32, evex(W0, XYZ, F)),
  /** Of a, or of b where the mask is set. */
  vpblendmq: rvm(VVV, P66, M2, 0x64, FULL64, evex(W1, XYZ, F)),
  /** Of a, or of b where the mask is set. */
  vpblendmb: rvm(VVV, P66, M2, 0x66, FULL, evex(W0, XYZ, BW)),
  /** Of a, or of b where the mask is set. */
  vpblendmw: rvm(VVV, P66, M2, 0x66, FULL, evex(W1, XYZ, BW)),

  /** The lowest single into all. */
  vbroadcastss: memoryOrRegister(load(V, P66, M2, 0x18, B32, vex(W0, XY, AVX), evex(W0, XYZ, F)), rm([V, X], P66, M2, 0x18, NONE, vex(W0, XY, AVX2), evex(W0, XYZ, F))),
  /** The lowest double into all. */
  vbroadcastsd: memoryOrRegister(load(V, P66, M2, 0x19, B64, vex(W0, LY, AVX), evex(W1, YZ, F)), rm([V, X], P66, M2, 0x19, NONE, vex(W0, LY, AVX2), evex(W1, YZ, F))),
  /** 128 bits of memory into both halves. */
  vbroadcastf128: load(V, P66, M2, 0x1a, B128, vex(W0, LY, AVX)),
  /** 128 bits of memory into both halves. */
  vbroadcasti128: load(V, P66, M2, 0x5a, B128, vex(W0, LY, AVX2)),
  /** 32 bits, 2 of them, into all. */
  vbroadcastf32x2: rm([V, X], P66, M2, 0x19, B64, evex(W0, YZ, DQ)),
  /** 32 bits, 2 of them, into all. */
  vbroadcasti32x2: rm([V, X], P66, M2, 0x59, B64, evex(W0, XYZ, DQ)),
  /** 32 bits, 4 of them, into all, from memory. */
  vbroadcastf32x4: load(V, P66, M2, 0x1a, B128, evex(W0, YZ, F)),
  /** 32 bits, 4 of them, into all, from memory. */
  vbroadcasti32x4: load(V, P66, M2, 0x5a, B128, evex(W0, YZ, F)),
  /** 64 bits, 2 of them, into all, from memory. */
  vbroadcastf64x2: load(V, P66, M2, 0x1a, B128, evex(W1, YZ, DQ)),
  /** 64 bits, 2 of them, into all, from memory. */
  vbroadcasti64x2: load(V, P66, M2, 0x5a, B128, evex(W1, YZ, DQ)),
  /** 32 bits, 8 of them, into all, from memory. */
  vbroadcastf32x8: load(V, P66, M2, 0x1b, B256, evex(W0, LZ, DQ)),
  /** 32 bits, 8 of them, into all, from memory. */
  vbroadcasti32x8: load(V, P66, M2, 0x5b, B256, evex(W0, LZ, DQ)),
  /** 64 bits, 4 of them, into all, from memory. */
  vbroadcastf64x4: load(V, P66, M2, 0x1b, B256, evex(W1, LZ, F)),
  /** 64 bits, 4 of them, into all, from memory. */
  vbroadcasti64x4: load(V, P66, M2, 0x5b, B256, evex(W1, LZ, F)),
  /** The lowest element, or a general register, into all. */
  vpbroadcastb: registerOrGeneral(rm([V, X], P66, M2, 0x78, B8, vex(W0, XY, AVX2), evex(W0, XYZ, BW)), rm([V, R32], P66, M2, 0x7a, NONE, evex(W0, XYZ, BW))),
  /** The lowest element, or a general register, into all. */
  vpbroadcastw: registerOrGeneral(rm([V, X], P66, M2, 0x79, B16, vex(W0, XY, AVX2), evex(W0, XYZ, BW)), rm([V, R32], P66, M2, 0x7b, NONE, evex(W0, XYZ, BW))),
  /** The lowest element, or a general register, into all. */
  vpbroadcastd: registerOrGeneral(rm([V, X], P66, M2, 0x58, B32, vex(W0, XY, AVX2), evex(W0, XYZ, F)), rm([V, R32], P66, M2, 0x7c, NONE, evex(W0, XYZ, F))),
  /** The lowest element, or a general register, into all. */
  vpbroadcastq: registerOrGeneral(rm([V, X], P66, M2, 0x59, B64, vex(W0, XY, AVX2), evex(W1, XYZ, F)), rm([V, R64], P66, M2, 0x7c, NONE, evex(W1, XYZ, F))),

  /** a with part imm8 replaced by b. */
  vinsertf128: rvmi([V, V, X], P66, M3, 0x18, B128, vex(W0, LY, AVX)),
  /** a with part imm8 replaced by b. */
  vinserti128: rvmi([V, V, X], P66, M3, 0x38, B128, vex(W0, LY, AVX2)),
  /** a with part imm8 replaced by b. */
  vinsertf32x4: rvmi([V, V, X], P66, M3, 0x18, B128, evex(W0, YZ, F)),
  /** a with part imm8 replaced by b. */
  vinserti32x4: rvmi([V, V, X], P66, M3, 0x38, B128, evex(W0, YZ, F)),
  /** a with part imm8 replaced by b. */
  vinsertf64x2: rvmi([V, V, X], P66, M3, 0x18, B128, evex(W1, YZ, DQ)),
  /** a with part imm8 replaced by b. */
  vinserti64x2: rvmi([V, V, X], P66, M3, 0x38, B128, evex(W1, YZ, DQ)),
  /** a with part imm8 replaced by b. */
  vinsertf32x8: rvmi([V, V, H], P66, M3, 0x1a, B256, evex(W0, LZ, DQ)),
  /** a with part imm8 replaced by b. */
  vinserti32x8: rvmi([V, V, H], P66, M3, 0x3a, B256, evex(W0, LZ, DQ)),
  /** a with part imm8 replaced by b. */
  vinsertf64x4: rvmi([V, V, H], P66, M3, 0x1a, B256, evex(W1, LZ, F)),
  /** a with part imm8 replaced by b. */
  vinserti64x4: rvmi([V, V, H], P66, M3, 0x3a, B256, evex(W1, LZ, F)),
  /** Part imm8 of src. */
  vextractf128: mri([X, V], P66, M3, 0x19, B128, vex(W0, LY, AVX)),
  /** Part imm8 of src. */
  vextracti128: mri([X, V], P66, M3, 0x39, B128, vex(W0, LY, AVX2)),
  /** Part imm8 of src. */
  vextractf32x4: mri([X, V], P66, M3, 0x19, B128, evex(W0, YZ, F)),
  /** Part imm8 of src. */
  vextracti32x4: mri([X, V], P66, M3, 0x39, B128, evex(W0, YZ, F)),
  /** Part imm8 of src. */
  vextractf64x2: mri([X, V], P66, M3, 0x19, B128, evex(W1, YZ, DQ)),
  /** Part imm8 of src. */
  vextracti64x2: mri([X, V], P66, M3, 0x39, B128, evex(W1, YZ, DQ)),
  /** Part imm8 of src. */
  vextractf32x8: mri([H, V], P66, M3, 0x1b, B256, evex(W0, LZ, DQ)),
  /** Part imm8 of src. */
  vextracti32x8: mri([H, V], P66, M3, 0x3b, B256, evex(W0, LZ, DQ)),
  /** Part imm8 of src. */
  vextractf64x4: mri([H, V], P66, M3, 0x1b, B256, evex(W1, LZ, F)),
  /** Part imm8 of src. */
  vextracti64x4: mri([H, V], P66, M3, 0x3b, B256, evex(W1, LZ, F)),
  /** a with one single of b: imm8 bits 6-7 say which, 4-5 where, 0-3 what to clear. */
  vinsertps: rvmi([V, V, V], P66, M3, 0x21, B32, vex(W0, LX, AVX), evex(W0, LX, F, NOMASK)),
  /** Single imm8 into a general register or memory. */
  vextractps: mri([R32, V], P66, M3, 0x17, B32, vex(W0, LX, AVX), evex(W0, LX, F, NOMASK)),
  /** a with element imm8 replaced by b. */
  vpinsrb: rvmi([V, V, R32], P66, M3, 0x20, B8, vex(W0, LX, AVX), evex(W0, LX, BW, NOMASK)),
  /** a with element imm8 replaced by b. */
  vpinsrw: rvmi([V, V, R32], P66, M1, 0xc4, B16, vex(W0, LX, AVX), evex(W0, LX, BW, NOMASK)),
  /** a with element imm8 replaced by b. */
  vpinsrd: rvmi([V, V, R32], P66, M3, 0x22, B32, vex(W0, LX, AVX), evex(W0, LX, DQ, NOMASK)),
  /** a with element imm8 replaced by b. */
  vpinsrq: rvmi([V, V, R64], P66, M3, 0x22, B64, vex(W1, LX, AVX), evex(W1, LX, DQ, NOMASK)),
  /** Element imm8, zero-extended. */
  vpextrb: mri([R32, V], P66, M3, 0x14, B8, vex(W0, LX, AVX), evex(W0, LX, BW, NOMASK)),
  /** Element imm8, zero-extended. */
  vpextrw: generalOrMemory(rmi([R32, V], P66, M1, 0xc5, NONE, vex(W0, LX, AVX), evex(W0, LX, BW, NOMASK)), mri([R32, V], P66, M3, 0x15, B16, vex(W0, LX, AVX), evex(W0, LX, BW, NOMASK))),
  /** Element imm8. */
  vpextrd: mri([R32, V], P66, M3, 0x16, B32, vex(W0, LX, AVX), evex(W0, LX, DQ, NOMASK)),
  /** Element imm8. */
  vpextrq: mri([R64, V], P66, M3, 0x16, B64, vex(W1, LX, AVX), evex(W1, LX, DQ, NOMASK)),

  /** Doubles in even places, twice each. */
  vmovddup: rm([V, V], F2, M1, 0x12, DUP, vex(W0, XY, AVX), evex(W1, XYZ, F)),
  /** Singles in even places, twice each. */
  vmovsldup: rm([V, V], F3, M1, 0x12, FULL, vex(W0, XY, AVX), evex(W0, XYZ, F)),
  /** Singles in odd places, twice each. */
  vmovshdup: rm([V, V], F3, M1, 0x16, FULL, vex(W0, XY, AVX), evex(W0, XYZ, F)),
  /** Packs the elements whose mask is set to the front. */
  vcompressps: mr([V, V], P66, M2, 0x8a, PACKED32, evex(W0, XYZ, F)),
  /** Packs the elements whose mask is set to the front. */
  vcompresspd: mr([V, V], P66, M2, 0x8a, PACKED64, evex(W1, XYZ, F)),
  /** Spreads elements from the front to where the mask is set. */
  vexpandps: rm([V, V], P66, M2, 0x88, PACKED32, evex(W0, XYZ, F)),
  /** Spreads elements from the front to where the mask is set. */
  vexpandpd: rm([V, V], P66, M2, 0x88, PACKED64, evex(W1, XYZ, F)),
  /** Packs the elements whose mask is set to the front. */
  vpcompressb: mr([V, V], P66, M2, 0x63, PACKED8, evex(W0, XYZ, VBMI2)),
  /** Packs the elements whose mask is set to the front. */
  vpcompressw: mr([V, V], P66, M2, 0x63, PACKED16, evex(W1, XYZ, VBMI2)),
  /** Packs the elements whose mask is set to the front. */
  vpcompressd: mr([V, V], P66, M2, 0x8b, PACKED32, evex(W0, XYZ, F)),
  /** Packs the elements whose mask is set to the front. */
  vpcompressq: mr([V, V], P66, M2, 0x8b, PACKED64, evex(W1, XYZ, F)),
  /** Spreads elements from the front to where the mask is set. */
  vpexpandb: rm([V, V], P66, M2, 0x62, PACKED8, evex(W0, XYZ, VBMI2)),
  /** Spreads elements from the front to where the mask is set. */
  vpexpandw: rm([V, V], P66, M2, 0x62, PACKED16, evex(W1, XYZ, VBMI2)),
  /** Spreads elements from the front to where the mask is set. */
  vpexpandd: rm([V, V], P66, M2, 0x89, PACKED32, evex(W0, XYZ, F)),
  /** Spreads elements from the front to where the mask is set. */
  vpexpandq: rm([V, V], P66, M2, 0x89, PACKED64, evex(W1, XYZ, F)),
};
