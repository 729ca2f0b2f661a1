/** Weights of few bits, of which all are stored. */

import { at, zmm } from '@espalier/x64';
import { panel, weightsAt } from './frame.ts';
import { BRICK, brickBytes, type Levels, LINE, padded } from './layout.ts';
import type { Bricks } from './product.ts';

/** Weights as they lie, and as bytes; what they are masked with. */
const [RAW, HIGH, LOW_BITS, ALL_BITS, SHIFT] = [20, 21, 26, 27, 28];
const BYTES = [22, 23];

/** How far ahead of its use a line is fetched: bytes straight to where they are used, what takes longer to unpack than to read no nearer than need be. */
const fetches = {
  bytes: { into: 'prefetcht0', ahead: 4096 },
  bits: { into: 'prefetcht1', ahead: 6144 },
} as const;

/** @param panelBytes from panel to panel */
export function planes({ bits }: Levels, panelBytes: number): Bricks {
  const { into, ahead } = fetches[bits === 8 ? 'bytes' : 'bits'];
  const everywhere = (value: number): number => (value * 0x01010101) >>> 0;
  return {
    begin(a) {
      a.imuli(panel, panel, panelBytes);
      a.add(weightsAt, panel);
      if (bits === 8) return;
      const low = bits === 4 ? 15 : 3;
      a.vpbroadcastd(zmm(LOW_BITS), a.constant(Uint32Array.of(everywhere(low))));
      if (bits === 3) a.vpbroadcastd(zmm(ALL_BITS), a.constant(Uint32Array.of(everywhere(7))));
    },
    beginSpan(a, bricksAt) {
      if (bricksAt > 0) a[into](at(weightsAt), ahead);
      return weightsAt;
    },
    endSpan: (a, steps, bricksAt) => a.addi(weightsAt, bricksAt + (padded(steps) / BRICK) * brickBytes(bits)),
    load(a, brick, quad, bricksAt) {
      const to = zmm(BYTES[quad % 2]!);
      const base = bricksAt + brick * brickBytes(bits);
      const fetch = (register: number, line: number): void => {
        a.vmovups(zmm(register), at(weightsAt), base + LINE * line);
        a[into](at(weightsAt), ahead + base + LINE * line);
      };
      if (bits === 8) {
        fetch(BYTES[quad % 2]!, quad);
        return to;
      }
      const low = bits === 4 ? 4 : 2;
      const perLine = 8 / low;
      if (quad % perLine === 0) fetch(RAW, quad / perLine);
      if (bits === 3 && quad === 0) fetch(HIGH, 2);
      const shift = low * (quad % perLine);
      if (bits !== 3) {
        if (shift > 0) a.vpsrlwi(to, zmm(RAW), shift);
        a.vpandd(to, shift > 0 ? to : zmm(RAW), zmm(LOW_BITS));
        return to;
      }
      if (shift > 0) a.vpsrlwi(to, zmm(RAW), shift);
      else a.vmovaps(to, zmm(RAW));
      const high = zmm(SHIFT);
      if (quad < 2) a.vpsllwi(high, zmm(HIGH), 2 - quad);
      else if (quad > 2) a.vpsrlwi(high, zmm(HIGH), quad - 2);
      a.vpternlogd(to, quad === 2 ? zmm(HIGH) : high, zmm(LOW_BITS), SELECT);
      a.vpandd(to, to, zmm(ALL_BITS));
      return to;
    },
  };
}

/** Bits of the first where the third has ones, else of the second. */
const SELECT = 0xe4;
