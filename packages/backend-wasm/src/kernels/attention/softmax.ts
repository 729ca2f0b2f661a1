/** Scores of one query become shares of its keys, unscaled; what they are to be scaled by is the result. */

import type { Func, Local, ModuleBuilder } from '@espalier/wasm';
import { expOfNegative } from '../../math/index.ts';
import { type Expr, Vectors } from '../../vectors.ts';
import { keep } from '../arguments.ts';
import { accumulators, type Block, emitPass, fold } from '../row.ts';

export interface Variant {
  readonly isRelaxed: boolean;
  readonly mask: 'none' | 'float' | 'bool';
  readonly isCausal: boolean;
  /** A query that sees no key gives 0. */
  readonly nanToZero: boolean;
}

/** Scores, keys that are seen, keys, scale, the mask's row, bytes of the mask from key to key. */
export type ShareOf = Func<readonly ['i32', 'i32', 'i32', 'f32', 'i32', 'i32'], 'f32'>;

export function emitShares(module: ModuleBuilder, { isRelaxed, mask, isCausal, nanToZero }: Variant): ShareOf {
  return module.func(['i32', 'i32', 'i32', 'f32', 'i32', 'i32'], 'f32', (f, scores, seen, keys, scale, row, step) => {
    const v = new Vectors(f, isRelaxed);
    const factor = v.keep(() => f.f32x4_splat(scale.get()));
    const tops = accumulators(v, Number.NEGATIVE_INFINITY);
    const scored = (body: (block: Block, score: Expr, at: (pointer: Local<'i32'>) => Local<'i32'>) => void): void => {
      if (mask === 'none') {
        emitPass(v, seen, [scores], (block, at) => body(block, v.mul(block.load(at(scores)), factor), at));
        return;
      }
      const bytes = mask === 'bool' ? 1 : 4;
      const pass = (isShared: boolean): void => {
        const own = keep(f, row.get());
        emitPass(v, seen, isShared ? [scores] : [scores, { pointer: own, bytes }], (block, at) => {
          const score = v.keep(v.mul(block.load(at(scores)), factor));
          const masked: Expr = isShared ? one(own) : many(block, at(own));
          const hidden = mask === 'bool' ? v.select(masked, score, Number.NEGATIVE_INFINITY) : v.add(score, masked);
          body(block, hidden, at);
        });
      };
      f.if(
        step.get(),
        () => pass(false),
        () => pass(true),
      );
    };
    const truth = (bytes: Expr): Expr => v.bin('i32x4_ne', bytes, v.bits(0));
    /** A mask's element for all keys. */
    const one = (pointer: Local<'i32'>): Expr =>
      mask === 'bool'
        ? truth(() => f.i32x4_splat(f.i32_load8_u(pointer.get())))
        : () => f.v128_load32_splat(pointer.get());
    /** Those of a block, each in its lane. */
    const many = (block: Block, pointer: Local<'i32'>): Expr =>
      mask === 'bool' ? truth(block.loadBytes(pointer)) : block.load(pointer);

    scored((block, score, at) => {
      const x = v.keep(score);
      block.store(at(scores), x);
      v.set(tops[block.index]!, v.bin('f32x4_pmax', tops[block.index]!, x));
    });
    const top = fold(v, tops, 'f32x4_pmax');
    if (nanToZero) v.set(top, v.select(v.bin('f32x4_eq', top, Number.NEGATIVE_INFINITY), 0, top));
    const sums = accumulators(v, 0);
    emitPass(v, seen, [scores], (block, at) => {
      const power = v.keep(expOfNegative(v, v.sub(block.load(at(scores)), top)));
      block.store(at(scores), power);
      v.set(sums[block.index]!, v.add(sums[block.index]!, block.clear(power)));
    });
    if (isCausal) {
      const zero = v.keep(0);
      const [hidden, behind] = [
        keep(f, f.i32_sub(keys.get(), seen.get())),
        keep(f, f.i32_add(scores.get(), f.i32_shl(seen.get(), f.i32_const(2)))),
      ];
      emitPass(v, hidden, [behind], (block, at) => block.store(at(behind), zero));
    }
    const sum = fold(v, sums, 'f32x4_add');
    const share = v.keep(v.div(1, sum));
    if (nanToZero) v.set(share, v.select(v.bin('f32x4_eq', sum, 0), 0, share));
    f.f32x4_extract_lane(share.get(), 0);
  });
}
