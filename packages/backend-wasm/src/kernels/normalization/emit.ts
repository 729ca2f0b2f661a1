/** Emits layer normalisation of rows, after adding another tensor where there is one. */

import type { Body } from '../../code.ts';
import { Vectors } from '../../vectors.ts';
import { accumulators, emitPass, emitRows, fold } from '../row.ts';

export interface Variant {
  readonly isRelaxed: boolean;
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
export function pointersOf({ hasSkip, hasSum, hasBias }: Variant): {
  readonly moving: readonly (keyof Pointers<unknown>)[];
  readonly fixed: readonly (keyof Pointers<unknown>)[];
} {
  return {
    moving: ['x', ...(hasSkip ? (['skip'] as const) : []), 'y', ...(hasSum ? (['sum'] as const) : [])],
    fixed: ['scale', ...(hasBias ? (['bias'] as const) : [])],
  };
}

/**
 * Three passes over a row that stays in the cache: mean, variance, result. The sum with `skip` waits for the others in `sum`, or in
 * `y`. Differences to the mean are exact where a large mean rounds, so that their own mean corrects it (Chan, Golub and LeVeque,
 * "Algorithms for computing the sample variance", 1983).
 */
export const emitLayerNormalization =
  (variant: Variant): Body =>
  (f, args, unit) => {
    const v = new Vectors(f, variant.isRelaxed);
    const { moving, fixed } = pointersOf(variant);
    emitRows(f, args, unit, moving.length, fixed.length, (columns, pointers) => {
      const p = Object.fromEntries([...moving, ...fixed].map((name, i) => [name, pointers[i]!])) as unknown as Pointers<
        (typeof pointers)[number]
      >;
      const source = variant.hasSum ? p.sum : variant.hasSkip ? p.y : p.x;
      const share = v.keep(v.div(1, () => f.f32x4_splat(f.f32_convert_i32_u(columns.get()))));
      const sums = accumulators(v, 0);
      const first = variant.hasSkip ? [p.x, p.skip, source] : [p.x];
      emitPass(v, columns, first, (block, at) => {
        const x = v.keep(variant.hasSkip ? v.add(block.load(at(p.x)), block.load(at(p.skip))) : block.load(at(p.x)));
        if (variant.hasSkip) block.store(at(source), x);
        v.set(sums[block.index]!, v.add(sums[block.index]!, block.clear(x)));
      });
      const mean = v.keep(v.mul(fold(v, sums, 'f32x4_add'), share));
      const [squares, residues] = [accumulators(v, 0), accumulators(v, 0)];
      emitPass(v, columns, [source], (block, at) => {
        const x = v.keep(block.clear(v.sub(block.load(at(source)), mean)));
        const [square, residue] = [squares[block.index]!, residues[block.index]!];
        v.set(residue, v.add(residue, x));
        v.set(square, v.madd(x, x, square));
      });
      const residue = v.keep(v.mul(fold(v, residues, 'f32x4_add'), share));
      const variance = v.nmadd(residue, residue, v.mul(fold(v, squares, 'f32x4_add'), share));
      const inverse = v.keep(v.div(1, v.un('f32x4_sqrt', v.add(variance, variant.epsilon))));
      const shift = v.keep(v.mul(residue, inverse));
      emitPass(v, columns, [source, p.y, p.scale, ...(variant.hasBias ? [p.bias] : [])], (block, at) => {
        const x = v.sub(v.mul(v.sub(block.load(at(source)), mean), inverse), shift);
        const scale = block.load(at(p.scale));
        const y = variant.hasBias ? v.madd(x, scale, block.load(at(p.bias))) : v.mul(x, scale);
        block.store(at(p.y), v.keep(y));
      });
    });
  };
