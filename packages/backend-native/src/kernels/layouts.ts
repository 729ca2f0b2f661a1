/** Layouts for bound sizes. */

import type { NativeCall } from '../program.ts';

type Sizes = Pick<NativeCall, 'inputs' | 'outputs' | 'threads'>;
type Dims = readonly (readonly number[])[];

/** What follows from dims of a call; the last is kept, as a list asks often and sizes change seldom. */
export function keptLayout<Layout>(
  dimsOf: (bound: Sizes) => Dims,
  layOut: (bound: Sizes, dims: Dims) => Layout,
): (bound: Sizes) => Layout {
  let last: { readonly dims: Dims; readonly layout: Layout } | undefined;
  return (bound) => {
    const dims = dimsOf(bound);
    if (!last || !areSame(last.dims, dims)) last = { dims, layout: layOut(bound, dims) };
    return last.layout;
  };
}

const areSame = (one: Dims, other: Dims): boolean =>
  one.length === other.length &&
  one.every((dims, i) => dims.length === other[i]!.length && dims.every((d, axis) => d === other[i]![axis]));

/** Of the inputs with these numbers, in order, then of the result: what a layout on planes follows from. */
export const planeDims =
  (inputs: readonly number[]) =>
  ({ inputs: bound, outputs }: Sizes): Dims => [...inputs.map((input) => bound[input]!.dims), outputs[0]!.dims];
