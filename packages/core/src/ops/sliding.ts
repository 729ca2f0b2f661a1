/**
 * Sliding windows over spatial axes: the geometry that convolutions and pools share, as the ONNX operators Conv, MaxPool
 * and ConvTranspose define it. Sizes may be symbolic.
 */

import { type Dim, dim } from '../dim.ts';
import { EspalierError } from '../errors.ts';
import type { Attributes } from '../graph.ts';

export interface SlidingWindow<D extends Dim = Dim> {
  readonly kernel: readonly D[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Padding before and after each axis. */
  readonly begin: readonly D[];
  readonly end: readonly D[];
  /** The spatial shape of the result. */
  readonly output: readonly D[];
}

const autoPads = ['NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER'];

function bad(message: string): never {
  throw new EspalierError('BAD_GRAPH', message);
}

function integers(attrs: Attributes, name: string, count: number, value: number, least: number): readonly number[] {
  const list = attrs[name] as readonly number[] | undefined;
  if (list === undefined || list.length === 0) return new Array(count).fill(value);
  if (list.length !== count || !list.every((x) => Number.isSafeInteger(x) && x >= least))
    bad(`its attribute "${name}" is [${list}]; it needs ${count} integers of at least ${least}`);
  return list;
}

function common(attrs: Attributes, spatial: readonly Dim[], kernel: readonly Dim[]) {
  const rank = spatial.length;
  if (kernel.length !== rank) bad(`a kernel of [${kernel}] does not fit the spatial shape [${spatial}]`);
  const autoPad = (attrs['auto_pad'] as string | undefined) ?? 'NOTSET';
  if (!autoPads.includes(autoPad)) bad(`its attribute "auto_pad" is "${autoPad}", not one of ${autoPads.join(', ')}`);
  const strides = integers(attrs, 'strides', rank, 1, 1);
  const dilations = integers(attrs, 'dilations', rank, 1, 1);
  const pads = autoPad === 'NOTSET' ? integers(attrs, 'pads', 2 * rank, 0, 0) : new Array<number>(2 * rank).fill(0);
  for (const k of kernel) if (typeof k === 'number' && k < 1) bad(`a kernel of [${kernel}] has no elements`);
  /** What the window covers along each axis. */
  const extents = kernel.map((k, i) => dim.add(dim.mul(dim.sub(k, 1), dilations[i]), 1));
  return { rank, autoPad, strides, dilations, pads, extents };
}

/** Splits padding in two halves; the odd one goes to the end for SAME_UPPER, else to the beginning. */
function split(total: readonly Dim[], autoPad: string): { begin: Dim[]; end: Dim[] } {
  const less = total.map((t) => dim.floorDiv(t, 2));
  const more = total.map((t, i) => dim.sub(t, less[i]));
  return autoPad === 'SAME_UPPER' ? { begin: less, end: more } : { begin: more, end: less };
}

/**
 * The window that attributes `auto_pad`, `pads`, `strides`, `dilations` (and `ceil_mode`) describe for an input of this
 * spatial shape. Along each axis it stands at `floor((input + pads - extent) / stride) + 1` positions.
 * @throws EspalierError `BAD_GRAPH` for malformed attributes
 */
export function slidingWindow<D extends Dim>(
  attrs: Attributes,
  spatial: readonly D[],
  kernel: readonly D[],
): SlidingWindow<D> {
  const { rank, autoPad, strides, dilations, pads, extents } = common(attrs, spatial, kernel);
  let begin: readonly Dim[] = pads.slice(0, rank);
  let end: readonly Dim[] = pads.slice(rank);
  let output: Dim[];
  if (autoPad.startsWith('SAME')) {
    output = spatial.map((size, i) => dim.ceilDiv(size, strides[i]));
    const needed = output.map((out, i) => dim.add(dim.mul(dim.sub(out, 1), strides[i]), extents[i]));
    ({ begin, end } = split(
      needed.map((n, i) => dim.max(0, dim.sub(n, spatial[i]))),
      autoPad,
    ));
  } else {
    output = spatial.map((size, i) => {
      const padded = dim.add(dim.add(size, begin[i]), end[i]);
      const room = dim.sub(padded, extents[i]);
      // Of nothing there may be nothing.
      const isEmpty = size === 0 && typeof room === 'number' && room >= -strides[i]!;
      if (typeof room === 'number' && room < 0 && !isEmpty)
        bad(`a window over ${extents[i]} elements does not fit into ${padded}, padding included`);
      if (!attrs['ceil_mode'] || autoPad === 'VALID') return dim.add(dim.floorDiv(room, strides[i]), 1);
      // Windows that would start in the padding behind the input do not count.
      const starts = dim.ceilDiv(dim.add(size, begin[i]), strides[i]);
      return dim.min(dim.add(dim.ceilDiv(room, strides[i]), 1), starts);
    });
  }
  return { kernel, strides, dilations, begin, end, output } as unknown as SlidingWindow<D>;
}

/**
 * The window of a transposed convolution: input position `i` and kernel position `k` meet at output position
 * `i * stride + k * dilation - begin`. Knows `output_padding` and `output_shape` too.
 * @throws EspalierError `BAD_GRAPH` for malformed attributes
 */
export function transposedWindow<D extends Dim>(
  attrs: Attributes,
  spatial: readonly D[],
  kernel: readonly D[],
): SlidingWindow<D> {
  const { rank, autoPad, strides, dilations, pads, extents } = common(attrs, spatial, kernel);
  const extra = integers(attrs, 'output_padding', rank, 0, 0);
  const full = spatial.map((size, i) => dim.add(dim.add(dim.mul(dim.sub(size, 1), strides[i]), extents[i]), extra[i]));
  const explicit = attrs['output_shape'] as readonly number[] | undefined;
  if (!explicit?.length && !autoPad.startsWith('SAME')) {
    const [begin, end] = [pads.slice(0, rank), pads.slice(rank)];
    const output = full.map((size, i) => dim.sub(dim.sub(size, begin[i]), end[i]));
    return { kernel, strides, dilations, begin, end, output } as unknown as SlidingWindow<D>;
  }
  const output: readonly Dim[] = explicit?.length
    ? integers(attrs, 'output_shape', rank, 0, 1)
    : spatial.map((size, i) => dim.mul(size, strides[i]));
  const total = full.map((size, i) => dim.max(0, dim.sub(size, output[i])));
  return { kernel, strides, dilations, ...split(total, autoPad), output } as unknown as SlidingWindow<D>;
}
