/** Moving vectors: registers, memory, masks, gathers and scatters. */
// biome-ignore format: names
import {
  B32, B64, evex, F2, F3, FULL, X as LX, M1, M2, NOMASK, NONE, NP, P66, vex, W0, W1, XY, XYZ,
} from '../encode/vector.ts';
import { AVX, AVX2, BW, F } from '../features.ts';
import { toOrFrom } from '../shapes/alternatives.ts';
import { gather, scatter } from '../shapes/gather.ts';
import { H, R32, V } from '../shapes/kinds.ts';
import { halfMove, move, moveScalar, vmovq } from '../shapes/move.ts';
import { mr, store } from '../shapes/mr.ts';
import { load, rm } from '../shapes/rm.ts';
import { rvm } from '../shapes/rvm.ts';
import { bare, maskMove } from '../shapes/vex-only.ts';

// biome-ignore format: columns
export const moves = {
  /** Copies, loads, stores at any address. */
  vmovups: move(0x11, NP, M1, 0x10, FULL, vex(W0, XY, AVX), evex(W0, XYZ, F)),
  /** Copies, loads, stores at any address. */
  vmovupd: move(0x11, P66, M1, 0x10, FULL, vex(W0, XY, AVX), evex(W1, XYZ, F)),
  /** Copies, loads, stores at aligned addresses. */
  vmovaps: move(0x29, NP, M1, 0x28, FULL, vex(W0, XY, AVX), evex(W0, XYZ, F)),
  /** Copies, loads, stores at aligned addresses. */
  vmovapd: move(0x29, P66, M1, 0x28, FULL, vex(W0, XY, AVX), evex(W1, XYZ, F)),
  /** Copies, loads, stores at any address. */
  vmovdqu: move(0x7f, F3, M1, 0x6f, FULL, vex(W0, XY, AVX)),
  /** Copies, loads, stores at aligned addresses. */
  vmovdqa: move(0x7f, P66, M1, 0x6f, FULL, vex(W0, XY, AVX)),
  /** Copies, loads, stores at any address, masked by 8 bits. */
  vmovdqu8: move(0x7f, F2, M1, 0x6f, FULL, evex(W0, XYZ, BW)),
  /** Copies, loads, stores at any address, masked by 16 bits. */
  vmovdqu16: move(0x7f, F2, M1, 0x6f, FULL, evex(W1, XYZ, BW)),
  /** Copies, loads, stores at any address, masked by 32 bits. */
  vmovdqu32: move(0x7f, F3, M1, 0x6f, FULL, evex(W0, XYZ, F)),
  /** Copies, loads, stores at any address, masked by 64 bits. */
  vmovdqu64: move(0x7f, F3, M1, 0x6f, FULL, evex(W1, XYZ, F)),
  /** Copies, loads, stores at aligned addresses, masked by 32 bits. */
  vmovdqa32: move(0x7f, P66, M1, 0x6f, FULL, evex(W0, XYZ, F)),
  /** Copies, loads, stores at aligned addresses, masked by 64 bits. */
  vmovdqa64: move(0x7f, P66, M1, 0x6f, FULL, evex(W1, XYZ, F)),
  /** Loads at any address, across lines. */
  vlddqu: load(V, F2, M1, 0xf0, FULL, vex(W0, XY, AVX)),
  /** Stores past the caches, at aligned addresses. */
  vmovntps: store(V, NP, M1, 0x2b, FULL, vex(W0, XY, AVX), evex(W0, XYZ, F, NOMASK)),
  /** Stores past the caches, at aligned addresses. */
  vmovntpd: store(V, P66, M1, 0x2b, FULL, vex(W0, XY, AVX), evex(W1, XYZ, F, NOMASK)),
  /** Stores past the caches, at aligned addresses. */
  vmovntdq: store(V, P66, M1, 0xe7, FULL, vex(W0, XY, AVX), evex(W0, XYZ, F, NOMASK)),
  /** Loads past the caches from write-combining memory, at aligned addresses. */
  vmovntdqa: load(V, P66, M2, 0x2a, FULL, vex(W0, XY, AVX, AVX2), evex(W0, XYZ, F, NOMASK)),

  /** One single: between registers with the rest from a, from memory with zeros, to memory. */
  vmovss: moveScalar(0x11, F3, M1, 0x10, B32, vex(W0, LX, AVX), evex(W0, LX, F)),
  /** One double, as vmovss. */
  vmovsd: moveScalar(0x11, F2, M1, 0x10, B64, vex(W0, LX, AVX), evex(W1, LX, F)),
  /** 32 bits between a vector register and a general one or memory; the rest becomes zero. */
  vmovd: toOrFrom(rm([V, R32], P66, M1, 0x6e, B32, vex(W0, LX, AVX), evex(W0, LX, F, NOMASK)), mr([R32, V], P66, M1, 0x7e, B32, vex(W0, LX, AVX), evex(W0, LX, F, NOMASK))),
  /** 64 bits between vector registers, a general one and memory; the rest becomes zero. */
  vmovq: vmovq(),
  /** 64 bits of memory into the low half of a; or the low half to memory. */
  vmovlps: halfMove(NP, 0x12, vex(W0, LX, AVX), evex(W0, LX, F, NOMASK)),
  /** 64 bits of memory into the high half of a; or the high half to memory. */
  vmovhps: halfMove(NP, 0x16, vex(W0, LX, AVX), evex(W0, LX, F, NOMASK)),
  /** 64 bits of memory into the low half of a; or the low half to memory. */
  vmovlpd: halfMove(P66, 0x12, vex(W0, LX, AVX), evex(W1, LX, F, NOMASK)),
  /** 64 bits of memory into the high half of a; or the high half to memory. */
  vmovhpd: halfMove(P66, 0x16, vex(W0, LX, AVX), evex(W1, LX, F, NOMASK)),
  /** The high half of b, then the high half of a. */
  vmovhlps: rvm([V, V, V], NP, M1, 0x12, NONE, vex(W0, LX, AVX), evex(W0, LX, F, NOMASK)),
  /** The low half of a, then the low half of b. */
  vmovlhps: rvm([V, V, V], NP, M1, 0x16, NONE, vex(W0, LX, AVX), evex(W0, LX, F, NOMASK)),
  /** Signs of singles into a general register. */
  vmovmskps: rm([R32, V], NP, M1, 0x50, NONE, vex(W0, XY, AVX)),
  /** Signs of doubles into a general register. */
  vmovmskpd: rm([R32, V], P66, M1, 0x50, NONE, vex(W0, XY, AVX)),
  /** Signs of bytes into a general register. */
  vpmovmskb: rm([R32, V], P66, M1, 0xd7, NONE, vex(W0, XY, AVX, AVX2)),
  /** Loads, with zeros elsewhere, or stores the elements whose sign bit in mask is set. */
  vmaskmovps: maskMove(0x2e, P66, M2, 0x2c, FULL, vex(W0, XY, AVX)),
  /** Loads, with zeros elsewhere, or stores the elements whose sign bit in mask is set. */
  vmaskmovpd: maskMove(0x2f, P66, M2, 0x2d, FULL, vex(W0, XY, AVX)),
  /** Loads, with zeros elsewhere, or stores the elements whose sign bit in mask is set. */
  vpmaskmovd: maskMove(0x8e, P66, M2, 0x8c, FULL, vex(W0, XY, AVX2)),
  /** Loads, with zeros elsewhere, or stores the elements whose sign bit in mask is set. */
  vpmaskmovq: maskMove(0x8e, P66, M2, 0x8c, FULL, vex(W1, XY, AVX2)),
  /** Clears all but the low 128 bits of registers 0 to 15. */
  vzeroupper: bare(0, 0x77, AVX),
  /** Clears vector registers 0 to 15. */
  vzeroall: bare(1, 0x77, AVX),

  /** 32-bit elements from 32-bit indices. */
  vgatherdps: gather(V, V, 0x92, 0),
  /** 64-bit elements from 32-bit indices. */
  vgatherdpd: gather(V, H, 0x92, 1),
  /** 32-bit elements from 64-bit indices. */
  vgatherqps: gather(H, V, 0x93, 0),
  /** 64-bit elements from 64-bit indices. */
  vgatherqpd: gather(V, V, 0x93, 1),
  /** 32-bit elements from 32-bit indices. */
  vpgatherdd: gather(V, V, 0x90, 0),
  /** 64-bit elements from 32-bit indices. */
  vpgatherdq: gather(V, H, 0x90, 1),
  /** 32-bit elements from 64-bit indices. */
  vpgatherqd: gather(H, V, 0x91, 0),
  /** 64-bit elements from 64-bit indices. */
  vpgatherqq: gather(V, V, 0x91, 1),
  /** 32-bit elements to 32-bit indices. */
  vscatterdps: scatter(V, V, 0xa2, 0),
  /** 64-bit elements to 32-bit indices. */
  vscatterdpd: scatter(V, H, 0xa2, 1),
  /** 32-bit elements to 64-bit indices. */
  vscatterqps: scatter(H, V, 0xa3, 0),
  /** 64-bit elements to 64-bit indices. */
  vscatterqpd: scatter(V, V, 0xa3, 1),
  /** 32-bit elements to 32-bit indices. */
  vpscatterdd: scatter(V, V, 0xa0, 0),
  /** 64-bit elements to 32-bit indices. */
  vpscatterdq: scatter(V, H, 0xa0, 1),
  /** 32-bit elements to 64-bit indices. */
  vpscatterqd: scatter(H, V, 0xa1, 0),
  /** 64-bit elements to 64-bit indices. */
  vpscatterqq: scatter(V, V, 0xa1, 1),
};
