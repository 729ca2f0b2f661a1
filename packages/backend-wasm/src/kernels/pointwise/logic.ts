/** Truth values, and the choice between two tensors by them. */

import type { DType } from '@espalier/core';
import type { Expr, Vectors } from '../../vectors.ts';
import type { Size } from '../lanes.ts';
import type { Code, Pointwise } from './op.ts';

const ones = (v: Vectors): Expr => v.f.v128_constant(new Uint8Array(16).fill(1));
/** Makes 1 of any bits but none. */
const truth = (v: Vectors, x: Expr): Expr => v.bin('i8x16_min_u', x, ones(v));

const logic = (op: string, code: Code): Pointwise => ({
  op,
  of: 'b8',
  types: { T: ['bool'] },
  lane: 1,
  cost: 1,
  code: () => ({ label: '', code }),
});

/** By the bytes of an element. */
const choices = {
  1: { equal: 'i8x16_eq', types: ['bool', 'int8', 'uint8'] },
  2: { equal: 'i16x8_eq', types: ['float16', 'bfloat16', 'int16', 'uint16'] },
  4: { equal: 'i32x4_eq', types: ['int32', 'uint32'] },
  8: { equal: 'i64x2_eq', types: ['float64', 'int64', 'uint64'] },
} as const satisfies Record<Size, { types: readonly DType[]; equal: string }>;

/** The condition comes in lanes of the size of what it chooses from. */
const choice = (of: string, T: readonly DType[], lane: Size): Pointwise => ({
  op: 'Where',
  of,
  types: { T },
  lane,
  cost: 2,
  code: () => ({
    label: '',
    code: (v, x, [yes, no]) => v.select(v.bin(choices[lane].equal, x, v.bits(0)), no!, yes!),
  }),
});

export const logicOps = (): readonly Pointwise[] => [
  logic('And', (v, x, [y]) => v.bin('v128_and', truth(v, x), truth(v, y!))),
  logic('Or', (v, x, [y]) => v.bin('v128_or', truth(v, x), truth(v, y!))),
  logic('Xor', (v, x, [y]) => v.bin('v128_xor', truth(v, x), truth(v, y!))),
  logic('Not', (v, x) => v.bin('v128_xor', truth(v, x), ones(v))),
  choice('f32', ['float32'], 4),
  ...([1, 2, 4, 8] as const).map((lane) => choice(`b${8 * lane}`, choices[lane].types, lane)),
];
