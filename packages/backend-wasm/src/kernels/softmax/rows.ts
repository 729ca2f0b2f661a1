/** Softmax along rows: three passes over a row that stays in the cache. */

import type { Body } from '../../code.ts';
import { expOfNegative, log } from '../../math/index.ts';
import { Vectors } from '../../vectors.ts';
import { accumulators, emitPass, emitRows, fold } from '../row.ts';

export interface Softmax {
  readonly isRelaxed: boolean;
  readonly isLog: boolean;
}

/** The greatest element, powers and their sum, division by it; for the logarithm powers are not kept. */
export const emitSoftmaxRows =
  ({ isRelaxed, isLog }: Softmax): Body =>
  (f, args, unit) => {
    const v = new Vectors(f, isRelaxed);
    emitRows(f, args, unit, 2, 0, (columns, [from, to]) => {
      const tops = accumulators(v, Number.NEGATIVE_INFINITY);
      emitPass(v, columns, [from!], (block, at) => {
        const top = tops[block.index]!;
        v.set(top, v.bin('f32x4_pmax', top, block.load(at(from!))));
      });
      const top = fold(v, tops, 'f32x4_pmax');
      const sums = accumulators(v, 0);
      emitPass(v, columns, [from!, to!], (block, at) => {
        const power = v.keep(expOfNegative(v, v.sub(block.load(at(from!)), top)));
        if (!isLog) block.store(at(to!), power);
        v.set(sums[block.index]!, v.add(sums[block.index]!, block.clear(power)));
      });
      const sum = fold(v, sums, 'f32x4_add');
      const share = v.keep(isLog ? log(v, sum) : v.div(1, sum));
      emitPass(v, columns, [from!, to!], (block, at) => {
        const result = isLog ? v.sub(v.sub(block.load(at(from!)), top), share) : v.mul(block.load(at(to!)), share);
        block.store(at(to!), v.keep(result));
      });
    });
  };
