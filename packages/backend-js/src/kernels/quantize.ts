/** Linear quantisation: per tensor, per axis, or in blocks along an axis. */

import { type Attributes, type HostKernel, integerRange, normalizeAxis, type Phase, sizeOf } from '@espalier/core';
import { agree } from '../agree.ts';
import { define, each, type Operand, type Operands, once } from '../define.ts';
import { roundHalfEven } from '../numeric.ts';

/** A row of `count` elements from `at` on: the scale of the first is at `scale`, that of each next one `step` further. */
type Row = (at: number, count: number, scale: number, step: number) => void;

/** Walks elements `from` to `to` of `x` together with their scales (and zero points, which lie alike). */
function granularity(
  x: Operand,
  scale: Operand,
  zero: Operand | undefined,
  attrs: Attributes,
): (from: number, to: number, row: Row) => void {
  if (zero) agree(zero.size, scale.size, 'zero points and scales');
  if (scale.size === 1) return (from, to, row) => row(from, to - from, 0, 0);
  const axis = x.dims.length === 1 ? 0 : normalizeAxis(attrs.axis as number, x.dims.length);
  const blockSize = attrs.block_size as number;
  const extent = x.dims[axis]!;
  const inner = sizeOf(x.dims.slice(axis + 1));
  const blocks = Math.ceil(extent / blockSize);
  const expected = blockSize === 0 ? extent : sizeOf(x.dims.slice(0, axis)) * blocks * inner;
  agree(scale.size, expected, `scales along axis ${axis} of [${x.dims}]`);
  return (from, to, row) => {
    for (let at = from; at < to; ) {
      const within = at % inner;
      const line = (at - within) / inner;
      const index = line % extent;
      const count = Math.min(inner - within, to - at);
      if (blockSize === 0) row(at, count, index, 0);
      else row(at, count, (((line - index) / extent) * blocks + Math.floor(index / blockSize)) * inner + within, 1);
      at += count;
    }
  };
}

/** Divides as float32 does, so that what lies halfway there is what is rounded to even. */
function quantize(x: number, scale: number, zero: number, low: number, high: number): number {
  return Math.min(Math.max(roundHalfEven(Math.fround(x / scale)) + zero, low), high);
}

/** What an op here takes of a call; its operands may be intermediate results of another op. */
type Io = Pick<Operands, 'inputs' | 'outputs' | 'attrs'>;

/** DequantizeLinear. */
export function dequantize({ inputs: [x, scale, zero], outputs: [y], attrs }: Io): Phase {
  const walk = granularity(x!, scale!, zero, attrs);
  return each(y!.size, (from, to) => {
    walk(from, to, (at, count, i, step) => {
      for (let k = at; k < at + count; k++, i += step)
        y!.data[k] = (x!.data[k] - (zero ? zero.data[i] : 0)) * scale!.data[i];
    });
  });
}

/** DynamicQuantizeLinear. */
export function dynamicQuantize({ inputs: [x], outputs: [y, scaleOut, zeroOut] }: Io): readonly Phase[] {
  const { fround } = Math;
  const data = x!.data;
  let [min, max, scale, zero] = [0, 0, 1, 0];
  return [
    {
      units: x!.size,
      sequential: true,
      run: (from, to) => {
        for (let i = from; i < to; i++) {
          if (data[i] < min) min = data[i];
          if (data[i] > max) max = data[i];
        }
      },
    },
    once(() => {
      // Where all elements are zero any scale serves, but 0 would make NaN of them.
      if (max > min) scale = fround(fround(max - min) / 255);
      zero = quantize(-min, scale, 0, 0, 255);
      if (scaleOut) scaleOut.data[0] = scale;
      if (zeroOut) zeroOut.data[0] = zero;
    }),
    ...(y
      ? [
          each(y.size, (from, to) => {
            for (let i = from; i < to; i++) y.data[i] = quantize(data[i], scale, zero, 0, 255);
          }),
        ]
      : []),
  ];
}

export const quantization: readonly HostKernel[] = [
  define({
    op: 'QuantizeLinear',
    compute: ({ inputs: [x, scale, zero], outputs: [y], attrs }) => {
      const walk = granularity(x!, scale!, zero, attrs);
      const [low, high] = integerRange(y!.dtype);
      return each(y!.size, (from, to) => {
        walk(from, to, (at, count, i, step) => {
          for (let k = at; k < at + count; k++, i += step)
            y!.data[k] = quantize(x!.data[k], scale!.data[i], zero ? zero.data[i] : 0, low, high);
        });
      });
    },
  }),
  define({ op: 'DequantizeLinear', compute: dequantize }),
  define({ op: 'DynamicQuantizeLinear', compute: dynamicQuantize }),
];
