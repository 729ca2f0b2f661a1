/** Convolutions and pools over one, two or three axes. */

import type { Attributes } from '@espalier/core';
import type { Grower, Idiom, Value } from '../grower.ts';

/** A kernel's sizes and where it goes. */
interface Window {
  readonly kernel: readonly number[];
  readonly attrs: Attributes;
}

export function drawWindow(g: Grower, rank: number, dilates: boolean): Window {
  const each = (list: readonly number[]): number[] => Array.from({ length: rank }, () => g.source.pick(list));
  const same = (list: readonly number[]): number[] => new Array(rank).fill(g.source.pick(list));
  const draw = g.source.chance(3) ? each : same;
  const kernel = draw([1, 3, 2, 5]);
  const strides = draw([1, 1, 2, 3]);
  const dilations = dilates ? { dilations: draw([1, 1, 2]) } : {};
  const auto = g.source.pick(['', '', '', 'SAME_UPPER', 'SAME_LOWER', 'VALID']);
  if (auto) return { kernel, attrs: { strides, ...dilations, auto_pad: auto } };
  // Pools have no window that is padding alone.
  const pads = (g.source.chance(4) ? each : same)([0, 1, 2]).map((pad, i) => Math.min(pad, kernel[i]! - 1));
  const ends = g.source.chance(4) ? pads.map((pad, i) => Math.min(pad + 1, kernel[i]! - 1)) : pads;
  return { kernel, attrs: { strides, ...dilations, pads: [...pads, ...ends] } };
}

/** The value as a batch of pictures, its channels and how many axes pictures have. */
export function picture(
  g: Grower,
  x: Value,
): { readonly x: Value; readonly channels: number; readonly rank: number } | undefined {
  let value: Value | undefined = x;
  while (value && value.shape.length < 3) value = g.op('Unsqueeze', [value, g.ints(0)]);
  const channels = value?.shape[1];
  if (!value || value.shape.length > 5 || typeof channels !== 'number' || channels < 1) return undefined;
  return { x: value, channels, rank: value.shape.length - 2 };
}

/** How many groups channels are in: one, each for itself, or two. */
export const drawGroups = (g: Grower, channels: number): number =>
  g.source.pick([1, 1, channels, channels % 2 ? 1 : 2]);

export const convolution: Idiom = (g, input) => {
  const made = picture(g, input);
  if (!made) return undefined;
  const { x, channels, rank } = made;
  const group = drawGroups(g, channels);
  const out = group * (group === channels ? g.source.pick([1, 2]) : g.source.pick([1, 4, 8, 16, 17, 33]));
  const { kernel, attrs } = drawWindow(g, rank, true);
  const weights = g.source.chance(3)
    ? g.weights(out, channels / group, ...kernel)
    : g.floats(out, channels / group, ...kernel);
  const bias = g.source.chance(2) ? [g.floats(out)] : [];
  return g.op('Conv', [x, weights, ...bias], { group, kernel_shape: kernel, ...attrs });
};

/** Many channels by filters of 3 x 3, which there are ways of their own for. */
export const squares: Idiom = (g, input) => {
  const made = picture(g, input);
  if (made?.rank !== 2) return undefined;
  const [inner, out] = [g.source.pick([16, 32, 17]), g.source.pick([16, 1, 33])];
  const wide = g.op('Conv', [made.x, g.floats(inner, made.channels, 1, 1)]);
  const small = wide && g.op('Tanh', [wide]);
  const bias = g.source.chance(2) ? [] : [g.floats(out)];
  return (
    small &&
    g.op('Conv', [small, g.floats(out, inner, 3, 3), ...bias], {
      pads: g.source.pick([
        [1, 1, 1, 1],
        [0, 0, 0, 0],
      ]),
    })
  );
};

export const transposedConvolution: Idiom = (g, input) => {
  const made = picture(g, input);
  if (!made) return undefined;
  const { x, channels, rank } = made;
  const { kernel, attrs } = drawWindow(g, rank, true);
  return g.op('ConvTranspose', [x, g.floats(channels, g.source.pick([1, 4, 7]), ...kernel)], {
    kernel_shape: kernel,
    ...attrs,
  });
};

export const pool: Idiom = (g, input) => {
  const made = picture(g, input);
  if (!made) return undefined;
  const op = g.source.pick(['MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'LpPool']);
  // The largest of nothing has no value to compare.
  if (op.startsWith('Global'))
    return made.x.shape.slice(2).every((d) => typeof d === 'number') ? g.op(op, [made.x]) : undefined;
  const { kernel, attrs } = drawWindow(g, made.rank, op !== 'LpPool');
  const more = op === 'AveragePool' ? { count_include_pad: g.source.below(2) } : {};
  return g.op(op, [made.x], { kernel_shape: kernel, ...attrs, ceil_mode: g.source.below(2), ...more });
};
