/** Conversions between dtypes, in lanes of 32 bits, or of 64 where one side has them. */

import { type DType, dtypes } from '@espalier/core';
import { fromHalf, toHalf } from './half.ts';
import { type Code, type Pointwise, truth } from './op.ts';

const ints: readonly DType[] = ['int32', 'int16', 'int8', 'uint8', 'bool'];

/** Floats become integers toward zero, NaN becomes 0; what is beyond the dtype but not 32 bits loses its upper bits. */
const cast =
  (from: DType, to: DType): Code =>
  (v, x) => {
    if (from === to) return x;
    if (from === 'float16') return fromHalf(v, x);
    if (to === 'float16') return toHalf(v, x);
    if (to === 'bool')
      return truth(v, from === 'float32' ? v.bin('f32x4_ne', x, 0) : v.bin('i32x4_ne', x, v.bits(0)), 4);
    if (from === 'float32') return v.un(`i32x4_trunc_sat_f32x4_${dtypes[to].kind === 'uint' ? 'u' : 's'}`, x);
    return to === 'float32' ? v.un('f32x4_convert_i32x4_s', x) : x;
  };

/** Where one side is int64: lanes of 64 bits, in which float32 has the lower half of the first. */
const castWide =
  (from: DType, to: DType): Code =>
  (v, x) => {
    const { f } = v;
    if (to === 'bool') return truth(v, v.bin('i64x2_ne', x, v.bits(0)), 8);
    if (to === 'float32') return () => f.f32x4_splat(f.f32_convert_i64_s(f.i64x2_extract_lane(x.get(), 0)));
    if (from === 'float32') return () => f.i64x2_splat(f.i64_trunc_sat_f32_s(f.f32x4_extract_lane(x.get(), 0)));
    return x;
  };

const row = (of: string, T1: readonly DType[], T2: readonly DType[], lane: 4 | 8, isScalar = false): Pointwise => ({
  op: 'Cast',
  of,
  types: { T1, T2 },
  lane,
  cost: isScalar ? 8 : 3,
  code: ({ inputs: [x], outputs: [y] }) => ({
    label: `${x!.dtype} ${y!.dtype}`,
    code: (lane === 4 ? cast : castWide)(x!.dtype, y!.dtype),
  }),
  isScalar,
});

export const castOps = (): readonly Pointwise[] => [
  row('any32_f32', ['float32', ...ints], ['float32'], 4),
  row('any32_s32', ['float32', ...ints], ints, 4),
  row('f16_f32', ['float16'], ['float32'], 4),
  row('f32_f16', ['float32'], ['float16'], 4),
  row('s64_s32', ['int64'], ints, 8),
  row('s32_s64', ints, ['int64'], 8),
  row('s64_f32', ['int64'], ['float32'], 8, true),
  row('f32_s64', ['float32'], ['int64'], 8, true),
];
