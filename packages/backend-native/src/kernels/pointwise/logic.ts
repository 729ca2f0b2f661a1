/** Truth values, and the choice between two tensors by them. */

import type { DType } from '@espalier/core';
import { k7, type Vector } from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';
import type { Size } from '../lanes.ts';
import type { Emit, Pointwise } from './op.ts';

/** Makes 1 of any bits but none. */
function emitTruth({ a, bytes }: Vectors, x: Vector): void {
  a.vpminub(x, x, a.constant(new Uint8Array(bytes).fill(1)), 0);
}

const binary =
  (name: 'vandps' | 'vorps' | 'vxorps'): Emit =>
  (v, x, [t], _, [y]) => {
    v.a.vmovaps(t!, y!);
    emitTruth(v, t!);
    emitTruth(v, x);
    v.a[name](x, x, t!);
  };

const not: Emit = (v, x) => {
  emitTruth(v, x);
  v.a.vxorps(x, x, v.a.constant(new Uint8Array(v.bytes).fill(1)), 0);
};

const logic = (op: string, emit: Emit): Pointwise => ({
  op,
  of: 'b8',
  types: { T: ['bool'] },
  lane: 1,
  cost: [1, 1],
  code: () => emit,
});

/** By the bytes of an element. */
const choices = {
  1: { test: 'vptestmb', blend: 'vpblendmb', equal: 'vpcmpeqb', types: ['bool', 'int8', 'uint8'] },
  2: { test: 'vptestmw', blend: 'vpblendmw', equal: 'vpcmpeqw', types: ['float16', 'bfloat16', 'int16', 'uint16'] },
  4: { test: 'vptestmd', blend: 'vpblendmd', equal: 'vpcmpeqd', types: ['int32', 'uint32'] },
  8: { test: 'vptestmq', blend: 'vpblendmq', equal: 'vpcmpeqq', types: ['float64', 'int64', 'uint64'] },
} as const satisfies Record<Size, { types: readonly DType[] } & Record<string, unknown>>;

/** The condition comes in lanes of the size of what it chooses from. */
const where =
  (lane: Size): Emit =>
  ({ a, isWide }, x, [zero], _, [yes, no]) => {
    const { test, blend, equal } = choices[lane];
    if (isWide) {
      a[test](k7, x, x);
      a[blend](x, no!, yes!, k7);
    } else {
      a.vxorps(zero!, zero!, zero!);
      a[equal](x, x, zero!);
      a.vpblendvb(x, yes!, no!, x);
    }
  };

const choice = (of: string, T: readonly DType[], lane: Size): Pointwise => ({
  op: 'Where',
  of,
  types: { T },
  lane,
  cost: [2, 2],
  code: () => where(lane),
});

export const logicOps: readonly Pointwise[] = [
  logic('And', binary('vandps')),
  logic('Or', binary('vorps')),
  logic('Xor', binary('vxorps')),
  logic('Not', not),
  choice('f32', ['float32'], 4),
  ...([1, 2, 4, 8] as const).map((lane) => choice(`b${8 * lane}`, choices[lane].types, lane)),
];
