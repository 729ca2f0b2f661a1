/** CumSum: each element of a line and those before it, added up in order. */

import type { DType } from '@espalier/core';
import type { Vectors } from '../../math/index.ts';
import { Lanes, type Part } from '../lanes.ts';
import { emitAcross, emitElements, FROM, INTO, READ, TO } from './emit.ts';

const sums = {
  float32: { size: 4, name: 'vaddps' },
  int32: { size: 4, name: 'vpaddd' },
  int64: { size: 8, name: 'vpaddq' },
} as const satisfies Partial<Record<DType, unknown>>;
export type SummedType = keyof typeof sums;
export const summedTypes = Object.keys(sums) as SummedType[];

/** Vectors of lines that are added up together: lines that are far apart are read in longer pieces. */
const TOGETHER = 4;

/** @param isExclusive leaves out the element itself */
export function emitCumulative(v: Vectors, dtype: SummedType, isExclusive: boolean): void {
  const { a } = v;
  const { size, name } = sums[dtype];
  const lanes = new Lanes(v, size);
  const x = v.register(TOGETHER);
  emitAcross(v, lanes, [size, size], TOGETHER, (part: Part, count: number) => {
    const totals = Array.from({ length: count }, (_, i) => v.register(i));
    for (const total of totals) a.vxorps(total, total, total);
    a.mov(READ, FROM);
    a.mov(INTO, TO);
    emitElements(v, () => {
      for (const [i, total] of totals.entries()) {
        const store = (): void => lanes.store(INTO, i * v.bytes, total, size, part);
        lanes.load(x, size, false, READ, i * v.bytes, part);
        if (isExclusive) store();
        a[name](total, total, x);
        if (!isExclusive) store();
      }
    });
  });
}
