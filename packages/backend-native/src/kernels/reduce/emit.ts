/** Emits reductions: of elements that stand together, into one total; and of rows, into a row of totals. */

import {
  at,
  k7,
  qword,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  type Vector,
  xmm,
  ymm,
  ZERO,
} from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';
import { Lanes, type Part } from '../lanes.ts';
import { emitRow, UNROLL } from '../row.ts';
import { emitWalk, stepsAt } from '../walk.ts';
import type { Pass, Reduction } from './functions.ts';

/** Axes that are folded at most, once those are one that can be. */
export const MOST_FOLDED = 3;
/** Bytes of words before those of the walk: extents and strides of the folded axes, innermost first, then how many elements that makes. */
export const FOLDED = 64;
const extent = (axis: number): number => 16 * axis - FOLDED;
const stride = (axis: number): number => extent(axis) + 8;
const COUNT = 16 * MOST_FOLDED - FOLDED;

/** Registers: totals, the top of each, an element, temporaries, the number of elements. */
const [TOP, X, TEMPORARY, NUMBER] = [UNROLL, 8, 9, 14];
const [TO, FROM] = [r8, r9];
const ORDERED = 7;
/** Bytes of a row that are folded at once: more of rows that are far apart evict what the processor fetches ahead. */
const TOGETHER = 256;

/** Arguments from {@link FOLDED} on: the walk of the result and the input, along the axes that stay. */
export function emitReduction(v: Vectors, reduction: Reduction, isInner: boolean): void {
  const { a } = v;
  const emitter = new Emitter(v, reduction);
  a.addi(rdi, FOLDED);
  emitWalk(
    a,
    [TO, FROM],
    0,
    () => emitter.count(),
    () => (isInner ? emitter.inner() : emitter.rows()),
  );
}

class Emitter {
  private readonly v: Vectors;
  private readonly reduction: Reduction;
  private readonly temporaries: readonly Vector[];
  private readonly x: Vector;
  private readonly number: Vector;

  constructor(v: Vectors, reduction: Reduction) {
    this.v = v;
    this.reduction = reduction;
    this.x = v.register(X);
    this.number = v.register(NUMBER);
    this.temporaries = Array.from({ length: NUMBER - TEMPORARY }, (_, i) => v.register(TEMPORARY + i));
  }

  /** Totals of neighbours that are made at once; a second pass needs the registers behind. */
  private get together(): number {
    return this.reduction.passes.length > 1 ? UNROLL : TOGETHER / this.v.bytes;
  }

  private total(i: number): Vector {
    return this.v.register(i);
  }

  private top(i: number): Vector {
    return this.v.register(TOP + i);
  }

  /** The number of elements, for what finishes. */
  count(): void {
    const { a } = this.v;
    if (!this.reduction.finish) return;
    a.mov(rax, at(rdi), COUNT);
    a.vcvtsi2ss(xmm(NUMBER), xmm(NUMBER), rax);
    a.vbroadcastss(this.number, xmm(NUMBER));
  }

  /** rcx results, one after the other, each of elements that stand together. */
  inner(): void {
    const { a } = this.v;
    const { passes } = this.reduction;
    const neutral = this.temporaries.at(-1)!;
    a.mov(rdx, rcx);
    const loop = a.here();
    for (const [i, pass] of passes.entries()) {
      this.begin(pass, UNROLL);
      this.nest(() => {
        this.fill(neutral, pass.neutral);
        a.mov(rcx, at(rdi), extent(0));
        emitRow(this.v, (block) => {
          block.loadOr(this.x, r14, neutral);
          pass.step(this.v, this.total(block.index), this.x, this.temporaries, this.top(0));
        });
      });
      this.fold(pass);
      if (i < passes.length - 1) this.keepTop(1);
    }
    this.finish(1);
    a.vmovd(at(TO), 0, xmm(0));
    a.add(TO, at(rdi), stepsAt(2));
    a.add(FROM, at(rdi), stepsAt(2) + 8);
    a.dec(rdx);
    a.jnz(loop);
  }

  /** rcx results that stand together, each of elements that do not. */
  rows(): void {
    const { a } = this.v;
    const lanes = new Lanes(this.v, 4);
    for (const count of [this.together, 1]) {
      const [loop, done] = [a.label(), a.label()];
      a.subi(rcx, count * lanes.count);
      a.jb(done);
      a.bind(loop);
      this.block(lanes, count, 'all');
      a.addi(TO, count * this.v.bytes);
      a.addi(FROM, count * this.v.bytes);
      a.subi(rcx, count * lanes.count);
      a.jae(loop);
      a.bind(done);
      a.addi(rcx, count * lanes.count);
    }
    const end = a.label();
    a.test(rcx, rcx);
    a.jz(end);
    lanes.setMask();
    this.block(lanes, 1, 'some');
    a.bind(end);
  }

  private block(lanes: Lanes, count: number, part: Part): void {
    const { a, bytes } = this.v;
    const { passes } = this.reduction;
    for (const [i, pass] of passes.entries()) {
      this.begin(pass, count);
      this.nest(() => {
        a.mov(r11, at(rdi), extent(0));
        const loop = a.here();
        for (let k = 0; k < count; k++) {
          lanes.load(this.x, 4, false, r14, k * bytes, part);
          pass.step(this.v, this.total(k), this.x, this.temporaries, this.top(k));
        }
        a.add(r14, at(rdi), stride(0));
        a.dec(r11);
        a.jnz(loop);
      });
      if (i < passes.length - 1) this.keepTop(count);
    }
    this.finish(count);
    for (let k = 0; k < count; k++) lanes.store(TO, k * bytes, this.total(k), 4, part);
  }

  private begin({ initial }: Pass, count: number): void {
    for (let i = 0; i < count; i++) this.fill(this.total(i), initial);
  }

  private fill(dst: Vector, bits: number): void {
    this.v.a.vpbroadcastd(dst, this.v.a.constant(Uint32Array.of(bits)), 0);
  }

  /** Where the first pass has ended: its totals help the second, except infinities and NaN, which say all there is to say. */
  private keepTop(count: number): void {
    const { a, isWide } = this.v;
    const [t] = this.temporaries as [Vector];
    for (let i = 0; i < count; i++) {
      const top = this.top(i);
      a.vmovaps(top, this.total(i));
      a.vsubps(t, top, top);
      if (isWide) {
        a.vcmpps(k7, t, t, ORDERED);
        a.vmovaps(top, top, k7 | ZERO);
      } else {
        a.vcmpps(t, t, t, ORDERED);
        a.vandps(top, top, t);
      }
    }
  }

  private finish(count: number): void {
    for (let i = 0; i < count; i++)
      this.reduction.finish?.(this.v, this.total(i), this.temporaries, this.top(i), this.number);
  }

  /** Walks the folded axes from `FROM` on, the innermost by `inner`, which finds its start in r14. */
  private nest(inner: () => void): void {
    const { a } = this.v;
    const none = a.label();
    a.cmpi(qword(rdi), COUNT, 0);
    a.je(none);
    a.mov(r12, FROM);
    a.mov(rbx, at(rdi), extent(2));
    const outermost = a.here();
    a.mov(r13, r12);
    a.mov(r10, at(rdi), extent(1));
    const middle = a.here();
    a.mov(r14, r13);
    inner();
    a.add(r13, at(rdi), stride(1));
    a.dec(r10);
    a.jnz(middle);
    a.add(r12, at(rdi), stride(2));
    a.dec(rbx);
    a.jnz(outermost);
    a.bind(none);
  }

  /** The totals into every lane of the first. */
  private fold({ join }: Pass): void {
    const { a, isWide } = this.v;
    const into = (total: Vector, x: Vector): void =>
      join(
        this.v,
        total,
        x,
        this.temporaries.map((t) => sized(t, total)),
        total,
      );
    for (let i = 1; i < UNROLL; i++) into(this.total(0), this.total(i));
    if (isWide) {
      a.vextractf64x4(ymm(1), this.total(0), 1);
      into(ymm(0), ymm(1));
    }
    a.vextractf128(xmm(1), ymm(0), 1);
    into(xmm(0), xmm(1));
    for (const order of [SWAP_PAIRS, SWAP_NEIGHBOURS]) {
      a.vpshufd(xmm(1), xmm(0), order);
      into(xmm(0), xmm(1));
    }
    a.vbroadcastss(this.total(0), xmm(0));
  }
}

/** The register in the width of another. */
const sized = (register: Vector, like: Vector): Vector => ((like & ~0xff) | (register & 0xff)) as Vector;
const SWAP_PAIRS = 0x4e;
const SWAP_NEIGHBOURS = 0xb1;
