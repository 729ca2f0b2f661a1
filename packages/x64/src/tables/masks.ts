/** Mask registers (AVX-512). Names end in b, w, d, q: 8, 16, 32, 64 mask bits. The first number is W in bit 7 and pp. */
import { evex, F3, M2, NOMASK, NONE, W0, W1, XYZ } from '../encode/vector.ts';
import { BW, CD, DQ, F } from '../features.ts';
import { K, V } from '../shapes/kinds.ts';
import { kk, kki, kkk, kmov } from '../shapes/mask.ts';
import { rm } from '../shapes/rm.ts';

// biome-ignore format: columns
export const masks = {
  /** 8 bits between mask registers, a general register and memory. */
  kmovb: kmov(0x01, 0x01, 8, DQ),
  /** 16 bits between mask registers, a general register and memory. */
  kmovw: kmov(0x00, 0x00, 16, F),
  /** 32 bits between mask registers, a general register and memory. */
  kmovd: kmov(0x81, 0x03, 32, BW),
  /** 64 bits between mask registers, a general register and memory. */
  kmovq: kmov(0x80, 0x83, 64, BW),
  /** dst = a & b */
  kandb: kkk(0x01, 0x41, DQ),
  /** dst = a & b */
  kandw: kkk(0x00, 0x41, F),
  /** dst = a & b */
  kandd: kkk(0x81, 0x41, BW),
  /** dst = a & b */
  kandq: kkk(0x80, 0x41, BW),
  /** dst = ~a & b */
  kandnb: kkk(0x01, 0x42, DQ),
  /** dst = ~a & b */
  kandnw: kkk(0x00, 0x42, F),
  /** dst = ~a & b */
  kandnd: kkk(0x81, 0x42, BW),
  /** dst = ~a & b */
  kandnq: kkk(0x80, 0x42, BW),
  /** dst = a | b */
  korb: kkk(0x01, 0x45, DQ),
  /** dst = a | b */
  korw: kkk(0x00, 0x45, F),
  /** dst = a | b */
  kord: kkk(0x81, 0x45, BW),
  /** dst = a | b */
  korq: kkk(0x80, 0x45, BW),
  /** dst = ~(a ^ b); all ones when a is b. */
  kxnorb: kkk(0x01, 0x46, DQ),
  /** dst = ~(a ^ b); all ones when a is b. */
  kxnorw: kkk(0x00, 0x46, F),
  /** dst = ~(a ^ b); all ones when a is b. */
  kxnord: kkk(0x81, 0x46, BW),
  /** dst = ~(a ^ b); all ones when a is b. */
  kxnorq: kkk(0x80, 0x46, BW),
  /** dst = a ^ b */
  kxorb: kkk(0x01, 0x47, DQ),
  /** dst = a ^ b */
  kxorw: kkk(0x00, 0x47, F),
  /** dst = a ^ b */
  kxord: kkk(0x81, 0x47, BW),
  /** dst = a ^ b */
  kxorq: kkk(0x80, 0x47, BW),
  /** dst = a + b */
  kaddb: kkk(0x01, 0x4a, DQ),
  /** dst = a + b */
  kaddw: kkk(0x00, 0x4a, DQ),
  /** dst = a + b */
  kaddd: kkk(0x81, 0x4a, BW),
  /** dst = a + b */
  kaddq: kkk(0x80, 0x4a, BW),
  /** dst = ~src */
  knotb: kk(0x01, 0x44, DQ),
  /** dst = ~src */
  knotw: kk(0x00, 0x44, F),
  /** dst = ~src */
  knotd: kk(0x81, 0x44, BW),
  /** dst = ~src */
  knotq: kk(0x80, 0x44, BW),
  /** Flags: zero if a | b is 0, carry if it is all ones. */
  kortestb: kk(0x01, 0x98, DQ),
  /** Flags: zero if a | b is 0, carry if it is all ones. */
  kortestw: kk(0x00, 0x98, F),
  /** Flags: zero if a | b is 0, carry if it is all ones. */
  kortestd: kk(0x81, 0x98, BW),
  /** Flags: zero if a | b is 0, carry if it is all ones. */
  kortestq: kk(0x80, 0x98, BW),
  /** Flags: zero if a & b is 0, carry if ~a & b is 0. */
  ktestb: kk(0x01, 0x99, DQ),
  /** Flags: zero if a & b is 0, carry if ~a & b is 0. */
  ktestw: kk(0x00, 0x99, DQ),
  /** Flags: zero if a & b is 0, carry if ~a & b is 0. */
  ktestd: kk(0x81, 0x99, BW),
  /** Flags: zero if a & b is 0, carry if ~a & b is 0. */
  ktestq: kk(0x80, 0x99, BW),
  /** Shifts left by imm8. */
  kshiftlb: kki(0x01, 0x32, DQ),
  /** Shifts left by imm8. */
  kshiftlw: kki(0x81, 0x32, F),
  /** Shifts left by imm8. */
  kshiftld: kki(0x01, 0x33, BW),
  /** Shifts left by imm8. */
  kshiftlq: kki(0x81, 0x33, BW),
  /** Shifts right by imm8. */
  kshiftrb: kki(0x01, 0x30, DQ),
  /** Shifts right by imm8. */
  kshiftrw: kki(0x81, 0x30, F),
  /** Shifts right by imm8. */
  kshiftrd: kki(0x01, 0x31, BW),
  /** Shifts right by imm8. */
  kshiftrq: kki(0x81, 0x31, BW),
  /** dst = a << 8 | b */
  kunpckbw: kkk(0x01, 0x4b, F),
  /** dst = a << 16 | b */
  kunpckwd: kkk(0x00, 0x4b, BW),
  /** dst = a << 32 | b */
  kunpckdq: kkk(0x80, 0x4b, BW),

  /** A mask into a vector of ones and zeros. */
  vpmovm2b: rm([V, K], F3, M2, 0x28, NONE, evex(W0, XYZ, BW, NOMASK)),
  /** Sign bits into a mask. */
  vpmovb2m: rm([K, V], F3, M2, 0x29, NONE, evex(W0, XYZ, BW, NOMASK)),
  /** A mask into a vector of ones and zeros. */
  vpmovm2w: rm([V, K], F3, M2, 0x28, NONE, evex(W1, XYZ, BW, NOMASK)),
  /** Sign bits into a mask. */
  vpmovw2m: rm([K, V], F3, M2, 0x29, NONE, evex(W1, XYZ, BW, NOMASK)),
  /** A mask into a vector of ones and zeros. */
  vpmovm2d: rm([V, K], F3, M2, 0x38, NONE, evex(W0, XYZ, DQ, NOMASK)),
  /** Sign bits into a mask. */
  vpmovd2m: rm([K, V], F3, M2, 0x39, NONE, evex(W0, XYZ, DQ, NOMASK)),
  /** A mask into a vector of ones and zeros. */
  vpmovm2q: rm([V, K], F3, M2, 0x38, NONE, evex(W1, XYZ, DQ, NOMASK)),
  /** Sign bits into a mask. */
  vpmovq2m: rm([K, V], F3, M2, 0x39, NONE, evex(W1, XYZ, DQ, NOMASK)),
  /** The low byte of a mask into all. */
  vpbroadcastmb2q: rm([V, K], F3, M2, 0x2a, NONE, evex(W1, XYZ, CD, NOMASK)),
  /** The low word of a mask into all. */
  vpbroadcastmw2d: rm([V, K], F3, M2, 0x3a, NONE, evex(W0, XYZ, CD, NOMASK)),
};
