/** Random tensors. Element `i` is a function of the seed and `i`, so that parts can be computed in any order. */

import type { Attributes, HostKernel } from '@espalier/core';
import { define, each, type Operand } from '../define.ts';
import { converter } from '../numeric.ts';

/** Mixes all bits of a 32-bit integer: "lowbias32" from Chris Wellons' search for such functions. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}

/** The `index`-th of a sequence of uniform numbers in [0, 1), multiples of 2^-24. */
type Sequence = (index: number) => number;

/** The same sequence for the same `seed` attribute, a new one each time without. */
function sequence({ seed }: Attributes): Sequence {
  const key = mix(
    seed === undefined ? Math.random() * 2 ** 32 : new Int32Array(Float32Array.of(seed as number).buffer)[0]!,
  );
  return (index) => (mix(mix((index | 0) ^ key) + Math.floor(index / 2 ** 32)) >>> 8) / 2 ** 24;
}

/** An op whose element `i` is `element(i, attrs)`; `draw` makes that from a sequence. */
function randomOp(
  op: string,
  draw: (uniform: Sequence, attrs: Record<string, number>, x?: Operand) => Sequence,
): HostKernel {
  return define({
    op,
    compute: ({ inputs: [x], outputs: [y], attrs }) => {
      const element = draw(sequence(attrs), attrs as Record<string, number>, x);
      const convert = converter('float64', y!.dtype);
      return each(y!.size, (from, to) => {
        for (let i = from; i < to; i++) y!.data[i] = convert(element(i));
      });
    },
  });
}

const uniform: Parameters<typeof randomOp>[1] =
  (next, { low, high }) =>
  (i) =>
    low! + (high! - low!) * next(i);

/** By the transform of Box and Muller. */
const normal: Parameters<typeof randomOp>[1] =
  (next, { mean, scale }) =>
  (i) =>
    mean! + scale! * Math.sqrt(-2 * Math.log(1 - next(2 * i))) * Math.cos(2 * Math.PI * next(2 * i + 1));

/** Draws a class from unnormalised log-probabilities `x[row * classes ...]`. */
function draw(x: Operand['data'], row: number, classes: number, u: number): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < classes; k++) largest = Math.max(largest, x[row * classes + k]);
  let total = 0;
  for (let k = 0; k < classes; k++) total += Math.exp(x[row * classes + k] - largest);
  let rest = u * total;
  let chosen = 0;
  for (let k = 0; k < classes && rest >= 0; k++) {
    const weight = Math.exp(x[row * classes + k] - largest);
    if (weight > 0) chosen = k;
    rest -= weight;
  }
  return chosen;
}

export const random: readonly HostKernel[] = [
  randomOp('RandomUniform', uniform),
  randomOp('RandomNormal', normal),
  randomOp('RandomUniformLike', uniform),
  randomOp('RandomNormalLike', normal),
  randomOp('Bernoulli', (next, _, x) => (i) => (next(i) < x!.data[i] ? 1 : 0)),
  randomOp(
    'Multinomial',
    (next, { sample_size }, x) =>
      (i) =>
        draw(x!.data, Math.floor(i / sample_size!), x!.dims[1]!, next(i)),
  ),
];
