/** Emits layer normalisation of rows, after adding another tensor where there is one. */

import { at, type Gpr, r8, r9, r10, r11, r12, r13, r14, r15, rbx, rdx, rsi, type Vector, xmm } from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';
import { emitFold, emitPass, emitRows, UNROLL } from '../row.ts';

export interface Variant {
  readonly epsilon: number;
  /** Adds `skip` first. */
  readonly hasSkip: boolean;
  /** Keeps what it normalises. */
  readonly hasSum: boolean;
  readonly hasBias: boolean;
}

/** By name, in the order of the arguments. */
export interface Pointers<T> {
  readonly x: T;
  readonly skip: T;
  readonly y: T;
  readonly sum: T;
  readonly scale: T;
  readonly bias: T;
}

/** Those that the variant has: they move from row to row, or stay. */
export function pointersOf<T>({ hasSkip, hasSum, hasBias }: Variant, p: Pointers<T>): { moving: T[]; fixed: T[] } {
  return {
    moving: [p.x, ...(hasSkip ? [p.skip] : []), p.y, ...(hasSum ? [p.sum] : [])],
    fixed: [p.scale, ...(hasBias ? [p.bias] : [])],
  };
}

const pointers: Pointers<Gpr> = { x: r8, skip: r9, y: r10, sum: r14, scale: r15, bias: rbx };

/**
 * Three passes over a row that stays in the cache: mean, variance, result. The sum with `skip` waits for the others in `sum`, or in
 * `y`. Differences to the mean are exact where a large mean rounds, so that their own mean corrects it (Chan, Golub and LeVeque,
 * "Algorithms for computing the sample variance", 1983).
 */
export function emitLayerNormalization(v: Vectors, variant: Variant): void {
  const { a } = v;
  const sums = Array.from({ length: UNROLL }, (_, i) => v.register(i));
  const residues = Array.from({ length: UNROLL }, (_, i) => v.register(UNROLL + i));
  const [x, mean, inverse, share, operand] = Array.from({ length: 5 }, (_, i) => v.register(2 * UNROLL + i));
  const { moving, fixed } = pointersOf(variant, pointers);
  const source = variant.hasSum ? pointers.sum : variant.hasSkip ? pointers.y : pointers.x;
  const clear = (registers: readonly Vector[]): void => {
    for (const each of registers) a.vxorps(each, each, each);
  };
  emitRows(a, moving, fixed, () => {
    // The reciprocal: what it loses in the mean, the residue brings back.
    const low = xmm(share! & 0xff);
    a.vxorps(low, low, low);
    a.vcvtsi2ss(low, low, r12);
    a.vbroadcastss(share!, low);
    v.fill(operand!, 1);
    a.vdivps(share!, operand!, share!);
    clear(sums);
    emitPass(v, (block) => {
      block.load(x!, pointers.x);
      if (variant.hasSkip) {
        block.load(operand!, pointers.skip);
        a.vaddps(x!, x!, operand!);
        block.store(source, x!);
      }
      a.vaddps(sums[block.index]!, sums[block.index]!, x!);
    });
    emitFold(v, sums, 'vaddps');
    a.vmulps(mean!, sums[0]!, share!);
    clear([...sums, ...residues]);
    // The next row comes from the second-level cache meanwhile; behind the last one nothing is fetched that matters.
    a.lea(rdx, at(pointers.x, r13));
    if (variant.hasSkip) a.lea(rsi, at(pointers.skip, r13));
    emitPass(v, (block) => {
      a.prefetcht0(at(rdx, r11), block.index * v.bytes);
      if (variant.hasSkip) a.prefetcht0(at(rsi, r11), block.index * v.bytes);
      block.load(x!, source);
      a.vsubps(x!, x!, mean!);
      block.clear(x!);
      a.vaddps(residues[block.index]!, residues[block.index]!, x!);
      a.vfmadd231ps(sums[block.index]!, x!, x!);
    });
    emitFold(v, sums, 'vaddps');
    emitFold(v, residues, 'vaddps');
    const [residue] = residues as [Vector];
    a.vmulps(residue, residue, share!);
    a.vmulps(inverse!, sums[0]!, share!);
    a.vfnmadd231ps(inverse!, residue, residue);
    a.vaddps(inverse!, inverse!, ...v.splat(variant.epsilon));
    a.vsqrtps(inverse!, inverse!);
    v.fill(operand!, 1);
    a.vdivps(inverse!, operand!, inverse!);
    a.vmulps(residue, residue, inverse!);
    emitPass(v, (block) => {
      block.load(x!, source);
      a.vsubps(x!, x!, mean!);
      a.vfmsub213ps(x!, inverse!, residue);
      block.load(operand!, pointers.scale);
      if (variant.hasBias) {
        block.load(sums[0]!, pointers.bias);
        a.vfmadd213ps(x!, operand!, sums[0]!);
      } else a.vmulps(x!, x!, operand!);
      block.store(pointers.y, x!);
    });
  });
}
