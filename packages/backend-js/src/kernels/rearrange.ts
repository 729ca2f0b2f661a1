/** Ops that move elements to other places: strided copies. */

import {
  broadcastStrides,
  EspalierError,
  type HostKernel,
  normalizeAxis,
  type Phase,
  sizeOf,
  sliceRange,
  stridesOf,
} from '@espalier/core';
import { agree } from '../agree.ts';
import { define, type Operand, type Operands } from '../define.ts';
import { integers, movement, zero } from '../movement.ts';
import { copy, fill, type Side, whole } from '../strided.ts';

function transpose({ inputs: [x], outputs: [y], attrs }: Operands): Phase {
  const strides = stridesOf(x!.dims);
  const perm = (attrs.perm as readonly number[] | undefined) ?? strides.map((_, axis) => strides.length - 1 - axis);
  return copy(y!.dims, whole(y!), { data: x!.data, strides: perm.map((axis) => strides[axis]) });
}

function slice({ inputs: [x, starts, ends, axes, steps], outputs: [y] }: Operands): Phase {
  const strides = stridesOf(x!.dims);
  const [first, last, step] = [integers(starts)!, integers(ends)!, integers(steps)];
  const at = integers(axes) ?? first.map((_, i) => i);
  let offset = 0;
  at.forEach((given, i) => {
    const axis = normalizeAxis(given, strides.length);
    const { start, count } = sliceRange(x!.dims[axis], first[i], last[i], step?.[i] ?? 1);
    agree(count, y!.dims[axis], `the extent of axis ${axis}`);
    offset += start * strides[axis];
    strides[axis] *= step?.[i] ?? 1;
  });
  return copy(y!.dims, whole(y!), { data: x!.data, strides, offset });
}

/** Pieces of an operand that stand one after another along an axis, each with its place; pieces may be left out. */
function pieces(
  axis: number,
  all: Operand,
  operands: readonly (Operand | undefined)[],
  extents: readonly number[],
): [Operand, Side][] {
  const { data, strides } = whole(all);
  const found: [Operand, Side][] = [];
  let from = 0;
  for (const [i, piece] of operands.entries()) {
    piece?.dims.forEach((extent, at) => {
      agree(extent, at === axis ? extents[i] : all.dims[at], `the extent of axis ${at} of part ${i}`);
    });
    if (piece) found.push([piece, { data, strides, offset: from * (strides[axis] as number) }]);
    from += extents[i];
  }
  agree(from, all.dims[axis], `the extents of all parts along axis ${axis}`);
  return found;
}

function concat({ inputs, outputs: [y], attrs }: Operands): Phase[] {
  const axis = normalizeAxis(attrs.axis as number, y!.dims.length);
  const extents = inputs.map((x) => x!.dims[axis]);
  return pieces(axis, y!, inputs, extents).map(([part, place]) => copy(part.dims, place, whole(part)));
}

function split({ inputs: [x, given], outputs, attrs }: Operands): Phase[] {
  const axis = normalizeAxis(attrs.axis as number, x!.dims.length);
  const extent = x!.dims[axis];
  const even = Math.ceil(extent / outputs.length);
  const extents = integers(given) ?? outputs.map((_, i) => Math.min(even, Math.max(0, extent - i * even)));
  return pieces(axis, x!, outputs, extents).map(([part, place]) => copy(part.dims, whole(part), place));
}

function expand({ inputs: [x], outputs: [y] }: Operands): Phase {
  return copy(y!.dims, whole(y!), { data: x!.data, strides: broadcastStrides(x!.dims, y!.dims) });
}

/** Every axis stands twice: how often, and what is repeated. */
function tile({ inputs: [x], outputs: [y] }: Operands): Phase {
  const strides = stridesOf(x!.dims);
  const pairs = x!.dims.flatMap((extent, axis) => [extent === 0 ? 0 : y!.dims[axis] / extent, extent]);
  const to = { data: y!.data, strides: stridesOf(pairs) };
  return copy(pairs, to, { data: x!.data, strides: strides.flatMap((stride) => [0, stride]) });
}

/** Puts `x` into `y`, `before[axis]` elements from its start (negative: that many of `x` are left out), with `value` around. */
function place(x: Operand, y: Operand, before: readonly number[], value: () => unknown): Phase[] {
  const from = before.map((b) => Math.max(0, -b));
  const to = before.map((b) => Math.max(0, b));
  const extents = x.dims.map((extent, axis) => Math.max(0, Math.min(extent - from[axis], y.dims[axis] - to[axis])));
  const at = (side: Side, start: readonly number[]): Side => ({
    ...side,
    offset: start.reduce((sum, i, axis) => sum + i * (side.strides[axis] as number), 0),
  });
  return [fill(y, value), copy(extents, at(whole(y), to), at(whole(x), from))];
}

/** Which element of an axis of `extent` stands at `i`, outside the axis too. */
const outside: Readonly<Record<string, (i: number, extent: number) => number>> = {
  edge: (i, extent) => Math.min(Math.max(i, 0), extent - 1),
  wrap: (i, extent) => i - extent * Math.floor(i / extent),
  reflect: (i, extent) => {
    const period = Math.max(1, 2 * (extent - 1));
    const at = i - period * Math.floor(i / period);
    return Math.min(at, period - at);
  },
};

function pad({ inputs: [x, pads, value, axes], outputs: [y], attrs }: Operands): Phase | Phase[] {
  const given = integers(pads)!;
  const at = integers(axes) ?? x!.dims.map((_, axis) => axis);
  const [before, after] = [x!.dims.map(() => 0), x!.dims.map(() => 0)];
  at.forEach((axis, i) => {
    before[normalizeAxis(axis, before.length)] = given[i];
    after[normalizeAxis(axis, before.length)] = given[at.length + i];
  });
  if (attrs.mode === 'constant') return place(x!, y!, before, () => value?.data[0] ?? zero(y!.dtype));
  const strides = stridesOf(x!.dims);
  // What negative pads cut off is gone before the rest is continued outwards.
  const positions = x!.dims.map((extent, axis) => {
    const start = Math.max(0, -before[axis]);
    const left = extent - start - Math.max(0, -after[axis]);
    if (left <= 0 && y!.dims[axis] > 0)
      throw new EspalierError('BAD_INPUT', `nothing is left of axis ${axis} to fill its pads from`);
    const source = (i: number): number => start + outside[attrs.mode as string](i - Math.max(0, before[axis]), left);
    return Array.from({ length: y!.dims[axis] }, (_, i) => source(i) * strides[axis]);
  });
  return copy(y!.dims, whole(y!), { data: x!.data, strides: positions });
}

function centerCropPad({ inputs: [x], outputs: [y] }: Operands): Phase[] {
  const before = x!.dims.map((extent, axis) => {
    const extra = y!.dims[axis] - extent;
    return extra < 0 ? -Math.floor(-extra / 2) : Math.floor(extra / 2);
  });
  return place(x!, y!, before, () => zero(y!.dtype));
}

/** The same elements in depth and in space, as axes N, C, H, block row, W, block column. */
function blocks(
  deep: Operand,
  flat: Operand,
  { blocksize, mode }: Operands['attrs'],
): { dims: number[]; deep: Side; flat: Side } {
  const [n, depth, height, width] = deep.dims;
  const size = blocksize as number;
  const [area, channels] = [height * width, depth / size ** 2];
  const dims = [n, channels, height, size, width, size];
  const [channel, row, column] =
    mode === 'CRD' ? [size * size * area, size * area, area] : [area, size * channels * area, channels * area];
  return {
    dims,
    deep: { data: deep.data, strides: [depth * area, channel, width, row, 1, column] },
    flat: { data: flat.data, strides: stridesOf(dims) },
  };
}

function trilu({ inputs: [x, k], outputs: [y], attrs }: Operands): Phase {
  const [rows, columns] = x!.dims.slice(-2);
  const [diagonal] = integers(k) ?? [0];
  return {
    units: columns === 0 ? 0 : x!.size / columns,
    run: (from, to) => {
      for (let row = from; row < to; row++) {
        const start = row * columns;
        const cut = Math.min(Math.max((row % rows) + diagonal + (attrs.upper ? 0 : 1), 0), columns);
        const [first, end] = attrs.upper ? [cut, columns] : [0, cut];
        for (let i = 0; i < columns; i++)
          y!.data[start + i] = i >= first && i < end ? x!.data[start + i] : zero(y!.dtype);
      }
    },
  };
}

function reverseSequence({ inputs: [x, lengths], outputs: [y], attrs }: Operands): Phase {
  const [batch, time] = [attrs.batch_axis as number, attrs.time_axis as number];
  const reversed = integers(lengths)!;
  const steps = x!.dims[time];
  agree(reversed.length, x!.dims[batch], 'the number of its lengths');
  const wrong = reversed.find((length) => !(length >= 0 && length <= steps));
  if (wrong !== undefined)
    throw new EspalierError('BAD_INPUT', `the length ${wrong} is out of range for axis ${time} of extent ${steps}`);
  const [major, minor] = x!.dims;
  const strides = stridesOf(x!.dims);
  return {
    units: major * minor,
    run: (from, to) => {
      for (let unit = from; unit < to; unit++) {
        const index = [Math.floor(unit / minor), unit % minor];
        const length = reversed[index[batch]];
        const at = index[time] < length ? length - 1 - index[time] : index[time];
        const source = index[batch] * strides[batch] + at * strides[time];
        const size = strides[1];
        for (let i = 0; i < size; i++) y!.data[unit * size + i] = x!.data[source + i];
      }
    },
  };
}

/** Adds up, for each pixel, the blocks that cover it: one unit per image and channel. */
function col2im({ inputs: [x, image, block], outputs: [y], attrs }: Operands): Phase {
  const [extents, kernel] = [integers(image)!, integers(block)!];
  const list = (name: string, value: number): readonly number[] =>
    (attrs[name] as readonly number[] | undefined) ?? extents.map(() => value);
  const [strides, dilations, pads] = [list('strides', 1), list('dilations', 1), list('pads', 0)];
  const counts = extents.map((extent, i) => {
    const end = pads[extents.length + i] ?? 0;
    return Math.floor((extent + pads[i] + end - dilations[i] * (kernel[i] - 1) - 1) / strides[i]) + 1;
  });
  const [taps, steps] = [sizeOf(kernel), sizeOf(counts.map((count) => Math.max(0, count)))];
  agree(x!.dims[2], steps, 'the number of blocks');
  agree(x!.dims[1], y!.dims[1] * taps, 'the elements of its blocks');
  const size = sizeOf(extents);
  const places = stridesOf(extents);
  const coordinates = (index: number, dims: readonly number[]): number[] =>
    stridesOf(dims).map((stride, i) => Math.floor(index / stride) % dims[i]);
  return {
    units: y!.dims[0] * y!.dims[1],
    run: (from, to) => {
      for (let unit = from; unit < to; unit++) {
        y!.data.fill(zero(y!.dtype), unit * size, (unit + 1) * size);
        for (let tap = 0; tap < taps; tap++) {
          const within = coordinates(tap, kernel);
          for (let step = 0; step < steps; step++) {
            const at = coordinates(step, counts).map((c, i) => c * strides[i] + within[i] * dilations[i] - pads[i]);
            if (at.some((c, i) => c < 0 || c >= extents[i])) continue;
            const target = at.reduce((sum, c, i) => sum + c * places[i], unit * size);
            y!.data[target] += x!.data[(unit * taps + tap) * steps + step];
          }
        }
      }
    },
  };
}

export const rearrange: readonly HostKernel[] = [
  ...movement({ op: 'Transpose', compute: transpose }),
  ...movement({ op: 'Slice', compute: slice }),
  ...movement({ op: 'Concat', compute: concat }),
  ...movement({ op: 'Split', compute: split }),
  ...movement({ op: 'Expand', compute: expand }),
  ...movement({ op: 'Tile', compute: tile }),
  ...movement({ op: 'Pad', compute: pad }),
  ...movement({ op: 'CenterCropPad', compute: centerCropPad }),
  ...movement({
    op: 'DepthToSpace',
    compute: ({ inputs: [x], outputs: [y], attrs }) => {
      const { dims, deep, flat } = blocks(x!, y!, attrs);
      return copy(dims, flat, deep);
    },
  }),
  ...movement({
    op: 'SpaceToDepth',
    compute: ({ inputs: [x], outputs: [y], attrs }) => {
      const { dims, deep, flat } = blocks(y!, x!, attrs);
      return copy(dims, deep, flat);
    },
  }),
  ...movement({ op: 'Trilu', compute: trilu }),
  ...movement({ op: 'ReverseSequence', compute: reverseSequence }),
  define({ op: 'Col2Im', compute: col2im, macs: ([x]) => sizeOf(x!) }),
];
