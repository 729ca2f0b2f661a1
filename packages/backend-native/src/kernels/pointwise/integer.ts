/** Functions of integers: up to 32 bits in lanes of 32, whose low bits are what is stored, and of 64. */

import type { DType } from '@espalier/core';
import { k7, type Vector } from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';
import { type Emit, emitBool, type Pointwise } from './op.ts';

/** As dtypes, and as the lanes that they are computed in. */
const kinds = [
  { of: 's32', lane: 4, types: ['int32', 'int16', 'int8', 'uint16', 'uint8'], signed: ['int32', 'int16', 'int8'] },
  { of: 's64', lane: 8, types: ['int64'], signed: ['int64'] },
] as const;
type Lane = (typeof kinds)[number]['lane'];

/** Of the processor's integer comparisons. */
const orders = { Equal: 0, Less: 1, LessOrEqual: 2, GreaterOrEqual: 5, Greater: 6 } as const;
type Order = keyof typeof orders;

const comparison =
  (lane: Lane, order: Order): Emit =>
  (v, x, [ones], _, [y]) => {
    if (v.isWide) v.a[lane === 4 ? 'vpcmpd' : 'vpcmpq'](k7, x, y!, orders[order]);
    else compareNarrow(v, lane, order, x, y!, ones!);
    emitBool(v, x, lane);
  };

function compareNarrow({ a }: Vectors, lane: Lane, order: Order, x: Vector, y: Vector, ones: Vector): void {
  const greater = lane === 4 ? 'vpcmpgtd' : 'vpcmpgtq';
  if (order === 'Equal') a[lane === 4 ? 'vpcmpeqd' : 'vpcmpeqq'](x, x, y);
  else if (order === 'Greater' || order === 'LessOrEqual') a[greater](x, x, y);
  else a[greater](x, y, x);
  if (order !== 'LessOrEqual' && order !== 'GreaterOrEqual') return;
  a.vpcmpeqd(ones, ones, ones);
  a.vxorps(x, x, ones);
}

const extremum =
  (lane: Lane, isMost: boolean): Emit =>
  ({ a, isWide }, x, [mask], _, [y]) => {
    if (lane === 4) a[isMost ? 'vpmaxsd' : 'vpminsd'](x, x, y!);
    else if (isWide) a[isMost ? 'vpmaxsq' : 'vpminsq'](x, x, y!);
    else {
      if (isMost) a.vpcmpgtq(mask!, y!, x);
      else a.vpcmpgtq(mask!, x, y!);
      a.vblendvpd(x, x, y!, mask!);
    }
  };

const product =
  (lane: Lane): Emit =>
  ({ a, isWide }, x, [high, t], _, [y]) => {
    if (lane === 4) a.vpmulld(x, x, y!);
    else if (isWide) a.vpmullq(x, x, y!);
    else {
      // Without the product of the upper halves, which is beyond 64 bits.
      a.vpsrlqi(high!, x, 32);
      a.vpmuludq(high!, high!, y!);
      a.vpsrlqi(t!, y!, 32);
      a.vpmuludq(t!, t!, x);
      a.vpaddq(high!, high!, t!);
      a.vpsllqi(high!, high!, 32);
      a.vpmuludq(x, x, y!);
      a.vpaddq(x, x, high!);
    }
  };

const negative =
  (lane: Lane): Emit =>
  ({ a }, x, [zero]) => {
    a.vxorps(zero!, zero!, zero!);
    a[lane === 4 ? 'vpsubd' : 'vpsubq'](x, zero!, x);
  };

export const integerOps: readonly Pointwise[] = kinds.flatMap(({ of, lane, types, signed }) => {
  const op = (name: string, emit: Emit, dtypes: readonly DType[] = types, folds = false): Pointwise => ({
    op: name,
    of,
    types: { T: dtypes },
    lane,
    cost: [2, 2],
    code: () => emit,
    ...(folds ? { folds } : {}),
  });
  return [
    op('Add', ({ a }, x, _t, _attrs, [y]) => a[lane === 4 ? 'vpaddd' : 'vpaddq'](x, x, y!)),
    op('Sub', ({ a }, x, _t, _attrs, [y]) => a[lane === 4 ? 'vpsubd' : 'vpsubq'](x, x, y!)),
    op('Mul', product(lane)),
    op('Neg', negative(lane), signed),
    op('Max', extremum(lane, true), types, true),
    op('Min', extremum(lane, false), types, true),
    ...(Object.keys(orders) as Order[]).map((name) =>
      op(name, comparison(lane, name), name === 'Equal' && lane === 4 ? [...types, 'bool'] : types),
    ),
  ];
});
