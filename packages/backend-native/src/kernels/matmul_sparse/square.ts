/** Sixteen vectors of sixteen floats, turned: element j of vector i becomes element i of vector j. */

import { type Assembler, type Vector, zmm } from '@espalier/x64';

export const SIDE = 16;

/** Turns registers from `first` on, 0 or 16; the other sixteen are clobbered. Rounds of shuffles: pairs, quads, then twice quarters of vectors. */
export function emitSquare(a: Assembler, first: 0 | 16 = 0): void {
  const low = (i: number): Vector => zmm(first + i);
  const high = (i: number): Vector => zmm(SIDE - first + i);
  for (let i = 0; i < SIDE; i += 2) {
    a.vunpcklps(high(i), low(i), low(i + 1));
    a.vunpckhps(high(i + 1), low(i), low(i + 1));
  }
  for (let i = 0; i < SIDE; i += 4) {
    a.vunpcklpd(low(i), high(i), high(i + 2));
    a.vunpckhpd(low(i + 1), high(i), high(i + 2));
    a.vunpcklpd(low(i + 2), high(i + 1), high(i + 3));
    a.vunpckhpd(low(i + 3), high(i + 1), high(i + 3));
  }
  const [EVEN, ODD] = [0x88, 0xdd];
  for (let half = 0; half < SIDE; half += 8)
    for (let j = 0; j < 4; j++) {
      a.vshuff32x4(high(half + j), low(half + j), low(half + 4 + j), EVEN);
      a.vshuff32x4(high(half + 4 + j), low(half + j), low(half + 4 + j), ODD);
    }
  for (let j = 0; j < 4; j++) {
    a.vshuff32x4(low(j), high(j), high(8 + j), EVEN);
    a.vshuff32x4(low(8 + j), high(j), high(8 + j), ODD);
    a.vshuff32x4(low(4 + j), high(4 + j), high(12 + j), EVEN);
    a.vshuff32x4(low(12 + j), high(4 + j), high(12 + j), ODD);
  }
}
