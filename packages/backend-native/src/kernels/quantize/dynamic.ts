/**
 * Emits DynamicQuantizeLinear: units find the least and the greatest of their elements, then each makes of all of these the scale and
 * the zero point, and quantises its own.
 */

import { al, at, byte, eax, k1, r8, r9, r10, r11, r12, r13, r14, rax, rcx, rdi, rsi, xmm, ZERO } from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';
import { emitLevel } from '../levels.ts';
import { emitFold } from '../row.ts';
import { emitElements, emitRun, emitVectors, parameters } from './emit.ts';

/** The argument block of both phases. */
export const dynamicWords = ['total', 'unit', 'units', 'x', 'extremes', 'y', 'scale', 'zero'] as const;

const args = at(rdi);
const argument = (name: (typeof dynamicWords)[number]): number => 8 * dynamicWords.indexOf(name);
const UNROLL = 4;
/** Levels above the lowest. */
const STEPS = 255;

/** The least and the greatest of a unit's elements and 0, into `extremes`. NaN is neither. */
export function emitExtremes(v: Vectors): void {
  const { a } = v;
  const least = Array.from({ length: UNROLL }, (_, i) => v.register(i));
  const greatest = Array.from({ length: UNROLL }, (_, i) => v.register(UNROLL + i));
  a.mov(r10, args, argument('extremes'));
  a.lea(r10, at(r10, rsi, 8));
  emitElements(v, argument('unit'), argument('total'));
  a.mov(r8, args, argument('x'));
  a.lea(r8, at(r8, rsi, 4));
  a.mov(rcx, r13);
  for (const each of [...least, ...greatest]) a.vxorps(each, each, each);
  const x = v.register(2 * UNROLL);
  emitRun(v, (index, part) => {
    const from = at(r8, r11, 4);
    if (part === 'single') a.vmovss(xmm(x & 0xff), from);
    else if (part === 'masked') a.vmovups(x, from, 0, k1 | ZERO);
    else a.vmovups(x, from, index * v.bytes);
    a.vminps(least[index]!, x, least[index]!);
    a.vmaxps(greatest[index]!, x, greatest[index]!);
  });
  emitFold(v, least, 'vminps');
  emitFold(v, greatest, 'vmaxps');
  a.vmovss(at(r10), 0, xmm(0));
  a.vmovss(at(r10), 4, xmm(UNROLL));
  a.ret();
}

/** Quantises a unit; the first one stores scale and zero point. */
export function emitDynamic(v: Vectors): void {
  const { a } = v;
  const [least, greatest, t, sign] = [0, 1, 2, 3].map((i) => xmm(i)) as [number, number, number, number];
  const { scale, zero } = parameters(v);
  const [scaleLow, zeroLow] = [xmm(scale & 0xff), xmm(zero & 0xff)];
  a.mov(r14, rsi);
  a.mov(r10, args, argument('extremes'));
  a.mov(r12, args, argument('units'));
  for (const each of [least, greatest]) a.vxorps(each, each, each);
  const next = a.here();
  a.vmovss(t, at(r10));
  a.vminps(least, least, t);
  a.vmovss(t, at(r10), 4);
  a.vmaxps(greatest, greatest, t);
  a.addi(r10, 8);
  a.dec(r12);
  a.jnz(next);
  // Where all elements are zero any scale serves, but 0 would make NaN of them.
  const isFlat = a.label();
  const isScaled = a.label();
  a.vsubps(t, greatest, least);
  a.vmovd(eax, t);
  a.test(eax, eax);
  a.jz(isFlat);
  a.vbroadcastss(sign, a.constant(Float32Array.of(STEPS)));
  a.vdivps(t, t, sign);
  a.jmp(isScaled);
  a.bind(isFlat);
  a.vbroadcastss(t, a.constant(Float32Array.of(1)));
  a.bind(isScaled);
  a.vbroadcastss(scale, t);
  a.vxorps(t, t, t);
  a.vsubps(t, t, least);
  a.vbroadcastss(zero, t);
  a.vdivps(zero, zero, scale);
  emitLevel(v, zero, undefined, 'uint8');
  const isOther = a.label();
  a.test(r14, r14);
  a.jnz(isOther);
  a.mov(rax, args, argument('scale'));
  a.vmovss(at(rax), 0, scaleLow);
  a.vcvtps2dq(t, zeroLow);
  a.mov(rcx, args, argument('zero'));
  a.vmovd(eax, t);
  a.mov(byte(rcx), 0, al);
  a.bind(isOther);
  emitElements(v, argument('unit'), argument('total'));
  a.mov(r8, args, argument('x'));
  a.lea(r8, at(r8, rsi, 4));
  a.mov(r9, args, argument('y'));
  a.add(r9, rsi);
  a.mov(rcx, r13);
  emitVectors(v, { to: 'levels', dtype: 'uint8', hasZero: true, each: false });
  a.ret();
}
