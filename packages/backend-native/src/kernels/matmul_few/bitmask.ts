/** Weights of few bits, of which those that are not zero are stored, and for each a bit that says whether it is. */

import { type Assembler, at, k3, qword, r14, r15, rax, zmm } from '@espalier/x64';
import { panel, weightsAt } from './frame.ts';
import { BRICK, type Levels, LINE, QUADS } from './layout.ts';
import type { Place } from './pack.ts';
import type { Bricks } from './product.ts';

/** The span's parameters, and the masks of a brick: a word for each quad, a bit for each of its weights. */
const [spanAt, masksAt] = [r15, r14];
/** Registers: stored weights, as bytes, and what zeros become; a mask for each half of a byte. */
const [STORED, SHIFTED, ZERO_LEVEL, NIBBLES] = [20, 21, 26, 27];
const BYTES = [22, 23];
const AHEAD = 4096;

/** Bits of a stored weight. */
export const storedBits = ({ bits }: Pick<Levels, 'bits'>): 4 | 8 => (bits === 8 ? 8 : 4);
/** Bytes behind the last weight that are read too. */
export const OVERREAD = LINE;

/** Weights begin with a table: where each panel begins, from there on. */
export function emitLocate(a: Assembler): void {
  a.add(weightsAt, at(weightsAt, panel, 8), 0);
}

export function bitmask(levels: Levels): Bricks {
  const bits = storedBits(levels);
  return {
    begin(a) {
      emitLocate(a);
      a.vpbroadcastd(zmm(ZERO_LEVEL), a.constant(Uint32Array.of((levels.zero as number) * 0x01010101)));
      if (bits === 4) a.vpbroadcastd(zmm(NIBBLES), a.constant(Uint32Array.of(0x0f0f0f0f)));
    },
    beginSpan(a, bricksAt) {
      a.mov(spanAt, weightsAt);
      a.addi(weightsAt, bricksAt);
      return spanAt;
    },
    load(a, _, quad) {
      if (quad === 0) {
        a.mov(masksAt, weightsAt);
        a.addi(weightsAt, 8 * QUADS);
      }
      const to = zmm(BYTES[quad % 2]!);
      a.kmovq(k3, at(masksAt), 8 * quad);
      a.popcnt(rax, qword(masksAt), 8 * quad);
      if (bits === 8) a.vmovups(zmm(STORED), at(weightsAt));
      else {
        a.vpmovzxbw(zmm(STORED), at(weightsAt));
        a.vpsllwi(zmm(SHIFTED), zmm(STORED), 4);
        a.vpternlogd(zmm(STORED), zmm(SHIFTED), zmm(NIBBLES), EITHER_MASKED);
        a.inc(rax);
        a.shr(rax, 1);
      }
      a.prefetcht0(at(weightsAt), AHEAD);
      a.vmovaps(to, zmm(ZERO_LEVEL));
      a.vpexpandb(to, zmm(STORED), k3);
      a.add(weightsAt, rax);
      return to;
    },
    endSpan: () => {},
  };
}

/** Bits of the first or the second, where the third has ones. */
const EITHER_MASKED = 0xa8;

/** Bytes that a matrix takes at most, but for its parameters: masks, weights, and the half byte behind an odd number of halves. */
export function bitmaskBytes(levels: Levels, elements: number, nonzeros: number): number {
  const halves = storedBits(levels) === 4 ? elements / 64 / 2 : 0;
  return elements / 8 + (nonzeros * storedBits(levels)) / 8 + halves;
}

/** Writes the bricks of a span, zeros left out. */
export function writeBitmask(levels: Levels, weights: Uint8Array, to: Uint8Array) {
  const { n, zero } = levels;
  const isHalf = storedBits(levels) === 4;
  return (start: number, { first, steps, column, columns }: Place): number => {
    let at = start;
    for (let brick = 0; brick < steps; brick += BRICK) {
      const masks = at;
      at += 8 * QUADS;
      for (let quad = 0; brick + quad < steps && quad < BRICK; quad += 4) {
        let stored = 0;
        for (let i = 0; i < columns; i++)
          for (let step = brick + quad; step < Math.min(steps, brick + quad + 4); step++) {
            const level = weights[(first + step) * n + column + i]!;
            if (level === zero) continue;
            const bit = 4 * i + step - brick - quad;
            to[masks + 2 * quad + (bit >> 3)]! |= 1 << (bit & 7);
            if (isHalf) to[at + (stored >> 1)]! |= level << (4 * (stored & 1));
            else to[at + stored] = level;
            stored++;
          }
        at += isHalf ? (stored + 1) >> 1 : stored;
      }
    }
    return at - start;
  };
}
