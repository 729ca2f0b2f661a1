/** Softmax along rows: three passes over a row that stays in the cache. */

import { r8, r10, type Vector } from '@espalier/x64';
import { EXP_TEMPORARIES, emitExpOfNegative, emitLog, LOG_TEMPORARIES, type Vectors } from '../../math/index.ts';
import { emitFold, emitPass, emitRows, UNROLL } from '../row.ts';

/** The greatest element, powers and their sum, division by it; for the logarithm powers are not kept. */
export function emitSoftmaxRows(v: Vectors, isLog: boolean): void {
  const { a } = v;
  const sums = Array.from({ length: UNROLL }, (_, i) => v.register(i));
  const [sum] = sums as [Vector];
  const [x, top] = [v.register(4), v.register(5)];
  const temporaries = Array.from({ length: Math.max(EXP_TEMPORARIES, LOG_TEMPORARIES) }, (_, i) => v.register(6 + i));
  emitRows(a, [r8, r10], [], () => {
    v.fill(top, Number.NEGATIVE_INFINITY);
    for (const each of sums) a.vmovaps(each, top);
    emitPass(v, (block) => {
      block.loadOr(x, r8, top);
      a.vmaxps(sums[block.index]!, sums[block.index]!, x);
    });
    emitFold(v, sums, 'vmaxps');
    a.vmovaps(top, sum);
    for (const each of sums) a.vxorps(each, each, each);
    emitPass(v, (block) => {
      block.load(x, r8);
      a.vsubps(x, x, top);
      emitExpOfNegative(v, x, temporaries);
      block.clear(x);
      if (!isLog) block.store(r10, x);
      a.vaddps(sums[block.index]!, sums[block.index]!, x);
    });
    emitFold(v, sums, 'vaddps');
    if (isLog) emitLog(v, sum, temporaries);
    else {
      v.fill(top, 1);
      a.vdivps(sum, top, sum);
    }
    emitPass(v, (block) => {
      block.load(x, isLog ? r8 : r10);
      if (isLog) {
        a.vsubps(x, x, top);
        a.vsubps(x, x, sum);
      } else a.vmulps(x, x, sum);
      block.store(r10, x);
    });
  });
}
