/** Levels of 8 bits: from floats and back, by scales and zero points that are one number, or one for each index of an axis. */

import { type Call, normalizeAxis, sizeOf } from '@espalier/core';
import type { Expr, Vectors } from '../../vectors.ts';
import type { Pointwise } from './op.ts';

const ranges: Readonly<Record<string, readonly [least: number, most: number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
};

const toFloat = (v: Vectors, x: Expr): Expr => v.un('f32x4_convert_i32x4_s', x);

/** Along the axis, if there is more than one. */
function dims({ attrs }: Call, x: readonly number[], own: readonly number[]): readonly number[] {
  if (sizeOf(own) === 1) return [];
  const axis = x.length === 1 ? 0 : normalizeAxis(attrs['axis'] as number, x.length);
  return x.map((_, i) => (i === axis ? own[0]! : 1));
}

const blocked = ({ attrs, inputs: [, scale] }: Call): string | undefined =>
  attrs['block_size'] === 0 || scale!.shape.every((d) => d === 1) ? undefined : 'its scales are those of blocks';

export const levelOps = (): readonly Pointwise[] => [
  {
    op: 'QuantizeLinear',
    of: 'f32u8',
    types: { T1: ['float32'], T2: ['float32'], T3: ['uint8', 'int8'] },
    lane: 4,
    cost: 12,
    isTest: true,
    dims,
    code(call) {
      const reason = blocked(call);
      if (reason !== undefined) return reason;
      const { dtype } = call.outputs[0]!;
      const [least, most] = ranges[dtype]!;
      return {
        label: dtype,
        code(v, x, [scale, zero]) {
          const level = v.un('f32x4_nearest', v.div(x, scale!));
          const moved = zero ? v.add(level, toFloat(v, zero)) : level;
          return v.un('i32x4_trunc_sat_f32x4_s', v.atMost(v.atLeast(moved, least), most));
        },
      };
    },
  },
  {
    op: 'DequantizeLinear',
    of: 'f32u8',
    types: { T1: ['uint8', 'int8', 'int32'], T2: ['float32'], T3: ['float32'] },
    lane: 4,
    cost: 5,
    dims,
    code: (call) =>
      blocked(call) ?? {
        label: call.inputs[0]!.dtype,
        code: (v, x, [scale, zero]) => v.mul(toFloat(v, zero ? v.bin('i32x4_sub', x, zero) : x), scale!),
      },
  },
];
