/** Resampling: Resize, GridSample and AffineGrid. */

import {
  type Attributes,
  dtypes,
  type HostKernel,
  integerRange,
  type Phase,
  type ResizeAxis,
  resizeAxes,
  resizeGeometry,
  sizeOf,
  stridesOf,
} from '@espalier/core';
import { agree } from '../agree.ts';
import { define, each, type Operand, type Operands, once, units } from '../define.ts';
import { type Floats, floating } from '../float.ts';
import { converter, roundHalfEven } from '../numeric.ts';
import { cubic, type Interpolation, type Padding, Sampler } from '../taps.ts';
import { rejectSpatial, triple } from '../windows.ts';

/** Which input positions an output position along one axis is made of. */
interface Taps {
  readonly count: number;
  /** `count` for each output position. */
  readonly index: Int32Array;
  readonly weight: Float64Array;
  /** Output positions that lie outside of the input and get the extrapolation value. */
  readonly outside: Uint8Array;
}

/**
 * The place in the input of position `x` of an output of `size`, along an axis of `length`. Source: ONNX Resize-19.
 * To float32, which brings what is meant to lie on a point, or halfway between two, there.
 */
function place(
  mode: string,
  x: number,
  length: number,
  { size, scale }: ResizeAxis,
  start: number,
  end: number,
): number {
  switch (mode) {
    case 'align_corners': {
      // Fractional where it comes from a scale: that is what the specification's tests take.
      const resized = Math.fround(length * scale);
      return resized === 1 ? 0 : Math.fround((x * (length - 1)) / (resized - 1));
    }
    case 'asymmetric':
      return Math.fround(x / scale);
    case 'pytorch_half_pixel':
      return size > 1 ? Math.fround((x + 0.5) / scale - 0.5) : 0;
    case 'half_pixel_symmetric':
      return Math.fround((length / 2) * (1 - size / (length * scale)) + (x + 0.5) / scale - 0.5);
    case 'tf_crop_and_resize':
      if (size === 1) return Math.fround(0.5 * (start + end) * (length - 1));
      return Math.fround(start * (length - 1) + (x * (end - start) * (length - 1)) / (size - 1));
    default:
      return Math.fround((x + 0.5) / scale - 0.5);
  }
}

const nearest: Readonly<Record<string, (x: number) => number>> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** The taps of one axis. `a` is the coefficient of cubic convolution. */
function tapsOf(attrs: Attributes, length: number, axis: ResizeAxis, start: number, end: number): Taps {
  const [mode, transformation, a] = [
    attrs['mode'],
    attrs['coordinate_transformation_mode'] as string,
    attrs['cubic_coeff_a'] as number,
  ];
  const { size } = axis;
  // Antialiasing stretches the filter over all the input that an output position stands for.
  const shrink = attrs['antialias'] === 1 ? Math.min(1, axis.scale) : 1;
  const reach = (mode === 'linear' ? 1 : 2) / shrink;
  const count = mode === 'nearest' ? 1 : Math.ceil(2 * reach);
  const index = new Int32Array(count * size);
  const weight = new Float64Array(count * size);
  const outside = new Uint8Array(size);
  const isExcluding = attrs['exclude_outside'] === 1;
  const clamp = (i: number): number => Math.min(length - 1, Math.max(0, i));
  for (let o = 0; o < size; o++) {
    const x = place(transformation, o, length, axis, start, end);
    if (transformation === 'tf_crop_and_resize' && !(x >= 0 && x <= length - 1)) outside[o] = 1;
    if (mode === 'nearest') {
      index[o] = clamp(nearest[attrs['nearest_mode'] as string](x));
      weight[o] = 1;
      continue;
    }
    const first = Math.floor(x - reach) + 1;
    let total = 0;
    for (let i = 0; i < count; i++) {
      const distance = Math.abs(first + i - x) * shrink;
      const isOutside = first + i < 0 || first + i >= length;
      const w = isExcluding && isOutside ? 0 : mode === 'linear' ? Math.max(0, 1 - distance) : cubic(distance, a);
      index[o * count + i] = clamp(first + i);
      weight[o * count + i] = w;
      total += w;
    }
    if (total !== 0) for (let i = 0; i < count; i++) weight[o * count + i] /= total;
  }
  return { count, index, weight, outside };
}

/** Stores floats in a tensor of any numeric dtype: integers rounded to nearest even and saturated. */
function storer(y: Operand): (at: number, value: number) => void {
  const { kind } = dtypes[y.dtype];
  const [least, greatest] = kind === 'float' ? [0, 0] : integerRange(y.dtype);
  const convert = converter('float64', y.dtype);
  return (at, value) => {
    y.data[at] = kind === 'float' ? value : convert(Math.min(greatest, Math.max(least, roundHalfEven(value))));
  };
}

function resize({ inputs: [x, roi, scales, sizes], outputs: [y], attrs }: Operands): Phase[] {
  const { dims } = x!;
  const given = scales?.size
    ? { scales: Array.from(scales.data as Float32Array) }
    : { sizes: Array.from(sizes!.data as BigInt64Array, Number) };
  const geometry = resizeGeometry(attrs, dims, given);
  geometry.forEach(({ size }, axis) => {
    agree(y!.dims[axis], size, `axis ${axis} of the output`);
  });
  const isCrop = attrs['coordinate_transformation_mode'] === 'tf_crop_and_resize';
  const taps: Taps[] = [];
  const prepare = once(() => {
    const axes = resizeAxes(attrs, dims.length);
    for (const [axis, length] of dims.entries()) {
      const at = axes.indexOf(axis);
      const isResized = isCrop && at >= 0;
      const [start, end] = isResized ? [roi!.data[at], roi!.data[axes.length + at]] : [0, 1];
      taps.push(tapsOf(attrs, length, geometry[axis], start, end));
    }
  });
  const extrapolate = storer(y!);
  const value = attrs['extrapolation_value'] as number;
  if (attrs['mode'] === 'nearest') return [prepare, gather(x!, y!, taps, (at) => extrapolate(at, value))];
  const { data, before } = floating(x!);
  const phases: Phase[] = [];
  let current = data;
  const shape = [...dims];
  geometry.forEach(({ size, scale }, axis) => {
    if (scale === 1 && size === dims[axis] && !isCrop) return;
    const from = [...shape];
    shape[axis] = size;
    const to: Floats = data instanceof Float32Array ? new Float32Array(sizeOf(shape)) : new Float64Array(sizeOf(shape));
    phases.push(pass(current, from, to, size, axis, taps));
    current = to;
  });
  const result = current;
  const strides = stridesOf(y!.dims);
  const finish = each(y!.size, (from, to) => {
    for (let at = from; at < to; at++) {
      const isOutside =
        isCrop && taps.some((t, axis) => t.outside[Math.floor(at / strides[axis]) % y!.dims[axis]] === 1);
      extrapolate(at, isOutside ? value : result[at]);
    }
  });
  return [...before, prepare, ...phases, finish];
}

/** Resizes one axis of elements `from` of `dims` to `size`; one unit per row of what lies behind that axis. */
function pass(
  from: Floats,
  dims: readonly number[],
  to: Floats,
  size: number,
  axis: number,
  taps: readonly Taps[],
): Phase {
  const [length, inner] = [dims[axis], sizeOf(dims.slice(axis + 1))];
  const run = (unit: number): void => {
    const { count, index, weight } = taps[axis];
    const outer = Math.floor(unit / size);
    const o = unit - outer * size;
    for (let i = 0; i < inner; i++) {
      let sum = 0;
      for (let t = o * count; t < (o + 1) * count; t++)
        sum += weight[t] * from[(outer * length + index[t]) * inner + i];
      to[unit * inner + i] = sum;
    }
  };
  return units(to.length / Math.max(1, inner), run);
}

/** Picks one input element for each output element; one unit per row of the last axis. */
function gather(x: Operand, y: Operand, taps: readonly Taps[], extrapolate: (at: number) => void): Phase {
  const last = y.dims.length - 1;
  const width = y.dims[last] ?? 1;
  const strides = stridesOf(x.dims);
  const run = (unit: number): void => {
    let [rest, base, isOutside] = [unit, 0, false];
    for (let axis = last - 1; axis >= 0; axis--) {
      const o = rest % y.dims[axis];
      rest = Math.floor(rest / y.dims[axis]);
      base += taps[axis].index[o] * strides[axis];
      isOutside ||= taps[axis].outside[o] === 1;
    }
    const row = taps[last];
    for (let o = 0; o < width; o++) {
      const at = unit * width + o;
      if (isOutside || row?.outside[o]) extrapolate(at);
      else y.data[at] = x.data[base + (row?.index[o] ?? 0)];
    }
  };
  return units(width === 0 ? 0 : y.size / width, run);
}

/** One unit per position of the grid, for all channels. */
function gridSample({ inputs: [x, grid], outputs: [y], attrs }: Operands): Phase[] {
  const [batch, channels, ...spatial] = x!.dims;
  const rank = spatial.length;
  const positions = sizeOf(y!.dims.slice(2));
  const size = sizeOf(spatial);
  const isAligned = attrs['align_corners'] === 1;
  const sampler = new Sampler(
    triple(spatial),
    attrs['mode'] as Interpolation,
    attrs['padding_mode'] as Padding,
    isAligned ? 0 : 0.5,
  );
  const { data, before } = floating(x!);
  const store = storer(y!);
  const run = (unit: number): void => {
    for (let axis = 0; axis < rank; axis++) {
      const g = grid!.data[unit * rank + rank - 1 - axis];
      const length = spatial[axis];
      const at = isAligned ? ((g + 1) / 2) * (length - 1) : ((g + 1) * length - 1) / 2;
      // To float32, which brings what is meant to lie halfway between two points there.
      sampler.move(axis + 3 - rank, Math.fround(at));
    }
    const image = Math.floor(unit / positions);
    for (let c = 0; c < channels; c++) {
      const plane = image * channels + c;
      store(plane * positions + unit - image * positions, sampler.read(data, plane * size));
    }
  };
  return [...before, units(batch * positions, run)];
}

function affineGrid({ inputs: [theta], outputs: [grid], attrs }: Operands): Phase {
  const [, ...spatial] = grid!.dims.slice(0, -1);
  const rank = spatial.length;
  const positions = sizeOf(spatial);
  const strides = stridesOf(spatial);
  const isAligned = attrs['align_corners'] === 1;
  const place = (i: number, length: number): number => {
    if (!isAligned) return (2 * i + 1) / length - 1;
    return length > 1 ? (2 * i) / (length - 1) - 1 : 0;
  };
  const run = (unit: number): void => {
    const matrix = Math.floor(unit / positions) * rank * (rank + 1);
    for (let row = 0; row < rank; row++) {
      const at = matrix + row * (rank + 1);
      let sum = theta!.data[at + rank];
      for (let axis = 0; axis < rank; axis++) {
        const i = Math.floor((unit % positions) / strides[axis]) % spatial[axis];
        sum += theta!.data[at + rank - 1 - axis] * place(i, spatial[axis]);
      }
      grid!.data[unit * rank + row] = sum;
    }
  };
  return units(grid!.dims[0] * positions, run);
}

export const resampling: readonly HostKernel[] = [
  define({ op: 'Resize', compute: resize }),
  define({ op: 'GridSample', reject: (call) => rejectSpatial(call.inputs[0]!.shape.length), compute: gridSample }),
  define({ op: 'AffineGrid', compute: affineGrid }),
];
