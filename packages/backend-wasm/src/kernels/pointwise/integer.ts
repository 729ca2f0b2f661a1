/** Functions of integers: up to 32 bits in lanes of 32, whose low bits are what is stored, and of 64. */

import type { DType } from '@espalier/core';
import { type Code, type Pointwise, truth } from './op.ts';

/** As dtypes, and as the lanes that they are computed in. */
const kinds = [
  { of: 's32', lane: 4, types: ['int32', 'int16', 'int8', 'uint16', 'uint8'], signed: ['int32', 'int16', 'int8'] },
  { of: 's64', lane: 8, types: ['int64'], signed: ['int64'] },
] as const;

const orders = { Equal: 'eq', Less: 'lt_s', LessOrEqual: 'le_s', Greater: 'gt_s', GreaterOrEqual: 'ge_s' } as const;

export const integerOps = (): readonly Pointwise[] =>
  kinds.flatMap(({ of, lane, types, signed }) => {
    const op = (
      name: string,
      code: Code,
      dtypes: readonly DType[] = types,
      more: Partial<Pointwise> = {},
    ): Pointwise => ({
      op: name,
      of,
      types: { T: dtypes },
      lane,
      cost: 2,
      code: () => ({ label: '', code }),
      ...more,
    });
    const shape = lane === 4 ? 'i32x4' : 'i64x2';
    const extremum =
      (order: 'gt_s' | 'lt_s'): Code =>
      (v, x, [y]) =>
        v.select(v.bin(`${shape}_${order}`, x, y!), x, y!);
    return [
      op('Add', (v, x, [y]) => v.bin(`${shape}_add`, x, y!)),
      op('Sub', (v, x, [y]) => v.bin(`${shape}_sub`, x, y!)),
      op('Mul', (v, x, [y]) => v.bin(`${shape}_mul`, x, y!)),
      op('Neg', (v, x) => v.un(`${shape}_neg`, x), signed),
      op('Max', extremum('gt_s'), types, { folds: true }),
      op('Min', extremum('lt_s'), types, { folds: true }),
      ...(Object.keys(orders) as (keyof typeof orders)[]).map((name) =>
        op(
          name,
          (v, x, [y]) => truth(v, v.bin(`${shape}_${orders[name]}`, x, y!), lane),
          name === 'Equal' && lane === 4 ? [...types, 'bool'] : types,
          { isTest: true },
        ),
      ),
    ];
  });
