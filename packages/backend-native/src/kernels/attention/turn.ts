/** Rows of scratch memory into columns and back: four by four elements in each 128 bits, which are loaded or stored apart. */

import {
  type Address,
  type Assembler,
  at,
  k1,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  rax,
  rbp,
  rcx,
  rsi,
  type Vector,
  xmm,
  ZERO,
} from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';
import type { Frame } from './frame.ts';

/** Elements of 128 bits. */
const QUAD = 4;
/** A predicate of vcmpps: ordered, no exception for quiet NaN. */
const GREATER = 30;

/**
 * `columns`: rcx elements of each row in scratch memory become rows at r14 of one element for each query. `rows`: back, divided by
 * the sums of weights; `rows-or-zero` gives zeros where such a sum is zero or no number. Up to three elements more are turned.
 * Clobbers rax, rcx, rbp, rsi, r8 to r13.
 */
export function emitTurn(f: Frame, vectors: number, to: 'columns' | 'rows' | 'rows-or-zero'): void {
  const { a, v } = f;
  const bases = [r8, r9, r10, r11].slice(0, v.lanes / QUAD);
  const [pitch, pitch3, panel, count] = [r12, r13, rbp, rsi];
  const x = Array.from({ length: QUAD }, (_, i) => v.register(i));
  const t = Array.from({ length: QUAD }, (_, i) => v.register(QUAD + i));
  const [inverse, keep] = [v.register(2 * QUAD), v.register(2 * QUAD + 1)] as const;
  const row = (i: number): Address => {
    const base = bases[Math.floor(i / QUAD)]!;
    return [at(base), at(base, pitch), at(base, pitch, 2), at(base, pitch3)][i % QUAD]!;
  };
  const done = a.label();
  a.addi(rcx, QUAD - 1);
  a.shr(rcx, 2);
  a.jz(done);
  a.mov(pitch, ...f.argument('pitch'));
  a.lea(pitch3, at(pitch, pitch, 2));
  for (let index = 0; index < vectors; index++) {
    f.place(bases[0]!, 'rowsAt');
    a.imuli(rax, pitch, index * v.lanes);
    a.add(bases[0]!, rax);
    for (let i = 1; i < bases.length; i++) a.lea(bases[i]!, at(bases[i - 1]!, pitch, 4));
    a.lea(panel, at(r14), index * v.bytes);
    if (to !== 'columns') {
      a.vmovups(t[0]!, ...f.vector('sum', index));
      v.fill(inverse, 1);
      a.vdivps(inverse, inverse, t[0]!);
      a.vxorps(t[1]!, t[1]!, t[1]!);
      if (to === 'rows-or-zero' && v.isWide) a.vcmpps(k1, t[0]!, t[1]!, GREATER);
      else if (to === 'rows-or-zero') a.vcmpps(keep, t[0]!, t[1]!, GREATER);
    }
    a.mov(count, rcx);
    const loop = a.here();
    for (let i = 0; i < QUAD; i++) {
      if (to === 'columns')
        gather(
          v,
          x[i]!,
          bases.map((_, part) => row(QUAD * part + i)),
        );
      else {
        a.vmulps(x[i]!, inverse, at(panel), i * f.width);
        if (to === 'rows-or-zero' && v.isWide) a.vmovaps(x[i]!, x[i]!, k1 | ZERO);
        else if (to === 'rows-or-zero') a.vandps(x[i]!, x[i]!, keep);
      }
    }
    transpose(a, x, t);
    for (let i = 0; i < QUAD; i++) {
      if (to === 'columns') a.vmovups(at(panel), i * f.width, x[i]!);
      else
        scatter(
          v,
          x[i]!,
          bases.map((_, part) => row(QUAD * part + i)),
        );
    }
    for (const base of bases) a.addi(base, 4 * QUAD);
    a.addi(panel, QUAD * f.width);
    a.dec(count);
    a.jnz(loop);
  }
  a.bind(done);
}

/** 128 bits from each address. */
function gather({ a, isWide }: Vectors, x: Vector, [first, ...others]: readonly Address[]): void {
  a.vmovups(xmm(x & 0xff), first!, 0);
  others.forEach((address, i) => {
    a[isWide ? 'vinsertf32x4' : 'vinsertf128'](x, x, address, 0, i + 1);
  });
}

function scatter({ a, isWide }: Vectors, x: Vector, [first, ...others]: readonly Address[]): void {
  a.vmovups(first!, 0, xmm(x & 0xff));
  others.forEach((address, i) => {
    a[isWide ? 'vextractf32x4' : 'vextractf128'](address, 0, x, i + 1);
  });
}

/** Transposes four by four elements in each 128 bits of `x`. Clobbers `t`. */
function transpose(a: Assembler, x: readonly Vector[], t: readonly Vector[]): void {
  for (const i of [0, 2]) {
    a.vunpcklps(t[i]!, x[i]!, x[i + 1]!);
    a.vunpckhps(t[i + 1]!, x[i]!, x[i + 1]!);
  }
  for (let i = 0; i < QUAD; i++) a.vshufps(x[i]!, t[i >> 1]!, t[2 + (i >> 1)]!, i % 2 === 0 ? LOWS : HIGHS);
}

/** The lower, and the higher, pair of each operand. */
const [LOWS, HIGHS] = [0x44, 0xee];
