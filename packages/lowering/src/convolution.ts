/** A convolution as products of matrices: for each image and group of channels, filters of [filters, depth] by patches of [depth, pixels]. */

import {
  type Attributes,
  type Call,
  type Constants,
  EspalierError,
  formatShape,
  isRejection,
  type Rejection,
  sizeOf,
  slidingWindow,
} from '@espalier/core';

/** Spatial axes; where a call has fewer, the first are 1. */
const AXES = 3;

/** What is known of a convolution before its sizes are. Of each group: channels that go in, filters, taps of a filter. */
export interface Convolution {
  readonly groups: number;
  readonly channels: number;
  readonly filters: number;
  readonly kernel: readonly number[];
  readonly taps: number;
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly attrs: Attributes;
  /** Each pixel of the result comes from the same one of the input. */
  readonly isPointwise: boolean;
}

const last = <T>(list: readonly T[], fill: T): T[] => [...new Array<T>(AXES - list.length).fill(fill), ...list];

/** The window before the input's sizes are known: its strides and dilations are right, and whether it is padded. */
const unboundedWindow = (attrs: Attributes, kernel: readonly number[]): ReturnType<typeof slidingWindow> =>
  slidingWindow(
    attrs,
    kernel.map(() => 2 ** 30),
    kernel,
  );

/** @returns why it cannot be served where its weights are not known or have too many axes */
export function convolutionOf({ inputs: [x], attrs }: Call, constants: Constants): Convolution | Rejection {
  const w = constants[1]?.tensor;
  if (!w) return { reason: 'its weights are not constant' };
  const rank = x!.shape.length - 2;
  if (rank > AXES) return { reason: `it has ${rank} spatial axes, more than ${AXES}` };
  if (w.size === 0) return { reason: 'its weights are empty' };
  const groups = attrs['group'] as number;
  const kernel = w.dims.slice(2);
  const window = unboundedWindow(attrs, kernel);
  const isPadded = [...window.begin, ...window.end].some((pad) => pad !== 0);
  const taps = sizeOf(kernel);
  return {
    groups,
    channels: w.dims[1]!,
    filters: w.dims[0]! / groups,
    kernel: last(kernel, 1),
    taps,
    strides: last(window.strides, 1),
    dilations: last(window.dilations, 1),
    attrs,
    isPointwise: taps === 1 && !isPadded && window.strides.every((stride) => stride === 1),
  };
}

/** A convolution of each channel by itself, or why it is none. */
export function depthwiseOf(call: Call, constants: Constants): Convolution | Rejection {
  const conv = convolutionOf(call, constants);
  if (isRejection(conv) || conv.channels === 1) return conv;
  return { reason: `each of its filters sees ${conv.channels} channels` };
}

/** A pool is a window for each channel, of which there may be any number: `groups` is to be set when it is known. */
export function poolOf({ inputs: [x], outputs, attrs }: Call): Convolution | Rejection {
  if (outputs[1]) return { reason: 'it has no indices as output' };
  const kernel = attrs['kernel_shape'] as readonly number[];
  const rank = x!.shape.length - 2;
  if (rank > AXES) return { reason: `it has ${rank} spatial axes, more than ${AXES}` };
  const { strides, dilations } = unboundedWindow(attrs, kernel);
  return {
    ...{ groups: 1, channels: 1, filters: 1, kernel: last(kernel, 1), taps: sizeOf(kernel) },
    ...{ strides: last(strides, 1), dilations: last(dilations, 1), attrs, isPointwise: false },
  };
}

/** What follows from a call's sizes; the shapes have {@link AXES} axes. */
export interface Windows {
  readonly batch: number;
  readonly input: readonly number[];
  readonly output: readonly number[];
  /** Padding. */
  readonly begin: readonly number[];
  readonly end: readonly number[];
}

/** @throws EspalierError `SHAPE_MISMATCH` where sizes do not fit: emitted code would read beyond its operands */
export function windowsOf(conv: Convolution, x: readonly number[], y: readonly number[]): Windows {
  const [batch, channels, ...spatial] = x;
  const { begin, end, output } = slidingWindow(conv.attrs, spatial, conv.kernel.slice(AXES - spatial.length));
  const wanted = [batch!, conv.groups * conv.filters, ...output];
  if (channels !== conv.groups * conv.channels || `${wanted}` !== `${y}`)
    throw new EspalierError(
      'SHAPE_MISMATCH',
      `a convolution of ${formatShape(x)} by ${conv.groups} groups of ${conv.channels} channels is not ${formatShape(y)}`,
    );
  return { batch: batch!, input: last(spatial, 1), output: last(output, 1), begin: last(begin, 0), end: last(end, 0) };
}

/** Positions from the first to below the last at which a tap of the kernel lies inside the input, along an axis. */
export function insideOf(
  { strides, dilations }: Convolution,
  { input, output, begin }: Windows,
  axis: number,
  tap: number,
): readonly [first: number, end: number] {
  const offset = tap * dilations[axis]! - begin[axis]!;
  const first = Math.max(0, Math.ceil(-offset / strides[axis]!));
  const end = Math.min(output[axis]!, Math.floor((input[axis]! - 1 - offset) / strides[axis]!) + 1);
  return [first, Math.max(first, end)];
}

/** What all windows together see along each axis, from where the first begins: padding included, what none sees not. */
export function seenExtents({ kernel, strides, dilations }: Convolution, { output }: Windows): number[] {
  return output.map((count, axis) =>
    count === 0 ? 0 : (count - 1) * strides[axis]! + (kernel[axis]! - 1) * dilations[axis]! + 1,
  );
}

/** Bytes from where a window begins to each of its taps, of four bytes each. @param steps elements from one place to the next along each axis */
export function tapOffsets({ kernel, dilations }: Convolution, steps: readonly number[]): number[] {
  let offsets = [0];
  for (const [axis, taps] of kernel.entries())
    offsets = offsets.flatMap((offset) =>
      Array.from({ length: taps }, (_, tap) => offset + 4 * tap * dilations[axis]! * steps[axis]!),
    );
  return offsets;
}

/** How many elements the window at each position of an axis has, of a mean: those outside count where padding does. */
export function windowCounts(conv: Convolution, windows: Windows, axis: number): number[] {
  const [begin, end] = conv.attrs['count_include_pad'] === 1 ? [windows.begin[axis]!, windows.end[axis]!] : [0, 0];
  const most = windows.input[axis]! + end;
  return Array.from({ length: windows.output[axis]! }, (_, position) => {
    const first = position * conv.strides[axis]! - windows.begin[axis]!;
    const taps = Array.from({ length: conv.kernel[axis]! }, (__, tap) => first + tap * conv.dilations[axis]!);
    return taps.filter((place) => place >= -begin && place < most).length;
  });
}
