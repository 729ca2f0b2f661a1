/** Dot products of short integers and bfloat16 (VNNI, BF16). */
import { evex, F2, F3, FULL, FULL32, M2, NP, P66, vex, W0, XY, XYZ } from '../encode/vector.ts';
import { AVXVNNI, BF16, VNNI, VNNIINT8 } from '../features.ts';
import { H, V } from '../shapes/kinds.ts';
import { rm } from '../shapes/rm.ts';
import { rvm } from '../shapes/rvm.ts';

const VVV = [V, V, V] as const;
// biome-ignore format: columns
export const dotProduct = {
  /** dst += sums of four uint8 of a times int8 of b. */
  vpdpbusd: rvm(VVV, P66, M2, 0x50, FULL32, evex(W0, XYZ, VNNI)),
  /** The same in its VEX encoding (AVX-VNNI), for processors without AVX-512. */
  vpdpbusd_vex: rvm(VVV, P66, M2, 0x50, FULL, vex(W0, XY, AVXVNNI)),
  /** The same, saturated. */
  vpdpbusds: rvm(VVV, P66, M2, 0x51, FULL32, evex(W0, XYZ, VNNI)),
  /** The same in its VEX encoding (AVX-VNNI), for processors without AVX-512. */
  vpdpbusds_vex: rvm(VVV, P66, M2, 0x51, FULL, vex(W0, XY, AVXVNNI)),
  /** dst += sums of two int16 of a times int16 of b. */
  vpdpwssd: rvm(VVV, P66, M2, 0x52, FULL32, evex(W0, XYZ, VNNI)),
  /** The same in its VEX encoding (AVX-VNNI), for processors without AVX-512. */
  vpdpwssd_vex: rvm(VVV, P66, M2, 0x52, FULL, vex(W0, XY, AVXVNNI)),
  /** The same, saturated. */
  vpdpwssds: rvm(VVV, P66, M2, 0x53, FULL32, evex(W0, XYZ, VNNI)),
  /** The same in its VEX encoding (AVX-VNNI), for processors without AVX-512. */
  vpdpwssds_vex: rvm(VVV, P66, M2, 0x53, FULL, vex(W0, XY, AVXVNNI)),
  /** dst += sums of four int8 of a times int8 of b. */
  vpdpbssd: rvm(VVV, F2, M2, 0x50, FULL, vex(W0, XY, VNNIINT8)),
  /** The same, saturated. */
  vpdpbssds: rvm(VVV, F2, M2, 0x51, FULL, vex(W0, XY, VNNIINT8)),
  /** dst += sums of four int8 of a times uint8 of b. */
  vpdpbsud: rvm(VVV, F3, M2, 0x50, FULL, vex(W0, XY, VNNIINT8)),
  /** The same, saturated. */
  vpdpbsuds: rvm(VVV, F3, M2, 0x51, FULL, vex(W0, XY, VNNIINT8)),
  /** dst += sums of four uint8 of a times uint8 of b. */
  vpdpbuud: rvm(VVV, NP, M2, 0x50, FULL, vex(W0, XY, VNNIINT8)),
  /** The same, saturated. */
  vpdpbuuds: rvm(VVV, NP, M2, 0x51, FULL, vex(W0, XY, VNNIINT8)),
  /** dst += sums of two bfloat16 products, in single precision. */
  vdpbf16ps: rvm(VVV, F3, M2, 0x52, FULL32, evex(W0, XYZ, BF16)),
  /** Singles to bfloat16, nearest even: those of b, then those of a. */
  vcvtne2ps2bf16: rvm(VVV, F2, M2, 0x72, FULL32, evex(W0, XYZ, BF16)),
  /** Singles to bfloat16, nearest even. An address says its size. */
  vcvtneps2bf16: rm([H, V], F3, M2, 0x72, FULL32, evex(W0, XYZ, BF16)),
};
