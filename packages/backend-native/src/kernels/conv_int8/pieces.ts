/** Runs of bytes copied into rows of patches, as wide and as unsigned as dot products take them, or filled with one level. */

import {
  type Assembler,
  al,
  at,
  ax,
  byte,
  eax,
  type Gpr,
  r8,
  rax,
  rsi,
  type Vector,
  word,
  xmm,
  ymm,
  zmm,
} from '@espalier/x64';
import { avx512 } from '../matmul/isa.ts';
import { type DotIsa, elementBytes, register } from '../matmul_int8/isa.ts';

/** Where runs come from and go to. */
export const [from, to]: readonly [Gpr, Gpr] = [rsi, r8];

/** Runs of more vectors than this are copied in a loop, so many at a time. */
const MOST_VECTORS = 8;
const ROUND = 4;
/** Registers: what is copied, the level to fill with, what turns signed bytes into unsigned ones. */
const [X, FILL, FLIP] = [0, 5, 6];

/** A register that holds so many bytes; of those below 16 it holds more. */
const holding = (bytes: number, i: number): Vector => (bytes === 64 ? zmm : bytes === 32 ? ymm : xmm)(i);

export class Pieces {
  private readonly a: Assembler;
  private readonly isa: DotIsa;
  private readonly signed: boolean;
  /** How many elements a move may have, most first. */
  private readonly widths: readonly number[];

  /** @param signed elements in memory are, and become unsigned */
  constructor(a: Assembler, isa: DotIsa, signed: boolean) {
    this.a = a;
    this.isa = isa;
    this.signed = signed;
    const isWide = isa.floats === avx512;
    this.widths = elementBytes(isa) === 2 ? [16, 8, 1] : [...(isWide ? [64] : []), 32, 16, 8, 4, 2, 1];
  }

  /** Sets registers 5 and 6, which are to stay: the level to fill with is in eax, unsigned. */
  begin(): void {
    const { a, isa } = this;
    a.vmovd(xmm(FILL), eax);
    if (elementBytes(isa) === 2) a.vpbroadcastw(register(isa, FILL), xmm(FILL));
    else a.vpbroadcastb(register(isa, FILL), xmm(FILL));
    if (this.signed) a.vpbroadcastd(register(isa, FLIP), a.constant(Uint32Array.of(0x80808080)));
  }

  /** Copies so many elements. Changes rax. */
  copy(elements: number): void {
    this.run(elements, (width, base, offset) => {
      const { a } = this;
      const x = holding(width, X);
      const target = offset * elementBytes(this.isa);
      if (width <= 2) {
        if (width === 2) a.movzx(eax, word(from), offset);
        else a.movzx(eax, byte(from), offset);
        if (this.signed) a.xori(eax, width === 2 ? 0x8080 : 0x80);
        if (width * elementBytes(this.isa) === 2) a.mov(word(to), target, ax);
        else a.mov(byte(to), target, al);
        return;
      }
      const [source, goal] = base
        ? [at(from, base), at(to, base, elementBytes(this.isa) as 1 | 2)]
        : [at(from), at(to)];
      if (width === 4) a.vmovd(x, source, offset);
      else if (width === 8) a.vmovq(x, source, offset);
      else a.vmovups(x, source, offset);
      if (this.signed) a.vxorps(x, x, holding(width, FLIP));
      if (elementBytes(this.isa) === 2) {
        a.vpmovzxbw(holding(2 * width, X), xmm(X));
        a.vmovups(goal, target, holding(2 * width, X));
      } else this.store(width, goal, target, x);
    });
  }

  /** Stores the level so many times. Changes rax. */
  level(elements: number): void {
    this.run(elements, (width, base, offset) => {
      const { a } = this;
      const bytes = width * elementBytes(this.isa);
      const target = offset * elementBytes(this.isa);
      if (bytes > 2) {
        this.store(bytes, base ? at(to, base, elementBytes(this.isa) as 1 | 2) : at(to), target, holding(bytes, FILL));
        return;
      }
      a.vmovd(eax, xmm(FILL));
      if (bytes === 2) a.mov(word(to), target, ax);
      else a.mov(byte(to), target, al);
    });
  }

  /** The level, as the bytes are, into the register. */
  loadLevel(to: Gpr): void {
    const { a } = this;
    a.vmovd(to, xmm(FILL));
    a.andi(to, elementBytes(this.isa) === 2 ? 0xffff : 0xff);
  }

  private store(bytes: number, address: ReturnType<typeof at>, offset: number, x: Vector): void {
    const { a } = this;
    if (bytes === 4) a.vmovd(address, offset, x);
    else if (bytes === 8) a.vmovq(address, offset, x);
    else a.vmovups(address, offset, x);
  }

  /** Moves that together cover `count` elements; the last ones may overlap. Of long runs most in a loop that counts in `base`. */
  private run(count: number, move: (width: number, base: Gpr | undefined, offset: number) => void): void {
    const { a } = this;
    const [most] = this.widths as [number];
    let done = 0;
    if (count > MOST_VECTORS * most) {
      done = count - (count % (ROUND * most));
      a.movi(rax, 0);
      const loop = a.here();
      for (let i = 0; i < ROUND; i++) move(most, rax, i * most);
      a.addi(rax, ROUND * most);
      a.cmpi(rax, done);
      a.jb(loop);
    }
    for (const width of this.widths) {
      while (done + width <= count) {
        move(width, undefined, done);
        done += width;
        // What is left fits into a shorter move, which may begin before.
        const rest = count - done;
        const last = this.widths.findLast((each) => each >= rest && each <= count);
        if (rest === 0 || last === undefined) continue;
        move(last, undefined, count - last);
        return;
      }
    }
  }
}
