/** Fused multiply-add: one rounding. The digits say which operands are multiplied. */
import { B32, B64, ER, evex, FULL32, FULL64, X as LX, M2, P66, vex, W0, W1, XY, XYZ } from '../encode/vector.ts';
import { F, FMA } from '../features.ts';
import { V } from '../shapes/kinds.ts';
import { rvm } from '../shapes/rvm.ts';

const VVV = [V, V, V] as const;
// biome-ignore format: columns
export const fma = {
  /** dst = dst * b + a */
  vfmadd132ps: rvm(VVV, P66, M2, 0x98, FULL32, vex(W0, XY, FMA), evex(W0, XYZ, F, ER)),
  /** dst = dst * b + a */
  vfmadd132pd: rvm(VVV, P66, M2, 0x98, FULL64, vex(W1, XY, FMA), evex(W1, XYZ, F, ER)),
  /** dst = dst * b + a, the lowest alone */
  vfmadd132ss: rvm(VVV, P66, M2, 0x99, B32, vex(W0, LX, FMA), evex(W0, LX, F, ER)),
  /** dst = dst * b + a, the lowest alone */
  vfmadd132sd: rvm(VVV, P66, M2, 0x99, B64, vex(W1, LX, FMA), evex(W1, LX, F, ER)),
  /** dst = a * dst + b */
  vfmadd213ps: rvm(VVV, P66, M2, 0xa8, FULL32, vex(W0, XY, FMA), evex(W0, XYZ, F, ER)),
  /** dst = a * dst + b */
  vfmadd213pd: rvm(VVV, P66, M2, 0xa8, FULL64, vex(W1, XY, FMA), evex(W1, XYZ, F, ER)),
  /** dst = a * dst + b, the lowest alone */
  vfmadd213ss: rvm(VVV, P66, M2, 0xa9, B32, vex(W0, LX, FMA), evex(W0, LX, F, ER)),
  /** dst = a * dst + b, the lowest alone */
  vfmadd213sd: rvm(VVV, P66, M2, 0xa9, B64, vex(W1, LX, FMA), evex(W1, LX, F, ER)),
  /** dst = a * b + dst */
  vfmadd231ps: rvm(VVV, P66, M2, 0xb8, FULL32, vex(W0, XY, FMA), evex(W0, XYZ, F, ER)),
  /** dst = a * b + dst */
  vfmadd231pd: rvm(VVV, P66, M2, 0xb8, FULL64, vex(W1, XY, FMA), evex(W1, XYZ, F, ER)),
  /** dst = a * b + dst, the lowest alone */
  vfmadd231ss: rvm(VVV, P66, M2, 0xb9, B32, vex(W0, LX, FMA), evex(W0, LX, F, ER)),
  /** dst = a * b + dst, the lowest alone */
  vfmadd231sd: rvm(VVV, P66, M2, 0xb9, B64, vex(W1, LX, FMA), evex(W1, LX, F, ER)),

  /** dst = dst * b - a */
  vfmsub132ps: rvm(VVV, P66, M2, 0x9a, FULL32, vex(W0, XY, FMA), evex(W0, XYZ, F, ER)),
  /** dst = dst * b - a */
  vfmsub132pd: rvm(VVV, P66, M2, 0x9a, FULL64, vex(W1, XY, FMA), evex(W1, XYZ, F, ER)),
  /** dst = dst * b - a, the lowest alone */
  vfmsub132ss: rvm(VVV, P66, M2, 0x9b, B32, vex(W0, LX, FMA), evex(W0, LX, F, ER)),
  /** dst = dst * b - a, the lowest alone */
  vfmsub132sd: rvm(VVV, P66, M2, 0x9b, B64, vex(W1, LX, FMA), evex(W1, LX, F, ER)),
  /** dst = a * dst - b */
  vfmsub213ps: rvm(VVV, P66, M2, 0xaa, FULL32, vex(W0, XY, FMA), evex(W0, XYZ, F, ER)),
  /** dst = a * dst - b */
  vfmsub213pd: rvm(VVV, P66, M2, 0xaa, FULL64, vex(W1, XY, FMA), evex(W1, XYZ, F, ER)),
  /** dst = a * dst - b, the lowest alone */
  vfmsub213ss: rvm(VVV, P66, M2, 0xab, B32, vex(W0, LX, FMA), evex(W0, LX, F, ER)),
  /** dst = a * dst - b, the lowest alone */
  vfmsub213sd: rvm(VVV, P66, M2, 0xab, B64, vex(W1, LX, FMA), evex(W1, LX, F, ER)),
  /** dst = a * b - dst */
  vfmsub231ps: rvm(VVV, P66, M2, 0xba, FULL32, vex(W0, XY, FMA), evex(W0, XYZ, F, ER)),
  /** dst = a * b - dst */
  vfmsub231pd: rvm(VVV, P66, M2, 0xba, FULL64, vex(W1, XY, FMA), evex(W1, XYZ, F, ER)),
  /** dst = a * b - dst, the lowest alone */
  vfmsub231ss: rvm(VVV, P66, M2, 0xbb, B32, vex(W0, LX, FMA), evex(W0, LX, F, ER)),
  /** dst = a * b - dst, the lowest alone */
  vfmsub231sd: rvm(VVV, P66, M2, 0xbb, B64, vex(W1, LX, FMA), evex(W1, LX, F, ER)),

  /** dst = -(dst * b) + a */
  vfnmadd132ps: rvm(VVV, P66, M2, 0x9c, FULL32, vex(W0, XY, FMA), evex(W0, XYZ, F, ER)),
  /** dst = -(dst * b) + a */
  vfnmadd132pd: rvm(VVV, P66, M2, 0x9c, FULL64, vex(W1, XY, FMA), evex(W1, XYZ, F, ER)),
  /** dst = -(dst * b) + a, the lowest alone */
  vfnmadd132ss: rvm(VVV, P66, M2, 0x9d, B32, vex(W0, LX, FMA), evex(W0, LX, F, ER)),
  /** dst = -(dst * b) + a, the lowest alone */
  vfnmadd132sd: rvm(VVV, P66, M2, 0x9d, B64, vex(W1, LX, FMA), evex(W1, LX, F, ER)),
  /** dst = -(a * dst) + b */
  vfnmadd213ps: rvm(VVV, P66, M2, 0xac, FULL32, vex(W0, XY, FMA), evex(W0, XYZ, F, ER)),
  /** dst = -(a * dst) + b */
  vfnmadd213pd: rvm(VVV, P66, M2, 0xac, FULL64, vex(W1, XY, FMA), evex(W1, XYZ, F, ER)),
  /** dst = -(a * dst) + b, the lowest alone */
  vfnmadd213ss: rvm(VVV, P66, M2, 0xad, B32, vex(W0, LX, FMA), evex(W0, LX, F, ER)),
  /** dst = -(a * dst) + b, the lowest alone */
  vfnmadd213sd: rvm(VVV, P66, M2, 0xad, B64, vex(W1, LX, FMA), evex(W1, LX, F, ER)),
  /** dst = -(a * b) + dst */
  vfnmadd231ps: rvm(VVV, P66, M2, 0xbc, FULL32, vex(W0, XY, FMA), evex(W0, XYZ, F, ER)),
  /** dst = -(a * b) + dst */
  vfnmadd231pd: rvm(VVV, P66, M2, 0xbc, FULL64, vex(W1, XY, FMA), evex(W1, XYZ, F, ER)),
  /** dst = -(a * b) + dst, the lowest alone */
  vfnmadd231ss: rvm(VVV, P66, M2, 0xbd, B32, vex(W0, LX, FMA), evex(W0, LX, F, ER)),
  /** dst = -(a * b) + dst, the lowest alone */
  vfnmadd231sd: rvm(VVV, P66, M2, 0xbd, B64, vex(W1, LX, FMA), evex(W1, LX, F, ER)),

  /** dst = -(dst * b) - a */
  vfnmsub132ps: rvm(VVV, P66, M2, 0x9e, FULL32, vex(W0, XY, FMA), evex(W0, XYZ, F, ER)),
  /** dst = -(dst * b) - a */
  vfnmsub132pd: rvm(VVV, P66, M2, 0x9e, FULL64, vex(W1, XY, FMA), evex(W1, XYZ, F, ER)),
  /** dst = -(dst * b) - a, the lowest alone */
  vfnmsub132ss: rvm(VVV, P66, M2, 0x9f, B32, vex(W0, LX, FMA), evex(W0, LX, F, ER)),
  /** dst = -(dst * b) - a, the lowest alone */
  vfnmsub132sd: rvm(VVV, P66, M2, 0x9f, B64, vex(W1, LX, FMA), evex(W1, LX, F, ER)),
  /** dst = -(a * dst) - b */
  vfnmsub213ps: rvm(VVV, P66, M2, 0xae, FULL32, vex(W0, XY, FMA), evex(W0, XYZ, F, ER)),
  /** dst = -(a * dst) - b */
  vfnmsub213pd: rvm(VVV, P66, M2, 0xae, FULL64, vex(W1, XY, FMA), evex(W1, XYZ, F, ER)),
  /** dst = -(a * dst) - b, the lowest alone */
  vfnmsub213ss: rvm(VVV, P66, M2, 0xaf, B32, vex(W0, LX, FMA), evex(W0, LX, F, ER)),
  /** dst = -(a * dst) - b, the lowest alone */
  vfnmsub213sd: rvm(VVV, P66, M2, 0xaf, B64, vex(W1, LX, FMA), evex(W1, LX, F, ER)),
  /** dst = -(a * b) - dst */
  vfnmsub231ps: rvm(VVV, P66, M2, 0xbe, FULL32, vex(W0, XY, FMA), evex(W0, XYZ, F, ER)),
  /** dst = -(a * b) - dst */
  vfnmsub231pd: rvm(VVV, P66, M2, 0xbe, FULL64, vex(W1, XY, FMA), evex(W1, XYZ, F, ER)),
  /** dst = -(a * b) - dst, the lowest alone */
  vfnmsub231ss: rvm(VVV, P66, M2, 0xbf, B32, vex(W0, LX, FMA), evex(W0, LX, F, ER)),
  /** dst = -(a * b) - dst, the lowest alone */
  vfnmsub231sd: rvm(VVV, P66, M2, 0xbf, B64, vex(W1, LX, FMA), evex(W1, LX, F, ER)),
};
