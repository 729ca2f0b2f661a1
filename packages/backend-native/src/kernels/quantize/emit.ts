/** Emits quantisation and dequantisation: runs of elements that share a scale and a zero point, or have one each. */

import {
  type Address,
  al,
  at,
  byte,
  cl,
  eax,
  edx,
  k1,
  qword,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  type Vector,
  xmm,
  ZERO,
} from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';
import { divide, MODERATE } from '../division.ts';
import {
  emitLevel,
  type LevelType,
  levelRange,
  loadLevels,
  loadZeroPoint,
  packIntegers,
  packLevels,
  storeLevels,
} from '../levels.ts';

/** The argument block. Run r has parameter `((r / outer) * blocks + (r mod outer) / block) * step`, and those behind it where there are more. */
export const quantizeWords = [
  'total',
  'unit',
  'floats',
  'levels',
  'scale',
  'zero',
  'run',
  'outer',
  'blocks',
  'block',
  'step',
] as const;

export interface Variant {
  readonly to: 'levels' | 'floats';
  readonly dtype: LevelType;
  readonly hasZero: boolean;
  /** Elements of a run have a scale each. */
  readonly each: boolean;
}

/** Vectors that a round of the main loop takes. */
const UNROLL = 4;
/** Which elements of a vector there are: all, those of k1, or the first. */
export type Part = 'whole' | 'masked' | 'single';

const args = at(rdi);
const argument = (name: (typeof quantizeWords)[number]): number => 8 * quantizeWords.indexOf(name);

/** Entry: args in rdi, unit in rsi. */
export function emitQuantization(v: Vectors, variant: Variant): void {
  const { a } = v;
  const { scale, zero } = parameters(v);
  emitElements(v, argument('unit'), argument('total'));
  a.mov(r12, rsi);
  a.mov(r8, args, argument('floats'));
  a.lea(r8, at(r8, rsi, 4));
  a.mov(r9, args, argument('levels'));
  a.add(r9, rsi);
  const run = a.here();
  // rcx: elements of this run, of the r13 that are left; rbp: where in the run they begin.
  a.mov(rax, r12);
  a.xor(edx, edx);
  a.mov(rcx, args, argument('run'));
  a.div(rcx);
  a.mov(rbp, rdx);
  a.sub(rcx, rdx);
  a.cmp(rcx, r13);
  a.cmova(rcx, r13);
  a.sub(r13, rcx);
  a.add(r12, rcx);
  a.xor(edx, edx);
  a.div(qword(args), argument('outer'));
  a.imul(rax, args, argument('blocks'));
  a.mov(rbx, rax);
  a.mov(rax, rdx);
  a.xor(edx, edx);
  a.div(qword(args), argument('block'));
  a.add(rax, rbx);
  a.imul(rax, args, argument('step'));
  if (variant.each) a.add(rax, rbp);
  a.mov(r10, args, argument('scale'));
  a.lea(r10, at(r10, rax, 4));
  if (variant.hasZero) {
    a.mov(r14, args, argument('zero'));
    a.add(r14, rax);
  }
  if (!variant.each) {
    a.vbroadcastss(scale, at(r10));
    if (variant.hasZero) loadZeroPoint(v, zero, at(r14), variant.dtype);
  }
  emitVectors(v, variant);
  a.lea(r8, at(r8, r11, 4));
  a.add(r9, r11);
  a.test(r13, r13);
  a.jnz(run);
  a.ret();
}

/** The unit's first element into rsi, how many it has into r13. Changes rax. */
export function emitElements({ a }: Vectors, unit: number, total: number): void {
  a.mov(rax, args, unit);
  a.imul(rsi, rax);
  a.mov(r13, args, total);
  a.sub(r13, rsi);
  a.cmp(r13, rax);
  a.cmova(r13, rax);
}

/** `body` for rcx elements; r11 counts those before. Changes rax, rcx, k1. */
export function emitRun(v: Vectors, body: (index: number, part: Part) => void): void {
  const { a } = v;
  a.xor(r11, r11);
  for (const count of [UNROLL, 1]) {
    const [loop, done] = [a.label(), a.label()];
    a.subi(rcx, count * v.lanes);
    a.jb(done);
    a.bind(loop);
    for (let i = 0; i < count; i++) body(i, 'whole');
    a.addi(r11, count * v.lanes);
    a.subi(rcx, count * v.lanes);
    a.jae(loop);
    a.bind(done);
    a.addi(rcx, count * v.lanes);
  }
  const end = a.label();
  a.test(rcx, rcx);
  a.jz(end);
  if (v.isWide) {
    a.movi(eax, 1);
    a.shl(eax, cl);
    a.dec(eax);
    a.kmovd(k1, eax);
    body(0, 'masked');
    a.add(r11, rcx);
  } else {
    const single = a.here();
    body(0, 'single');
    a.inc(r11);
    a.dec(rcx);
    a.jnz(single);
  }
  a.bind(end);
}

/** Registers that stay from vector to vector: scale and zero point, and what is made of them to divide faster. */
export const parameters = (v: Vectors) => ({
  ...{ scale: v.register(8), zero: v.register(9) },
  ...{ inverse: v.register(10), low: v.register(11), high: v.register(12), integer: v.register(13) },
});

/** Elements of runs that are divided before what makes it faster is ready. */
const SHORT_RUN = 64;
const EXPONENT_BIAS = 127;
const MANTISSA_BITS = 23;

/** A run of rcx elements at r8 and r9, {@link parameters} in every lane where it shares them, and changes them then. Changes rax, rcx, r11, k1. */
export function emitVectors(v: Vectors, variant: Variant): void {
  const { a } = v;
  const run = (isQuick: boolean): void => emitRun(v, (index, part) => emitVector(v, variant, index, part, isQuick));
  if (variant.to === 'floats' || variant.each) {
    run(false);
    return;
  }
  const { scale, zero, inverse, low, high, integer } = parameters(v);
  const [slow, done] = [a.label(), a.label()];
  a.cmpi(rcx, SHORT_RUN);
  a.jb(slow);
  a.vmovd(eax, xmm(scale & 0xff));
  a.shr(eax, MANTISSA_BITS);
  a.subi(eax, EXPONENT_BIAS - MODERATE);
  a.cmpi(eax, 2 * MODERATE);
  a.jae(slow);
  v.fill(inverse, 1);
  a.vdivps(inverse, inverse, scale);
  for (const [i, end] of levelRange(variant.dtype).entries()) {
    const limit = [low, high][i]!;
    v.fill(limit, end);
    if (variant.hasZero) a.vsubps(limit, limit, zero);
    a.vmulps(limit, limit, scale);
  }
  if (variant.hasZero) a.vcvtps2dq(integer, zero);
  run(true);
  a.jmp(done);
  a.bind(slow);
  run(false);
  a.bind(done);
}

/**
 * Vector `index` behind element r11 of the floats at r8 and the levels at r9, one made of the other. Scale and zero point are in every lane, or
 * loaded from behind element r11 of those at r10 and r14. @param isQuick the other {@link parameters} are there too
 */
function emitVector(v: Vectors, variant: Variant, index: number, part: Part, isQuick: boolean): void {
  const { a } = v;
  const { to, dtype, hasZero, each } = variant;
  const shared = parameters(v);
  const { scale, zero } = shared;
  const x = v.register(index);
  const [low, t] = [xmm(index), v.register(4 + index)];
  const floats = at(r8, r11, 4);
  const elements = index * v.lanes;
  /** Levels of this part as floats. */
  const load = (dst: Vector, address: Address): void => {
    const target = xmm(dst & 0xff);
    if (part === 'whole') {
      loadLevels(v, dst, address, elements, dtype);
      return;
    }
    if (part === 'masked') {
      a.vmovdqu8(target, address, 0, k1 | ZERO);
      if (dtype === 'int8') a.vpmovsxbd(dst, target);
      else a.vpmovzxbd(dst, target);
    } else {
      if (dtype === 'int8') a.movsx(eax, byte(address));
      else a.movzx(eax, byte(address));
      a.vmovd(target, eax);
    }
    a.vcvtdq2ps(dst, dst);
  };
  const loadFloats = (dst: Vector, address: Address): void => {
    if (part === 'whole') a.vmovups(dst, address, 4 * elements);
    else if (part === 'masked') a.vmovups(dst, address, 0, k1 | ZERO);
    else a.vmovss(xmm(dst & 0xff), address);
  };
  if (each) {
    loadFloats(scale, at(r10, r11, 4));
    if (hasZero) load(zero, at(r14, r11));
  }
  if (to === 'levels') {
    loadFloats(x, floats);
    if (isQuick) {
      divide(a, x, scale, shared, false, t);
      a.vcvtps2dq(x, x);
      if (hasZero) a.vpaddd(x, x, shared.integer);
      packIntegers(v, x, dtype, t);
    } else {
      a.vdivps(x, x, scale);
      emitLevel(v, x, hasZero ? zero : undefined, dtype);
      packLevels(v, x, dtype, t);
    }
    if (part === 'whole') storeLevels(v, at(r9, r11), elements, low);
    else if (part === 'masked') a.vmovdqu8(at(r9, r11), 0, low, k1);
    else {
      a.vmovd(eax, low);
      a.mov(byte(r9, r11), 0, al);
    }
    return;
  }
  load(x, at(r9, r11));
  if (hasZero) a.vsubps(x, x, zero);
  a.vmulps(x, x, scale);
  if (part === 'whole') a.vmovups(floats, 4 * elements, x);
  else if (part === 'masked') a.vmovups(floats, 0, x, k1);
  else a.vmovss(floats, 0, low);
}
