/** ArgMax and ArgMin: where the largest or the smallest element of a line is. Elements are compared as 64-bit integers. */

import type { DType } from '@espalier/core';
import { at, k7, r10, r11, r12, r13, rax, rcx, rdi, rsp, type Vector, xmm } from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';
import { Lanes, type Part, type Size } from '../lanes.ts';
import { frameAt } from '../walk.ts';
import { emitAcross, emitAlong, emitElements, FROM, LENGTH, READ, TO } from './emit.ts';

/** How elements are found and which. */
export interface Search {
  readonly dtype: DType;
  readonly size: Size;
  readonly isSigned: boolean;
  readonly isMost: boolean;
  /** Of equal ones the last rather than the first. */
  readonly isLast: boolean;
}

const INDEX = 8;
/** Predicates of vpcmpq. */
const [LESS, LESS_OR_EQUAL, GREATER_OR_EQUAL, GREATER] = [1, 2, 5, 6];
/** The greatest magnitude of a float32's bits that is none of NaN. */
const INFINITY = 0x7f800000n;
/** Beyond all keys of numbers. */
const BEYOND = 1n << 40n;

/** Vectors of lines that are neighbours. */
export function emitSearchAcross(v: Vectors, search: Search): void {
  const { a } = v;
  const { size, isSigned } = search;
  const emitter = new Emitter(v, search);
  const { lanes, best, found, x, index } = emitter;
  const one = v.register(9);
  emitAcross(v, lanes, [INDEX, size], 1, (part: Part) => {
    a.mov(READ, FROM);
    lanes.load(best, size, isSigned, READ, 0, part);
    emitter.key(best);
    for (const each of [found, index]) a.vxorps(each, each, each);
    emitter.fill(one, 1n);
    emitElements(
      v,
      () => {
        a.vpaddq(index, index, one);
        lanes.load(x, size, isSigned, READ, 0, part);
        emitter.key(x);
        emitter.take();
      },
      true,
    );
    lanes.store(TO, 0, found, INDEX, part);
  });
}

/** Lines whose elements stand together: in each lane every so many elements, then the lanes. */
export function emitSearchAlong(v: Vectors, search: Search): void {
  const { a } = v;
  const { size, isSigned } = search;
  const emitter = new Emitter(v, search);
  const { lanes, best, found, x, index } = emitter;
  const step = v.register(9);
  const keys = frameAt(2);
  const places = keys + v.bytes;
  emitAlong(v, 2 * v.bytes, () => {
    a.mov(READ, FROM);
    lanes.load(best, size, isSigned, READ, 0, 'one');
    a.vpbroadcastq(best, xmm(best & 0xff));
    emitter.key(best);
    a.vxorps(found, found, found);
    a.vmovups(index, a.constant(BigInt64Array.from({ length: lanes.count }, (_, i) => BigInt(i))), 0);
    emitter.fill(step, BigInt(lanes.count));
    const [loop, tail, rest, fold] = [a.label(), a.label(), a.label(), a.label()];
    a.mov(r12, at(rdi), LENGTH);
    a.mov(r13, r12);
    a.subi(r12, lanes.count);
    a.jb(tail);
    a.bind(loop);
    lanes.load(x, size, isSigned, READ, 0, 'all');
    emitter.key(x);
    emitter.take();
    a.vpaddq(index, index, step);
    a.addi(READ, lanes.count * size);
    a.subi(r12, lanes.count);
    a.jae(loop);
    a.bind(tail);
    a.addi(r12, lanes.count);
    a.jz(fold);
    // The elements that are left are shown to all lanes.
    a.sub(r13, r12);
    a.bind(rest);
    lanes.load(x, size, isSigned, READ, 0, 'one');
    a.vpbroadcastq(x, xmm(x & 0xff));
    emitter.key(x);
    a.vmovq(xmm(index & 0xff), r13);
    a.vpbroadcastq(index, xmm(index & 0xff));
    emitter.take();
    a.inc(r13);
    a.addi(READ, size);
    a.dec(r12);
    a.jnz(rest);
    a.bind(fold);
    a.vmovups(at(rsp), keys, best);
    a.vmovups(at(rsp), places, found);
    emitter.fold(keys, places);
    a.mov(at(TO), 0, rcx);
  });
}

class Emitter {
  readonly lanes: Lanes;
  readonly best: Vector;
  readonly found: Vector;
  readonly x: Vector;
  readonly index: Vector;
  private readonly v: Vectors;
  private readonly search: Search;
  private readonly temporaries: readonly [Vector, Vector, Vector];

  constructor(v: Vectors, search: Search) {
    this.v = v;
    this.search = search;
    this.lanes = new Lanes(v, INDEX);
    [this.best, this.found, this.x, this.index] = [v.register(0), v.register(1), v.register(2), v.register(3)];
    this.temporaries = [v.register(4), v.register(5), v.register(6)];
  }

  fill(dst: Vector, value: bigint): void {
    this.v.a.vmovups(dst, this.everywhere(value), 0);
  }

  private everywhere(value: bigint) {
    return this.v.a.constant(new BigInt64Array(this.lanes.count).fill(value));
  }

  /** Bits of float32, with their sign, as integers of the same order: both zeros are 0, and NaN is beyond all others. */
  key(x: Vector): void {
    if (this.search.dtype !== 'float32') return;
    const { a } = this.v;
    const [sign, size, flipped] = this.temporaries;
    a.vpsradi(sign, x, 31);
    a.vandps(size, x, this.everywhere(0x7fffffffn), 0);
    a.vandps(flipped, sign, this.everywhere(0x7fffffffn), 0);
    a.vxorps(x, x, flipped);
    a.vpsubq(x, x, sign);
    this.fill(flipped, INFINITY);
    a.vpsubq(size, flipped, size);
    // Below zero in both halves, or in neither.
    a.vpsradi(size, size, 31);
    a.vandnps(x, size, x);
    a.vandps(size, size, this.everywhere(this.search.isMost ? BEYOND : -BEYOND), 0);
    a.vorps(x, x, size);
  }

  /** Keeps `x` and its index in lanes where it is better than what was found. */
  take(): void {
    const { a, isWide } = this.v;
    const { best, found, x, index } = this;
    const { isMost, isLast } = this.search;
    if (isWide) {
      a.vpcmpq(k7, x, best, isMost ? (isLast ? GREATER_OR_EQUAL : GREATER) : isLast ? LESS_OR_EQUAL : LESS);
      a.vpblendmq(best, best, x, k7);
      a.vpblendmq(found, found, index, k7);
      return;
    }
    // There is no comparison for equal ones too: what is kept is what is better.
    const [better] = this.temporaries;
    const [left, right] = isMost !== isLast ? [x, best] : [best, x];
    a.vpcmpgtq(better, left, right);
    for (const [held, other] of [
      [best, x],
      [found, index],
    ] as const) {
      if (isLast) a.vblendvpd(held, other, held, better);
      else a.vblendvpd(held, held, other, better);
    }
  }

  /** The place, in rcx, of the best key of all lanes in the frame. Clobbers rax, r10, r11. */
  fold(keys: number, places: number): void {
    const { a } = this.v;
    const { isMost, isLast } = this.search;
    a.mov(rax, at(rsp), keys);
    a.mov(rcx, at(rsp), places);
    for (let lane = 1; lane < this.lanes.count; lane++) {
      const [take, skip] = [a.label(), a.label()];
      a.mov(r10, at(rsp), keys + 8 * lane);
      a.mov(r11, at(rsp), places + 8 * lane);
      a.cmp(r10, rax);
      if (isMost) a.jg(take);
      else a.jl(take);
      a.jne(skip);
      a.cmp(r11, rcx);
      if (isLast) a.jbe(skip);
      else a.jae(skip);
      a.bind(take);
      a.mov(rax, r10);
      a.mov(rcx, r11);
      a.bind(skip);
    }
  }
}
