/** Conversions between number formats and widths. */
// biome-ignore format: names
import {
  B32, B64, EIGHTH, ER, evex, F2, F3, FULL32, FULL64, HALF, HALF32, X as LX, M1, M2, M3, NOMASK, NP, P66, QUARTER,
  SAE, vex, W0, W1, XY, XYZ,
} from '../encode/vector.ts';
import { AVX, AVX2, BW, DQ, F, F16C } from '../features.ts';
import { fromGpr, toGpr } from '../shapes/alternatives.ts';
import { H, V, X } from '../shapes/kinds.ts';
import { mr, mri } from '../shapes/mr.ts';
import { rm } from '../shapes/rm.ts';
import { rvm } from '../shapes/rvm.ts';

const VVV = [V, V, V] as const;
// biome-ignore format: columns
export const convert = {
  /** int32 to single. */
  vcvtdq2ps: rm([V, V], NP, M1, 0x5b, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, F, ER)),
  /** Single to int32, rounded as MXCSR says. */
  vcvtps2dq: rm([V, V], P66, M1, 0x5b, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, F, ER)),
  /** Single to int32, toward zero. */
  vcvttps2dq: rm([V, V], F3, M1, 0x5b, FULL32, vex(W0, XY, AVX), evex(W0, XYZ, F, SAE)),
  /** int32 to double. */
  vcvtdq2pd: rm([V, H], F3, M1, 0xe6, HALF32, vex(W0, XY, AVX), evex(W0, XYZ, F)),
  /** Double to int32, rounded as MXCSR says. An address says its size. */
  vcvtpd2dq: rm([H, V], F2, M1, 0xe6, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, F, ER)),
  /** Double to int32, toward zero. An address says its size. */
  vcvttpd2dq: rm([H, V], P66, M1, 0xe6, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, F, SAE)),
  /** Single to double. */
  vcvtps2pd: rm([V, H], NP, M1, 0x5a, HALF32, vex(W0, XY, AVX), evex(W0, XYZ, F, SAE)),
  /** Double to single. An address says its size. */
  vcvtpd2ps: rm([H, V], P66, M1, 0x5a, FULL64, vex(W0, XY, AVX), evex(W1, XYZ, F, ER)),
  /** Lowest single of b to double, the rest from a. */
  vcvtss2sd: rvm(VVV, F3, M1, 0x5a, B32, vex(W0, LX, AVX), evex(W0, LX, F, SAE)),
  /** Lowest double of b to single, the rest from a. */
  vcvtsd2ss: rvm(VVV, F2, M1, 0x5a, B64, vex(W0, LX, AVX), evex(W1, LX, F, ER)),
  /** Half precision to single. */
  vcvtph2ps: rm([V, H], P66, M2, 0x13, HALF, vex(W0, XY, F16C), evex(W0, XYZ, F, SAE)),
  /** Single to half precision: imm8 0 nearest even, 1 down, 2 up, 3 toward zero, 4 as MXCSR says. */
  vcvtps2ph: mri([H, V], P66, M3, 0x1d, HALF, vex(W0, XY, F16C), evex(W0, XYZ, F, SAE)),

  /** int32 or int64 to the lowest single, the rest from a. An address says its size. */
  vcvtsi2ss: fromGpr(F3, M1, 0x2a, [vex(W0, LX, AVX), evex(W0, LX, F, ER | NOMASK)]),
  /** int32 or int64 to the lowest double, the rest from a. An address says its size. */
  vcvtsi2sd: fromGpr(F2, M1, 0x2a, [vex(W0, LX, AVX), evex(W0, LX, F, NOMASK)], [vex(W0, LX, AVX), evex(W0, LX, F, ER | NOMASK)]),
  /** uint32 or uint64 to the lowest single, the rest from a. An address says its size. */
  vcvtusi2ss: fromGpr(F3, M1, 0x7b, [evex(W0, LX, F, ER | NOMASK)]),
  /** uint32 or uint64 to the lowest double, the rest from a. An address says its size. */
  vcvtusi2sd: fromGpr(F2, M1, 0x7b, [evex(W0, LX, F, NOMASK)], [evex(W0, LX, F, ER | NOMASK)]),
  /** Lowest single to an integer, rounded as MXCSR says. */
  vcvtss2si: toGpr(F3, M1, 0x2d, B32, vex(W0, LX, AVX), evex(W0, LX, F, ER | NOMASK)),
  /** Lowest single to an integer, toward zero. */
  vcvttss2si: toGpr(F3, M1, 0x2c, B32, vex(W0, LX, AVX), evex(W0, LX, F, SAE | NOMASK)),
  /** Lowest double to an integer, rounded as MXCSR says. */
  vcvtsd2si: toGpr(F2, M1, 0x2d, B64, vex(W0, LX, AVX), evex(W0, LX, F, ER | NOMASK)),
  /** Lowest double to an integer, toward zero. */
  vcvttsd2si: toGpr(F2, M1, 0x2c, B64, vex(W0, LX, AVX), evex(W0, LX, F, SAE | NOMASK)),
  /** Lowest single to an unsigned integer. */
  vcvtss2usi: toGpr(F3, M1, 0x79, B32, evex(W0, LX, F, ER | NOMASK)),
  /** Lowest single to an unsigned integer, toward zero. */
  vcvttss2usi: toGpr(F3, M1, 0x78, B32, evex(W0, LX, F, SAE | NOMASK)),
  /** Lowest double to an unsigned integer. */
  vcvtsd2usi: toGpr(F2, M1, 0x79, B64, evex(W0, LX, F, ER | NOMASK)),
  /** Lowest double to an unsigned integer, toward zero. */
  vcvttsd2usi: toGpr(F2, M1, 0x78, B64, evex(W0, LX, F, SAE | NOMASK)),

  /** uint32 to single. */
  vcvtudq2ps: rm([V, V], F2, M1, 0x7a, FULL32, evex(W0, XYZ, F, ER)),
  /** Single to uint32. */
  vcvtps2udq: rm([V, V], NP, M1, 0x79, FULL32, evex(W0, XYZ, F, ER)),
  /** Single to uint32, toward zero. */
  vcvttps2udq: rm([V, V], NP, M1, 0x78, FULL32, evex(W0, XYZ, F, SAE)),
  /** uint32 to double. */
  vcvtudq2pd: rm([V, H], F3, M1, 0x7a, HALF32, evex(W0, XYZ, F)),
  /** Double to uint32. An address says its size. */
  vcvtpd2udq: rm([H, V], NP, M1, 0x79, FULL64, evex(W1, XYZ, F, ER)),
  /** Double to uint32, toward zero. An address says its size. */
  vcvttpd2udq: rm([H, V], NP, M1, 0x78, FULL64, evex(W1, XYZ, F, SAE)),
  /** int64 to double. */
  vcvtqq2pd: rm([V, V], F3, M1, 0xe6, FULL64, evex(W1, XYZ, DQ, ER)),
  /** uint64 to double. */
  vcvtuqq2pd: rm([V, V], F3, M1, 0x7a, FULL64, evex(W1, XYZ, DQ, ER)),
  /** Double to int64. */
  vcvtpd2qq: rm([V, V], P66, M1, 0x7b, FULL64, evex(W1, XYZ, DQ, ER)),
  /** Double to int64, toward zero. */
  vcvttpd2qq: rm([V, V], P66, M1, 0x7a, FULL64, evex(W1, XYZ, DQ, SAE)),
  /** Double to uint64. */
  vcvtpd2uqq: rm([V, V], P66, M1, 0x79, FULL64, evex(W1, XYZ, DQ, ER)),
  /** Double to uint64, toward zero. */
  vcvttpd2uqq: rm([V, V], P66, M1, 0x78, FULL64, evex(W1, XYZ, DQ, SAE)),
  /** Single to int64. */
  vcvtps2qq: rm([V, H], P66, M1, 0x7b, HALF32, evex(W0, XYZ, DQ, ER)),
  /** Single to int64, toward zero. */
  vcvttps2qq: rm([V, H], P66, M1, 0x7a, HALF32, evex(W0, XYZ, DQ, SAE)),
  /** Single to uint64. */
  vcvtps2uqq: rm([V, H], P66, M1, 0x79, HALF32, evex(W0, XYZ, DQ, ER)),
  /** Single to uint64, toward zero. */
  vcvttps2uqq: rm([V, H], P66, M1, 0x78, HALF32, evex(W0, XYZ, DQ, SAE)),
  /** int64 to single. An address says its size. */
  vcvtqq2ps: rm([H, V], NP, M1, 0x5b, FULL64, evex(W1, XYZ, DQ, ER)),
  /** uint64 to single. An address says its size. */
  vcvtuqq2ps: rm([H, V], F2, M1, 0x7a, FULL64, evex(W1, XYZ, DQ, ER)),

  /** int8 to int16. */
  vpmovsxbw: rm([V, H], P66, M2, 0x20, HALF, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** uint8 to uint16. */
  vpmovzxbw: rm([V, H], P66, M2, 0x30, HALF, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, BW)),
  /** int8 to int32. */
  vpmovsxbd: rm([V, X], P66, M2, 0x21, QUARTER, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** uint8 to uint32. */
  vpmovzxbd: rm([V, X], P66, M2, 0x31, QUARTER, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** int8 to int64. */
  vpmovsxbq: rm([V, X], P66, M2, 0x22, EIGHTH, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** uint8 to uint64. */
  vpmovzxbq: rm([V, X], P66, M2, 0x32, EIGHTH, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** int16 to int32. */
  vpmovsxwd: rm([V, H], P66, M2, 0x23, HALF, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** uint16 to uint32. */
  vpmovzxwd: rm([V, H], P66, M2, 0x33, HALF, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** int16 to int64. */
  vpmovsxwq: rm([V, X], P66, M2, 0x24, QUARTER, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** uint16 to uint64. */
  vpmovzxwq: rm([V, X], P66, M2, 0x34, QUARTER, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** int32 to int64. */
  vpmovsxdq: rm([V, H], P66, M2, 0x25, HALF, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),
  /** uint32 to uint64. */
  vpmovzxdq: rm([V, H], P66, M2, 0x35, HALF, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F)),

  /** 16 to 8 bits: the low bits. */
  vpmovwb: mr([H, V], F3, M2, 0x30, HALF, evex(W0, XYZ, BW)),
  /** 16 to 8 bits: saturated, signed. */
  vpmovswb: mr([H, V], F3, M2, 0x20, HALF, evex(W0, XYZ, BW)),
  /** 16 to 8 bits: saturated, unsigned. */
  vpmovuswb: mr([H, V], F3, M2, 0x10, HALF, evex(W0, XYZ, BW)),
  /** 32 to 8 bits: the low bits. */
  vpmovdb: mr([X, V], F3, M2, 0x31, QUARTER, evex(W0, XYZ, F)),
  /** 32 to 8 bits: saturated, signed. */
  vpmovsdb: mr([X, V], F3, M2, 0x21, QUARTER, evex(W0, XYZ, F)),
  /** 32 to 8 bits: saturated, unsigned. */
  vpmovusdb: mr([X, V], F3, M2, 0x11, QUARTER, evex(W0, XYZ, F)),
  /** 64 to 8 bits: the low bits. */
  vpmovqb: mr([X, V], F3, M2, 0x32, EIGHTH, evex(W0, XYZ, F)),
  /** 64 to 8 bits: saturated, signed. */
  vpmovsqb: mr([X, V], F3, M2, 0x22, EIGHTH, evex(W0, XYZ, F)),
  /** 64 to 8 bits: saturated, unsigned. */
  vpmovusqb: mr([X, V], F3, M2, 0x12, EIGHTH, evex(W0, XYZ, F)),
  /** 32 to 16 bits: the low bits. */
  vpmovdw: mr([H, V], F3, M2, 0x33, HALF, evex(W0, XYZ, F)),
  /** 32 to 16 bits: saturated, signed. */
  vpmovsdw: mr([H, V], F3, M2, 0x23, HALF, evex(W0, XYZ, F)),
  /** 32 to 16 bits: saturated, unsigned. */
  vpmovusdw: mr([H, V], F3, M2, 0x13, HALF, evex(W0, XYZ, F)),
  /** 64 to 16 bits: the low bits. */
  vpmovqw: mr([X, V], F3, M2, 0x34, QUARTER, evex(W0, XYZ, F)),
  /** 64 to 16 bits: saturated, signed. */
  vpmovsqw: mr([X, V], F3, M2, 0x24, QUARTER, evex(W0, XYZ, F)),
  /** 64 to 16 bits: saturated, unsigned. */
  vpmovusqw: mr([X, V], F3, M2, 0x14, QUARTER, evex(W0, XYZ, F)),
  /** 64 to 32 bits: the low bits. */
  vpmovqd: mr([H, V], F3, M2, 0x35, HALF, evex(W0, XYZ, F)),
  /** 64 to 32 bits: saturated, signed. */
  vpmovsqd: mr([H, V], F3, M2, 0x25, HALF, evex(W0, XYZ, F)),
  /** 64 to 32 bits: saturated, unsigned. */
  vpmovusqd: mr([H, V], F3, M2, 0x15, HALF, evex(W0, XYZ, F)),
};
