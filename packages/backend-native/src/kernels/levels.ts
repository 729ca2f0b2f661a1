/** Levels: integers of 8 bits that stand for floats, in registers of float32, and how they are stored. */

import {
  type Address,
  type Assembler,
  al,
  at,
  byte,
  dl,
  ecx,
  type Gpr,
  k1,
  rax,
  rcx,
  rdx,
  type Vector,
  xmm,
  ymm15,
  ZERO,
} from '@espalier/x64';
import type { Vectors } from '../math/index.ts';

export type LevelType = 'uint8' | 'int8';

const ranges: Readonly<Record<LevelType, readonly [least: number, most: number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
};

/** The ends of a dtype's range. */
export const levelRange = (dtype: LevelType): readonly [least: number, most: number] => ranges[dtype];

/** To nearest, halves to even, without the inexact exception. */
const NEAREST = 8;

/** `x` to the nearest integer, halves to even. */
export function roundToNearest({ a, isWide }: Vectors, x: Vector): void {
  if (isWide) a.vrndscaleps(x, x, NEAREST);
  else a.vroundps(x, x, NEAREST);
}

/** `x` to the nearest integer, halves to even, then by `zero` levels further, at most to the ends of the range. NaN becomes the lowest. */
export function emitLevel(v: Vectors, x: Vector, zero: Vector | undefined, dtype: LevelType): void {
  const { a } = v;
  const [least, most] = ranges[dtype];
  roundToNearest(v, x);
  if (zero !== undefined) a.vaddps(x, x, zero);
  // The processor's maximum gives its second operand where one is NaN.
  a.vmaxps(x, x, ...v.splat(least));
  a.vminps(x, x, ...v.splat(most));
}

/** One level into every lane. */
export function loadZeroPoint(v: Vectors, to: Vector, address: Address, dtype: LevelType): void {
  const low = xmm(to & 0xff);
  v.a.vpbroadcastb(low, address);
  if (dtype === 'int8') v.a.vpmovsxbd(to, low);
  else v.a.vpmovzxbd(to, low);
  v.a.vcvtdq2ps(to, to);
}

/**
 * Levels from memory, as many as `to` has lanes.
 * @param masked only the first: those of k1 where wide, else those whose lanes of ymm15 are set
 */
export function loadLevels(
  v: Vectors,
  to: Vector,
  address: Address,
  offset: number,
  dtype: LevelType,
  masked = false,
): void {
  const { a } = v;
  const extend = dtype === 'int8' ? ('vpmovsxbd' as const) : ('vpmovzxbd' as const);
  if (masked && !v.isWide) {
    loadSomeBytes(a, xmm(to & 0xff), address, offset);
    a[extend](to, xmm(to & 0xff));
  } else a[extend](to, address, offset, masked ? k1 | ZERO : 0);
  a.vcvtdq2ps(to, to);
}

/** As many bytes as ymm15 has lanes set from the first on, one by one: what is behind them may not be there. */
function loadSomeBytes(a: Assembler, to: Vector, address: Address, offset: number): void {
  const kept = [rax, rcx, rdx];
  for (const each of kept) a.push(each);
  a.lea(rax, address, offset - 1);
  a.vmovmskps(ecx, ymm15);
  a.popcnt(ecx, ecx);
  const loop = a.here();
  a.shl(rdx, 8);
  a.mov(dl, byte(rax, rcx));
  a.dec(rcx);
  a.jnz(loop);
  a.vmovq(to, rdx);
  for (const each of kept.toReversed()) a.pop(each);
}

/** Levels as bytes into the low lanes of the register that is returned. Changes `x` and `t`. */
export function packLevels(v: Vectors, x: Vector, dtype: LevelType, t: Vector): Vector {
  v.a.vcvtps2dq(x, x);
  return packIntegers(v, x, dtype, t);
}

/** The same for levels that are integers already. */
export function packIntegers(v: Vectors, x: Vector, dtype: LevelType, t: Vector): Vector {
  const { a } = v;
  const [low, high] = [xmm(x & 0xff), xmm(t & 0xff)];
  if (v.isWide) {
    a.vpmovdb(low, x);
    return low;
  }
  a.vextracti128(high, x, 1);
  a.vpackssdw(low, low, high);
  if (dtype === 'int8') a.vpacksswb(low, low, low);
  else a.vpackuswb(low, low, low);
  return low;
}

/**
 * The same for unsigned levels that are neither rounded nor counted from their zero point yet, but not below it; wide. Numbers that are no
 * integers of 32 bits, and NaN, become the highest level.
 */
export function packUnrounded({ a }: Vectors, x: Vector, zero: Vector): Vector {
  const low = xmm(x & 0xff);
  a.vcvtps2dq(x, x);
  a.vpaddd(x, x, zero);
  a.vpmovusdb(low, x);
  return low;
}

/** Stores what {@link packLevels} made of a whole vector. */
export function storeLevels(v: Vectors, address: Address, offset: number, low: Vector): void {
  if (v.isWide) v.a.vmovups(address, offset, low);
  else v.a.vmovq(address, offset, low);
}

/** The same of its first `count` elements. Changes `low`. */
export function storeFewLevels({ a }: Vectors, address: Address, offset: number, low: Vector, count: number): void {
  let stored = 0;
  for (const piece of [8, 4, 2, 1]) {
    if (stored + piece > count) continue;
    if (piece === 8) a.vmovq(address, offset + stored, low);
    else if (piece === 4) a.vmovd(address, offset + stored, low);
    else if (piece === 2) a.vpextrw(address, offset + stored, low, 0);
    else a.vpextrb(address, offset + stored, low, 0);
    stored += piece;
    if (stored < count) a.vpalignr(low, low, low, piece);
  }
}

/** The same of its first elements: those of k1 where wide, else as many as `count` says (1 to 8), which with `word` and `pointer` changes. */
export function storeSomeLevels(v: Vectors, pointer: Gpr, offset: number, low: Vector, count: Gpr, word: Gpr): void {
  const { a } = v;
  if (v.isWide) {
    a.vmovdqu8(at(pointer), offset, low, k1);
    return;
  }
  a.vmovq(word, low);
  const loop = a.here();
  a.mov(byte(pointer), offset, lowByte(word));
  a.shr(word, 8);
  a.inc(pointer);
  a.dec(count);
  a.jnz(loop);
}

/** The lowest 8 bits of a general register. */
const lowByte = (register: Gpr): Gpr => al + ((register & 0xff) - (rax & 0xff));
