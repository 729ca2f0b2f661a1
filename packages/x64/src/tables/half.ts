/** Arithmetic of half precision (AVX512-FP16). */
// biome-ignore format: names
import {
  B16, B32, ER, evex, F2, F3, FULL16, FULL32, FULL64, HALF16, X as LX, M3, M5, M6, NOMASK, NOZERO, NP, P66, QUARTER16,
  SAE, W0, W1, XYZ,
} from '../encode/vector.ts';
import { FP16 } from '../features.ts';
import { fromGpr, toGpr, toOrFrom } from '../shapes/alternatives.ts';
import { H, K, R32, V, X } from '../shapes/kinds.ts';
import { moveScalar } from '../shapes/move.ts';
import { mr } from '../shapes/mr.ts';
import { rm, rmi } from '../shapes/rm.ts';
import { rvm, rvmi } from '../shapes/rvm.ts';

const VVV = [V, V, V] as const;
const KVV = [K, V, V] as const;
// biome-ignore format: columns
export const half = {
  /** dst = a + b */
  vaddph: rvm(VVV, NP, M5, 0x58, FULL16, evex(W0, XYZ, FP16, ER)),
  /** dst = a + b, the lowest alone. */
  vaddsh: rvm(VVV, F3, M5, 0x58, B16, evex(W0, LX, FP16, ER)),
  /** dst = a - b */
  vsubph: rvm(VVV, NP, M5, 0x5c, FULL16, evex(W0, XYZ, FP16, ER)),
  /** dst = a - b, the lowest alone. */
  vsubsh: rvm(VVV, F3, M5, 0x5c, B16, evex(W0, LX, FP16, ER)),
  /** dst = a * b */
  vmulph: rvm(VVV, NP, M5, 0x59, FULL16, evex(W0, XYZ, FP16, ER)),
  /** dst = a * b, the lowest alone. */
  vmulsh: rvm(VVV, F3, M5, 0x59, B16, evex(W0, LX, FP16, ER)),
  /** dst = a / b */
  vdivph: rvm(VVV, NP, M5, 0x5e, FULL16, evex(W0, XYZ, FP16, ER)),
  /** dst = a / b, the lowest alone. */
  vdivsh: rvm(VVV, F3, M5, 0x5e, B16, evex(W0, LX, FP16, ER)),
  /** dst = a < b ? a : b */
  vminph: rvm(VVV, NP, M5, 0x5d, FULL16, evex(W0, XYZ, FP16, SAE)),
  /** dst = a < b ? a : b, the lowest alone. */
  vminsh: rvm(VVV, F3, M5, 0x5d, B16, evex(W0, LX, FP16, SAE)),
  /** dst = a > b ? a : b */
  vmaxph: rvm(VVV, NP, M5, 0x5f, FULL16, evex(W0, XYZ, FP16, SAE)),
  /** dst = a > b ? a : b, the lowest alone. */
  vmaxsh: rvm(VVV, F3, M5, 0x5f, B16, evex(W0, LX, FP16, SAE)),
  /** Square roots. */
  vsqrtph: rm([V, V], NP, M5, 0x51, FULL16, evex(W0, XYZ, FP16, ER)),
  /** Square root of the lowest of b, the rest from a. */
  vsqrtsh: rvm(VVV, F3, M5, 0x51, B16, evex(W0, LX, FP16, ER)),
  /** 1 / src, relative error below 2^-11. */
  vrcpph: rm([V, V], P66, M6, 0x4c, FULL16, evex(W0, XYZ, FP16)),
  /** The same for the lowest of b, the rest from a. */
  vrcpsh: rvm(VVV, P66, M6, 0x4d, B16, evex(W0, LX, FP16)),
  /** 1 / sqrt(src), relative error below 2^-11. */
  vrsqrtph: rm([V, V], P66, M6, 0x4e, FULL16, evex(W0, XYZ, FP16)),
  /** The same for the lowest of b, the rest from a. */
  vrsqrtsh: rvm(VVV, P66, M6, 0x4f, B16, evex(W0, LX, FP16)),

  /** dst = dst * b + a */
  vfmadd132ph: rvm(VVV, P66, M6, 0x98, FULL16, evex(W0, XYZ, FP16, ER)),
  /** dst = dst * b + a, the lowest alone */
  vfmadd132sh: rvm(VVV, P66, M6, 0x99, B16, evex(W0, LX, FP16, ER)),
  /** dst = a * dst + b */
  vfmadd213ph: rvm(VVV, P66, M6, 0xa8, FULL16, evex(W0, XYZ, FP16, ER)),
  /** dst = a * dst + b, the lowest alone */
  vfmadd213sh: rvm(VVV, P66, M6, 0xa9, B16, evex(W0, LX, FP16, ER)),
  /** dst = a * b + dst */
  vfmadd231ph: rvm(VVV, P66, M6, 0xb8, FULL16, evex(W0, XYZ, FP16, ER)),
  /** dst = a * b + dst, the lowest alone */
  vfmadd231sh: rvm(VVV, P66, M6, 0xb9, B16, evex(W0, LX, FP16, ER)),
  /** dst = dst * b - a */
  vfmsub132ph: rvm(VVV, P66, M6, 0x9a, FULL16, evex(W0, XYZ, FP16, ER)),
  /** dst = dst * b - a, the lowest alone */
  vfmsub132sh: rvm(VVV, P66, M6, 0x9b, B16, evex(W0, LX, FP16, ER)),
  /** dst = a * dst - b */
  vfmsub213ph: rvm(VVV, P66, M6, 0xaa, FULL16, evex(W0, XYZ, FP16, ER)),
  /** dst = a * dst - b, the lowest alone */
  vfmsub213sh: rvm(VVV, P66, M6, 0xab, B16, evex(W0, LX, FP16, ER)),
  /** dst = a * b - dst */
  vfmsub231ph: rvm(VVV, P66, M6, 0xba, FULL16, evex(W0, XYZ, FP16, ER)),
  /** dst = a * b - dst, the lowest alone */
  vfmsub231sh: rvm(VVV, P66, M6, 0xbb, B16, evex(W0, LX, FP16, ER)),
  /** dst = -(dst * b) + a */
  vfnmadd132ph: rvm(VVV, P66, M6, 0x9c, FULL16, evex(W0, XYZ, FP16, ER)),
  /** dst = -(dst * b) + a, the lowest alone */
  vfnmadd132sh: rvm(VVV, P66, M6, 0x9d, B16, evex(W0, LX, FP16, ER)),
  /** dst = -(a * dst) + b */
  vfnmadd213ph: rvm(VVV, P66, M6, 0xac, FULL16, evex(W0, XYZ, FP16, ER)),
  /** dst = -(a * dst) + b, the lowest alone */
  vfnmadd213sh: rvm(VVV, P66, M6, 0xad, B16, evex(W0, LX, FP16, ER)),
  /** dst = -(a * b) + dst */
  vfnmadd231ph: rvm(VVV, P66, M6, 0xbc, FULL16, evex(W0, XYZ, FP16, ER)),
  /** dst = -(a * b) + dst, the lowest alone */
  vfnmadd231sh: rvm(VVV, P66, M6, 0xbd, B16, evex(W0, LX, FP16, ER)),
  /** dst = -(dst * b) - a */
  vfnmsub132ph: rvm(VVV, P66, M6, 0x9e, FULL16, evex(W0, XYZ, FP16, ER)),
  /** dst = -(dst * b) - a, the lowest alone */
  vfnmsub132sh: rvm(VVV, P66, M6, 0x9f, B16, evex(W0, LX, FP16, ER)),
  /** dst = -(a * dst) - b */
  vfnmsub213ph: rvm(VVV, P66, M6, 0xae, FULL16, evex(W0, XYZ, FP16, ER)),
  /** dst = -(a * dst) - b, the lowest alone */
  vfnmsub213sh: rvm(VVV, P66, M6, 0xaf, B16, evex(W0, LX, FP16, ER)),
  /** dst = -(a * b) - dst */
  vfnmsub231ph: rvm(VVV, P66, M6, 0xbe, FULL16, evex(W0, XYZ, FP16, ER)),
  /** dst = -(a * b) - dst, the lowest alone */
  vfnmsub231sh: rvm(VVV, P66, M6, 0xbf, B16, evex(W0, LX, FP16, ER)),

  /** As vrndscaleps. */
  vrndscaleph: rmi([V, V], NP, M3, 0x08, FULL16, evex(W0, XYZ, FP16, SAE)),
  /** As vrndscaleps. The lowest of b, the rest from a. */
  vrndscalesh: rvmi(VVV, NP, M3, 0x0a, B16, evex(W0, LX, FP16, SAE)),
  /** As vreduceps. */
  vreduceph: rmi([V, V], NP, M3, 0x56, FULL16, evex(W0, XYZ, FP16, SAE)),
  /** As vreduceps. The lowest of b, the rest from a. */
  vreducesh: rvmi(VVV, NP, M3, 0x57, B16, evex(W0, LX, FP16, SAE)),
  /** As vgetexpps. */
  vgetexpph: rm([V, V], P66, M6, 0x42, FULL16, evex(W0, XYZ, FP16, SAE)),
  /** As vgetexpps. The lowest of b, the rest from a. */
  vgetexpsh: rvm(VVV, P66, M6, 0x43, B16, evex(W0, LX, FP16, SAE)),
  /** As vgetmantps. */
  vgetmantph: rmi([V, V], NP, M3, 0x26, FULL16, evex(W0, XYZ, FP16, SAE)),
  /** As vgetmantps. The lowest of b, the rest from a. */
  vgetmantsh: rvmi(VVV, NP, M3, 0x27, B16, evex(W0, LX, FP16, SAE)),
  /** dst = a * 2^floor(b) */
  vscalefph: rvm(VVV, P66, M6, 0x2c, FULL16, evex(W0, XYZ, FP16, ER)),
  /** dst = a * 2^floor(b) The lowest alone. */
  vscalefsh: rvm(VVV, P66, M6, 0x2d, B16, evex(W0, LX, FP16, ER)),
  /** Classes as in vfpclassps. */
  vfpclassph: rmi([K, V], NP, M3, 0x66, FULL16, evex(W0, XYZ, FP16, NOZERO)),
  /** Class of the lowest, as in vfpclassps. */
  vfpclasssh: rmi([K, V], NP, M3, 0x67, B16, evex(W0, LX, FP16, NOZERO)),
  /** Compares into a mask; imm8 as in vcmpps. */
  vcmpph: rvmi(KVV, NP, M3, 0xc2, FULL16, evex(W0, XYZ, FP16, SAE | NOZERO)),
  /** Compares the lowest into a mask; imm8 as in vcmpps. */
  vcmpsh: rvmi(KVV, F3, M3, 0xc2, B16, evex(W0, LX, FP16, SAE | NOZERO)),
  /** Compares the lowest into flags; quiet NaNs are no exception. */
  vucomish: rm([V, V], NP, M5, 0x2e, B16, evex(W0, LX, FP16, SAE | NOMASK)),
  /** Compares the lowest into flags; any NaN is an exception. */
  vcomish: rm([V, V], NP, M5, 0x2f, B16, evex(W0, LX, FP16, SAE | NOMASK)),
  /** One element: between registers with the rest from a, from memory with zeros, to memory. */
  vmovsh: moveScalar(0x11, F3, M5, 0x10, B16, evex(W0, LX, FP16)),
  /** 16 bits between a vector register and a general one or memory; the rest becomes zero. */
  vmovw: toOrFrom(rm([V, R32], P66, M5, 0x6e, B16, evex(W0, LX, FP16, NOMASK)), mr([R32, V], P66, M5, 0x7e, B16, evex(W0, LX, FP16, NOMASK))),

  /** Half to single. */
  vcvtph2psx: rm([V, H], P66, M6, 0x13, HALF16, evex(W0, XYZ, FP16, SAE)),
  /** Single to half. An address says its size. */
  vcvtps2phx: rm([H, V], P66, M5, 0x1d, FULL32, evex(W0, XYZ, FP16, ER)),
  /** Half to double. */
  vcvtph2pd: rm([V, X], NP, M5, 0x5a, QUARTER16, evex(W0, XYZ, FP16, SAE)),
  /** Double to half. An address says its size. */
  vcvtpd2ph: rm([X, V], P66, M5, 0x5a, FULL64, evex(W1, XYZ, FP16, ER)),
  /** Half to int32. */
  vcvtph2dq: rm([V, H], P66, M5, 0x5b, HALF16, evex(W0, XYZ, FP16, ER)),
  /** Half to int32, toward zero. */
  vcvttph2dq: rm([V, H], F3, M5, 0x5b, HALF16, evex(W0, XYZ, FP16, SAE)),
  /** Half to uint32. */
  vcvtph2udq: rm([V, H], NP, M5, 0x79, HALF16, evex(W0, XYZ, FP16, ER)),
  /** Half to uint32, toward zero. */
  vcvttph2udq: rm([V, H], NP, M5, 0x78, HALF16, evex(W0, XYZ, FP16, SAE)),
  /** int32 to half. An address says its size. */
  vcvtdq2ph: rm([H, V], NP, M5, 0x5b, FULL32, evex(W0, XYZ, FP16, ER)),
  /** uint32 to half. An address says its size. */
  vcvtudq2ph: rm([H, V], F2, M5, 0x7a, FULL32, evex(W0, XYZ, FP16, ER)),
  /** Half to int16. */
  vcvtph2w: rm([V, V], P66, M5, 0x7d, FULL16, evex(W0, XYZ, FP16, ER)),
  /** Half to int16, toward zero. */
  vcvttph2w: rm([V, V], P66, M5, 0x7c, FULL16, evex(W0, XYZ, FP16, SAE)),
  /** Half to uint16. */
  vcvtph2uw: rm([V, V], NP, M5, 0x7d, FULL16, evex(W0, XYZ, FP16, ER)),
  /** Half to uint16, toward zero. */
  vcvttph2uw: rm([V, V], NP, M5, 0x7c, FULL16, evex(W0, XYZ, FP16, SAE)),
  /** int16 to half. */
  vcvtw2ph: rm([V, V], F3, M5, 0x7d, FULL16, evex(W0, XYZ, FP16, ER)),
  /** uint16 to half. */
  vcvtuw2ph: rm([V, V], F2, M5, 0x7d, FULL16, evex(W0, XYZ, FP16, ER)),
  /** Lowest half of b to single, the rest from a. */
  vcvtsh2ss: rvm(VVV, NP, M6, 0x13, B16, evex(W0, LX, FP16, SAE)),
  /** Lowest single of b to half, the rest from a. */
  vcvtss2sh: rvm(VVV, NP, M5, 0x1d, B32, evex(W0, LX, FP16, ER)),
  /** int32 or int64 to the lowest half, the rest from a. An address says its size. */
  vcvtsi2sh: fromGpr(F3, M5, 0x2a, [evex(W0, LX, FP16, ER | NOMASK)]),
  /** Lowest half to an integer. */
  vcvtsh2si: toGpr(F3, M5, 0x2d, B16, evex(W0, LX, FP16, ER | NOMASK)),
  /** Lowest half to an integer, toward zero. */
  vcvttsh2si: toGpr(F3, M5, 0x2c, B16, evex(W0, LX, FP16, SAE | NOMASK)),
};
