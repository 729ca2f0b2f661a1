/** Vectors of elements of 1, 2, 4 or 8 bytes, loaded from and stored as elements of that size or a smaller one. */

import { al, at, ax, byte, cl, eax, type Gpr, k1, rax, rcx, type Vector, word, xmm, ymm, ZERO } from '@espalier/x64';
import type { Vectors } from '../math/index.ts';

/** Bytes of an element. */
export type Size = 1 | 2 | 4 | 8;

/** Which of a vector's elements: all, as many as the mask says, the first. */
export type Part = 'all' | 'some' | 'one';

/** The register that holds the mask where it is a vector, and one that narrowing stores clobber there. */
const [MASK, NARROW] = [15, 14];

/** Loads that widen, by the bytes before and after, with zeros and with the sign. */
const widening = {
  '1:2': ['vpmovzxbw', 'vpmovsxbw'],
  '1:4': ['vpmovzxbd', 'vpmovsxbd'],
  '1:8': ['vpmovzxbq', 'vpmovsxbq'],
  '2:4': ['vpmovzxwd', 'vpmovsxwd'],
  '2:8': ['vpmovzxwq', 'vpmovsxwq'],
  '4:8': ['vpmovzxdq', 'vpmovsxdq'],
} as const;
/** Stores that narrow, by the bytes before and after. */
const narrowing = {
  '2:1': 'vpmovwb',
  '4:1': 'vpmovdb',
  '4:2': 'vpmovdw',
  '8:1': 'vpmovqb',
  '8:2': 'vpmovqw',
  '8:4': 'vpmovqd',
} as const;
const moves = { 1: 'vmovdqu8', 2: 'vmovdqu16', 4: 'vmovdqu32', 8: 'vmovdqu64' } as const;

export class Lanes {
  readonly v: Vectors;
  readonly size: Size;
  /** Elements of a vector. */
  readonly count: number;

  constructor(v: Vectors, size: Size) {
    this.v = v;
    this.size = size;
    this.count = v.bytes / size;
  }

  /** True where a part of a vector can be loaded and stored under a mask. */
  canMask(sizes: readonly Size[]): boolean {
    return this.v.isWide || (this.size >= 4 && sizes.every((size) => size === this.size));
  }

  /** Makes the mask cover as many elements as rcx says, from one to all but one. Clobbers rax, rcx. */
  setMask(): void {
    const { v, size } = this;
    const { a } = v;
    if (v.isWide) {
      a.movi(rax, 1);
      a.shl(rax, cl);
      a.dec(rax);
      a.kmovq(k1, rax);
      return;
    }
    // A window that slides over ones, then zeros.
    const window = Int8Array.from({ length: 2 * v.bytes }, (_, i) => (i < v.bytes ? -1 : 0));
    a.lea(rax, a.constant(window));
    a.imuli(rcx, rcx, size);
    a.sub(rax, rcx);
    a.vmovups(v.register(MASK), at(rax), v.bytes);
  }

  /**
   * Elements of `from` bytes, made as wide as the lanes with their sign or with zeros. Clobbers rax.
   * @param disp bytes from the pointer
   */
  load(dst: Vector, from: Size, isSigned: boolean, pointer: Gpr, disp: number, part: Part): void {
    const { a, isWide } = this.v;
    const option = part === 'some' && isWide ? k1 | ZERO : 0;
    if (part === 'one') this.loadOne(xmm(dst & 0xff), from, isSigned, pointer);
    else if (from !== this.size)
      a[widening[`${from}:${this.size}` as keyof typeof widening][isSigned ? 1 : 0]](dst, at(pointer), disp, option);
    else if (part === 'all') a.vmovups(dst, at(pointer), disp);
    else if (isWide) a[moves[from]](dst, at(pointer), disp, option);
    else a[from === 8 ? 'vmaskmovpd' : 'vmaskmovps'](dst, this.v.register(MASK), at(pointer), disp);
  }

  private loadOne(dst: Vector, from: Size, isSigned: boolean, pointer: Gpr): void {
    const { a } = this.v;
    if (from === 8) a.vmovq(dst, at(pointer), 0);
    else if (from === 4 && !isSigned) a.vmovd(dst, at(pointer), 0);
    else {
      if (from === 4) a.movsxd(rax, at(pointer), 0);
      else if (isSigned) a.movsx(rax, (from === 1 ? byte : word)(pointer), 0);
      else a.movzx(eax, (from === 1 ? byte : word)(pointer), 0);
      a.vmovq(dst, rax);
    }
  }

  /** The low `to` bytes of each element. Clobbers `src` where it is wider, and rax. */
  store(pointer: Gpr, disp: number, src: Vector, to: Size, part: Part): void {
    const { a, isWide } = this.v;
    const option = part === 'some' && isWide ? k1 : 0;
    if (part === 'one') this.storeOne(pointer, xmm(src & 0xff), to);
    else if (to !== this.size && isWide)
      a[narrowing[`${this.size}:${to}` as keyof typeof narrowing]](at(pointer), disp, src, option);
    else if (to !== this.size) this.narrow(pointer, disp, ymm(src & 0xff), to);
    else if (part === 'all') a.vmovups(at(pointer), disp, src);
    else if (isWide) a[moves[to]](at(pointer), disp, src, option);
    else a[to === 8 ? 'vmaskmovpd' : 'vmaskmovps'](at(pointer), disp, this.v.register(MASK), src);
  }

  private storeOne(pointer: Gpr, src: Vector, to: Size): void {
    const { a } = this.v;
    if (to === 8) a.vmovq(at(pointer), 0, src);
    else if (to === 4) a.vmovd(at(pointer), 0, src);
    else {
      a.vmovd(eax, src);
      if (to === 1) a.mov(at(pointer), 0, al);
      else a.mov(at(pointer), 0, ax);
    }
  }

  /** With AVX2: the low bytes to the front of each half, then the halves together. */
  private narrow(pointer: Gpr, disp: number, src: Vector, to: Size): void {
    const { a } = this.v;
    const kept = Array.from({ length: 16 / this.size }, (_, i) =>
      Array.from({ length: to }, (_, b) => i * this.size + b),
    );
    const half = [...kept.flat(), ...new Array<number>(16).fill(0x80)].slice(0, 16);
    a.vpshufb(src, src, a.constant(Uint8Array.from([...half, ...half])), 0);
    const [low, high] = [xmm(src & 0xff), xmm(NARROW)];
    a.vextracti128(high, src, 1);
    const bytes = (16 / this.size) * to;
    if (bytes === 8) a.vpunpcklqdq(low, low, high);
    else if (bytes === 4) a.vpunpckldq(low, low, high);
    else a.vpunpcklwd(low, low, high);
    if (bytes === 8) a.vmovups(at(pointer), disp, low);
    else if (bytes === 4) a.vmovq(at(pointer), disp, low);
    else a.vmovd(at(pointer), disp, low);
  }
}

const broadcasts = { 1: 'vpbroadcastb', 2: 'vpbroadcastw', 4: 'vpbroadcastd', 8: 'vpbroadcastq' } as const;

/** The element at `pointer` into every lane of a vector of elements of `size` bytes. */
export function spread({ a }: Vectors, dst: Vector, size: Size, pointer: Gpr): void {
  a[broadcasts[size]](dst, at(pointer), 0);
}
