/** From scores to weights, key by key: as lanes are queries, nothing is added up across lanes. */

import { at, BROADCAST, k1, r8, r9, rbx, rcx, type Vector } from '@espalier/x64';
import { EXP_TEMPORARIES, emitExpOfNegative } from '../../math/index.ts';
import { type Frame, VECTORS } from './frame.ts';
import { eachPair, emitPairs, loadPairOrder } from './round.ts';

/** `shared`: a number for each key; `own`: one for each key and query. */
type MaskKind = 'none' | 'shared' | 'own';

/** The registers of a value that each vector of queries has. */
const groupOf =
  ({ v }: Frame, group: number) =>
  (i: number): Vector =>
    v.register(group * VECTORS + i);

/** Runs `body` for each current key, whose scores are at r8. Clobbers rcx. */
function eachKey(f: Frame, body: () => void): void {
  const { a } = f;
  a.lea(r8, at(rbx), f.scoresAt);
  a.mov(rcx, ...f.local('count'));
  const loop = a.here();
  body();
  a.addi(r8, f.width);
  a.dec(rcx);
  a.jnz(loop);
}

/** Masks scores, and follows how large the greatest is: `decay` is what older weights are multiplied by. */
export function emitTop(f: Frame, vectors: number, mask: MaskKind, isCausal: boolean): void {
  const { a, v } = f;
  const indices = Array.from({ length: vectors }, (_, i) => i);
  const [top, seen, x] = [groupOf(f, 0), groupOf(f, 1), groupOf(f, 2)];
  const [key, one, hidden, later, added] = Array.from({ length: 5 }, (_, i) => v.register(3 * VECTORS + i)) as [
    ...[Vector, Vector, Vector, Vector, Vector],
  ];
  for (const i of indices) a.vmovups(top(i), ...f.vector('top', i));
  if (isCausal) {
    for (const i of indices) a.vmovups(seen(i), ...f.vector('positions', i));
    a.vpbroadcastd(key, ...f.local('key'));
    a.vpbroadcastd(one, a.constant(Int32Array.of(1)), 0);
    v.fill(hidden, Number.NEGATIVE_INFINITY);
  }
  if (mask !== 'none') f.place(r9, 'maskAt');
  eachKey(f, () => {
    if (mask === 'shared' && !v.isWide) a.vbroadcastss(added, at(r9), 0);
    for (const i of indices) {
      a.vmovups(x(i), at(r8), i * v.bytes);
      if (mask === 'own') a.vaddps(x(i), x(i), at(r9), i * v.bytes);
      else if (mask === 'shared' && v.isWide) a.vaddps(x(i), x(i), at(r9), 0, BROADCAST);
      else if (mask === 'shared') a.vaddps(x(i), x(i), added);
      if (isCausal && v.isWide) {
        a.vpcmpgtd(k1, key, seen(i));
        a.vblendmps(x(i), x(i), hidden, k1);
      } else if (isCausal) {
        a.vpcmpgtd(later, key, seen(i));
        a.vblendvps(x(i), x(i), hidden, later);
      }
      if (isCausal || mask !== 'none') a.vmovups(at(r8), i * v.bytes, x(i));
      // No number leaves the greatest as it is; the weights become none all the same.
      a.vmaxps(top(i), x(i), top(i));
    }
    if (isCausal) a.vpaddd(key, key, one);
    if (mask !== 'none') a.addi(r9, mask === 'own' ? f.width : 4);
  });
  for (const i of indices) {
    const temporaries = Array.from({ length: EXP_TEMPORARIES }, (_, k) => v.register(3 * VECTORS + k));
    a.vmovups(x(i), ...f.vector('top', i));
    a.vsubps(x(i), x(i), top(i));
    emitExpOfNegative(v, x(i), temporaries);
    for (const [name, register] of [
      ['top', top(i)],
      ['decay', x(i)],
    ] as const) {
      const [address, offset] = f.vector(name, i);
      a.vmovups(address, offset, register);
    }
  }
}

/** Weights instead of scores, and their sum; rounded, where values are, after they were added up. */
export function emitWeights(f: Frame, vectors: number): void {
  const { a, v } = f;
  const indices = Array.from({ length: vectors }, (_, i) => i);
  const [top, sum] = [groupOf(f, 0), groupOf(f, 1)];
  const [x, next, order] = [0, 1, 2].map((k) => v.register(2 * VECTORS + k)) as [Vector, Vector, Vector];
  const temporaries = Array.from({ length: EXP_TEMPORARIES }, (_, k) => v.register(2 * VECTORS + 3 + k));
  const weigh = (weight: Vector, key: number, i: number): void => {
    a.vmovups(weight, at(r8), key * f.width + i * v.bytes);
    a.vsubps(weight, weight, top(i));
    emitExpOfNegative(v, weight, temporaries);
    a.vaddps(sum(i), sum(i), weight);
  };
  for (const i of indices) {
    a.vmovups(top(i), ...f.vector('top', i));
    a.vmovups(sum(i), ...f.vector('sum', i));
    a.vmulps(sum(i), sum(i), ...f.vector('decay', i));
  }
  if (f.isRounded) {
    // A row of pairs lies where the scores of keys before were.
    loadPairOrder(v, order);
    a.lea(r8, at(rbx), f.scoresAt);
    a.mov(r9, r8);
    a.mov(rcx, ...f.local('count'));
    eachPair(a, (keys) => {
      for (const i of indices) {
        weigh(x, 0, i);
        if (keys > 1) weigh(next, 1, i);
        else a.vxorps(next, next, next);
        emitPairs(v, x, next, order);
        a.vmovups(at(r9), i * v.bytes, x);
      }
      a.addi(r8, keys * f.width);
      a.addi(r9, f.width);
    });
  } else
    eachKey(f, () => {
      for (const i of indices) {
        weigh(x, 0, i);
        a.vmovups(at(r8), i * v.bytes, x);
      }
    });
  for (const i of indices) {
    const [address, offset] = f.vector('sum', i);
    a.vmovups(address, offset, sum(i));
  }
}
