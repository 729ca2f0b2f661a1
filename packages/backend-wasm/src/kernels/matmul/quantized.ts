/** Weights of 8 bits that stay small in memory: packed beside their scales and zero points, and the code that widens a panel. */

import {
  type Call,
  type Constants,
  dtypes,
  elements,
  normalizeAxis,
  type Rejection,
  type Tensor,
} from '@espalier/core';
import type { ModuleBuilder } from '@espalier/wasm';
import { type V128, Vectors } from '../../vectors.ts';
import { advance, forEach, keep, limit, repeat } from '../arguments.ts';
import type { MakePanel } from './emit.ts';

export interface Quantized {
  readonly isSigned: boolean;
  readonly k: number;
  /** Rows of K that share scales and zero points. */
  readonly group: number;
}

/** How DequantizeMatMul's weights are to be packed, or why they cannot be. */
export function quantizedOf({ inputs, attrs }: Call, constants: Constants): Quantized | Rejection {
  const [b, scale, zero] = [1, 2, 3].map((i) => constants[i]?.tensor);
  if (!b || !scale || (inputs[3] && !zero))
    return { reason: 'the weights, their scales or zero points are not constant' };
  const [k, n] = b.dims as [number, number];
  if (k === 0 || n === 0) return { reason: 'the weights are empty' };
  const block = attrs['block_size'] as number;
  const isAcross = normalizeAxis(attrs['axis'] as number, 2) === 1;
  const group = scale.size === 1 || (isAcross && block === 0) ? k : isAcross ? 1 : Math.max(1, block);
  return { isSigned: dtypes[b.type].kind === 'int', k, group: Math.min(group, k) };
}

/** Bytes of a panel of `width` columns: each group's scales and zero points, then its rows. */
export function panelBytes({ k, group }: Quantized, width: number): number {
  return Math.ceil(k / group) * 8 * width + k * width;
}

/** Packs the weights; yields after each panel. */
export function* packQuantized(
  quantized: Quantized,
  { attrs }: Call,
  constants: Constants,
  width: number,
  to: Uint8Array,
): Generator<void, void> {
  const [b, scale, zero] = [1, 2, 3].map((i) => constants[i]?.tensor);
  const [k, n] = b!.dims as [number, number];
  const axis = normalizeAxis(attrs['axis'] as number, 2);
  const block = attrs['block_size'] as number;
  const perRow = scale!.dims.at(-1)!;
  const index = (row: number, column: number): number => {
    if (scale!.size === 1) return 0;
    if (block === 0) return axis === 0 ? row : column;
    return axis === 0 ? Math.floor(row / block) * perRow + column : row * perRow + Math.floor(column / block);
  };
  const read = (tensor: Tensor | undefined): ((row: number, column: number) => number) => {
    if (!tensor) return () => 0;
    const values = elements(tensor) as number[];
    return (row, column) => values[index(row, column)]!;
  };
  const [scaleOf, zeroOf] = [read(scale), read(zero)];
  const view = new DataView(to.buffer, to.byteOffset, to.byteLength);
  let write = 0;
  for (let column = 0; column < n; column += width) {
    const columns = Math.min(width, n - column);
    for (let row = 0; row < k; row++) {
      if (row % quantized.group === 0) {
        for (let i = 0; i < width; i++) {
          view.setFloat32(write + 4 * i, i < columns ? scaleOf(row, column + i) : 0, true);
          view.setFloat32(write + 4 * (width + i), i < columns ? zeroOf(row, column + i) : 0, true);
        }
        write += 8 * width;
      }
      for (let i = 0; i < width; i++) to[write + i] = i < columns ? b!.bytes[row * n + column + i]! : 0;
      write += width;
    }
    yield;
  }
}

/** To a panel of float32, from a packed one of eight columns. */
export function emitWiden(module: ModuleBuilder, quantized: Quantized): MakePanel {
  const { isSigned, k, group } = quantized;
  return module.func(['i32', 'i32', 'i32', 'i32'], undefined, (f, to, from, panel) => {
    const v = new Vectors(f, false);
    from.set(f.i32_add(from.get(), f.i32_mul(panel.get(), f.i32_const(panelBytes(quantized, 8)))));
    const s = isSigned ? 's' : 'u';
    const left = keep(f, f.i32_const(k));
    const [groups, done] = [keep(f, f.i32_const(Math.ceil(k / group))), keep(f, f.i32_const(0))];
    forEach(f, done, groups, () => {
      const load = (offset: number): V128 => v.keep(() => f.v128_load(from.get(), offset));
      const [scales, zeros] = [
        [load(0), load(16)],
        [load(32), load(48)],
      ];
      advance(f, from, 64);
      const rows = keep(f, left.get());
      limit(f, rows, keep(f, f.i32_const(group)));
      left.set(f.i32_sub(left.get(), rows.get()));
      repeat(f, rows, 1, () => {
        const levels = v.keep(() => f[`v128_load8x8_${s}`](from.get()));
        for (const [i, part] of (['low', 'high'] as const).entries()) {
          const wide = v.un('f32x4_convert_i32x4_s', v.un(`i32x4_extend_${part}_i16x8_s`, levels));
          f.v128_store(to.get(), v.push(v.mul(v.sub(wide, zeros[i]!), scales[i]!)), 16 * i);
        }
        advance(f, from, 8);
        advance(f, to, 32);
      });
    });
  });
}
