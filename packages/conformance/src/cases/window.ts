/** Windows that slide over one to three spatial axes: what convolutions and pools have in common. */

import fc from 'fast-check';
import { edge, few, type Sizes } from './define.ts';

export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
  readonly autoPad: 'NOTSET' | 'VALID' | 'SAME_UPPER' | 'SAME_LOWER';
  /** Names of the input's spatial extents; each is large enough for the window. */
  readonly spatial: readonly string[];
  readonly sizes: Sizes;
}

interface Axis {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pads: readonly [number, number];
  readonly size: readonly number[];
}

/** One axis; its padding is less than its kernel, so that no window sees only padding. */
function axis(large: boolean): fc.Arbitrary<Axis> {
  return fc
    .record({
      kernel: fc.constantFrom(1, 2, 3, 5),
      stride: fc.constantFrom(1, 2, 3),
      dilation: fc.constantFrom(1, 1, 2),
      before: fc.nat(4),
      after: fc.nat(4),
      room: large ? edge(0, 17) : few(0, 3),
    })
    .map(({ kernel, stride, dilation, before, after, room }) => ({
      kernel,
      stride,
      dilation,
      pads: [before % kernel, after % kernel],
      // The window fits at least once where nothing is padded.
      size: room.map((more) => (kernel - 1) * dilation + 1 + more),
    }));
}

export const windows: fc.Arbitrary<Window> = fc
  .record({
    axes: fc.oneof(
      fc.tuple(axis(true)),
      fc.tuple(axis(true), axis(true)),
      fc.tuple(axis(true), axis(true)),
      fc.tuple(axis(false), axis(false), axis(false)),
    ),
    autoPad: fc.constantFrom('NOTSET', 'NOTSET', 'NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER'),
  })
  .map(({ axes, autoPad }): Window => {
    const spatial = axes.map((_, i) => `S${i}`);
    const sizes = Object.fromEntries(axes.map(({ size }, i) => [spatial[i]!, size]));
    return {
      kernel: axes.map(({ kernel }) => kernel),
      strides: axes.map(({ stride }) => stride),
      dilations: axes.map(({ dilation }) => dilation),
      pads: [...axes.map(({ pads }) => pads[0]), ...axes.map(({ pads }) => pads[1])],
      autoPad: autoPad as Window['autoPad'],
      spatial,
      sizes,
    };
  });

/** The window as attributes; those that are defaults are left out where `brief`. */
export function windowAttributes(
  { kernel, strides, dilations, pads, autoPad }: Window,
  brief = false,
): Record<string, string | readonly number[]> {
  return {
    kernel_shape: kernel,
    ...(brief && strides.every((s) => s === 1) ? {} : { strides }),
    ...(brief && dilations.every((d) => d === 1) ? {} : { dilations }),
    ...(autoPad === 'NOTSET' ? { pads } : { auto_pad: autoPad }),
  };
}
