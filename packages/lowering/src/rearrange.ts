/** Ops that put elements elsewhere, as pieces. */

import {
  broadcastStrides,
  type Call,
  type Constants,
  EspalierError,
  formatShape,
  normalizeAxis,
  sizeOf,
  sliceRange,
  stridesOf,
} from '@espalier/core';
import { checkFits } from './walk.ts';

/** An operand whose sizes are known and whose memory is found. */
export interface BoundOperand {
  readonly dims: readonly number[];
  readonly address: number;
}

export interface BoundCall {
  readonly inputs: readonly (BoundOperand | undefined)[];
  readonly outputs: readonly (BoundOperand | undefined)[];
}

/** Where elements lie: the first, and how far the next along each axis is, in elements. */
export interface Place {
  readonly address: number;
  readonly strides: readonly number[];
}

/** Elements in a shape, from one place to another. Pieces of a copy do not overlap. */
export interface Piece {
  readonly extents: readonly number[];
  readonly to: Place;
  readonly from: Place;
}

export interface Rearrangement {
  readonly op: string;
  /** What is next to what changes, which has its price. */
  readonly turns?: boolean;
  /** Why a call cannot be served. */
  reject?(call: Call, constants: Constants): string | undefined;
  /**
   * What to copy. Reading or writing beyond an operand must be impossible, also where shapes that were inferred from symbols promise
   * more than a run keeps.
   * @param filler the address of an element of zeros
   * @throws EspalierError `SHAPE_MISMATCH`
   */
  pieces(bound: BoundCall, call: Call, constants: Constants, size: number, filler: number): readonly Piece[];
}

/** @throws EspalierError `SHAPE_MISMATCH` where they are not equal */
export function agree(a: number, b: number, what: string): void {
  if (a !== b) throw new EspalierError('SHAPE_MISMATCH', `${what}: ${a} is not ${b}`);
}

function agreeAll(a: readonly number[], b: readonly number[], what: string): void {
  if (String(a) !== String(b))
    throw new EspalierError('SHAPE_MISMATCH', `${what}: ${formatShape(a)} is not ${formatShape(b)}`);
}

/** A whole operand in row-major order. */
const whole = ({ address, dims }: BoundOperand): Place => ({ address, strides: stridesOf(dims) });

/** The place `index` elements further along each axis. */
const shifted = ({ address, strides }: Place, index: readonly number[], size: number): Place => ({
  address: address + size * index.reduce((sum, i, axis) => sum + i * strides[axis]!, 0),
  strides,
});

const integers = (constants: Constants, i: number): number[] | undefined => {
  const tensor = constants[i]?.tensor;
  return tensor && Array.from(tensor.data as ArrayLike<number | bigint>, Number);
};

/** Says which of the inputs that must be constants are not. @__NO_SIDE_EFFECTS__ */
const needs =
  (...names: readonly (readonly [input: number, name: string])[]) =>
  ({ inputs }: Call, constants: Constants): string | undefined => {
    const missing = names.filter(([i]) => inputs[i] && !constants[i]).map(([, name]) => name);
    return missing.length > 0 ? `its ${missing.join(' and ')} must be constant` : undefined;
  };

/**
 * The first input's elements in the same order.
 * @throws EspalierError `SHAPE_MISMATCH`
 */
export function copied({ inputs: [x], outputs: [y] }: BoundCall): readonly Piece[] {
  const size = sizeOf(y!.dims);
  agree(sizeOf(x!.dims), size, 'the number of elements before and after');
  return [{ extents: [size], to: { address: y!.address, strides: [1] }, from: { address: x!.address, strides: [1] } }];
}

/** All of the output is the element at an address. */
export const filled = ({ outputs: [y] }: BoundCall, address: number): readonly Piece[] => [
  { extents: y!.dims, to: whole(y!), from: { address, strides: y!.dims.map(() => 0) } },
];

const same = (op: string): Rearrangement => ({ op, pieces: copied });

const transpose: Rearrangement = {
  op: 'Transpose',
  turns: true,
  pieces({ inputs: [x], outputs: [y] }, { attrs }) {
    const strides = stridesOf(x!.dims);
    const perm =
      (attrs['perm'] as readonly number[] | undefined) ?? strides.map((_, axis) => strides.length - 1 - axis);
    agreeAll(
      perm.map((axis) => x!.dims[axis]!),
      y!.dims,
      'the permuted shape',
    );
    const from = { address: x!.address, strides: perm.map((axis) => strides[axis]!) };
    return [{ extents: y!.dims, to: whole(y!), from }];
  },
};

/** Pieces that stand one after another along an axis of `all`: each operand with its place there. */
function parts(
  axis: number,
  all: BoundOperand,
  operands: readonly (BoundOperand | undefined)[],
  extents: readonly number[],
  size: number,
): [BoundOperand, Place][] {
  const found: [BoundOperand, Place][] = [];
  let from = 0;
  for (const [i, part] of operands.entries()) {
    part?.dims.forEach((extent, at) => {
      agree(extent, at === axis ? extents[i]! : all.dims[at]!, `the extent of axis ${at} of part ${i}`);
    });
    if (part)
      found.push([
        part,
        shifted(
          whole(all),
          all.dims.map((_, at) => (at === axis ? from : 0)),
          size,
        ),
      ]);
    from += extents[i]!;
  }
  agree(from, all.dims[axis]!, `the extents of all parts along axis ${axis}`);
  return found;
}

const concat: Rearrangement = {
  op: 'Concat',
  pieces({ inputs, outputs: [y] }, { attrs }, _, size) {
    const axis = normalizeAxis(attrs['axis'] as number, y!.dims.length);
    const extents = inputs.map((x) => x!.dims[axis]!);
    return parts(axis, y!, inputs, extents, size).map(([part, to]) => ({ extents: part.dims, to, from: whole(part) }));
  },
};

const split: Rearrangement = {
  op: 'Split',
  reject: (call, constants) =>
    call.outputs.every((y) => y !== undefined) ? undefined : needs([1, 'sizes'])(call, constants),
  pieces({ inputs: [x], outputs }, { attrs }, constants, size) {
    const axis = normalizeAxis(attrs['axis'] as number, x!.dims.length);
    const extent = x!.dims[axis]!;
    const even = Math.ceil(extent / outputs.length);
    const given = integers(constants, 1);
    const extents = outputs.map(
      (y, i) => given?.[i] ?? y?.dims[axis] ?? Math.min(even, Math.max(0, extent - i * even)),
    );
    return parts(axis, x!, outputs, extents, size).map(([part, from]) => ({
      extents: part.dims,
      to: whole(part),
      from,
    }));
  },
};

const slice: Rearrangement = {
  op: 'Slice',
  reject: needs([1, 'starts'], [3, 'axes'], [4, 'steps']),
  pieces({ inputs: [x], outputs: [y] }, _, constants, size) {
    const starts = integers(constants, 1)!;
    const [axes, steps] = [integers(constants, 3), integers(constants, 4)];
    const strides = stridesOf(x!.dims);
    const index = x!.dims.map(() => 0);
    const reach = [...x!.dims];
    starts.forEach((first, i) => {
      const axis = normalizeAxis(axes?.[i] ?? i, strides.length);
      const [extent, step] = [x!.dims[axis]!, steps?.[i] ?? 1];
      // As far as the axis goes: where it ends is for the output's shape to say.
      const { start, count } = sliceRange(extent, first, step > 0 ? extent : -extent - 1, step);
      index[axis] = start;
      reach[axis] = count;
      strides[axis]! *= step;
    });
    y!.dims.forEach((extent, axis) => {
      if (extent > reach[axis]!)
        throw new EspalierError('SHAPE_MISMATCH', `${extent} elements of axis ${axis}, where it has ${reach[axis]}`);
    });
    const { address } = shifted(whole(x!), index, size);
    return [{ extents: y!.dims, to: whole(y!), from: { address, strides } }];
  },
};

const expand: Rearrangement = {
  op: 'Expand',
  pieces({ inputs: [x], outputs: [y] }) {
    checkFits(x!.dims, y!.dims);
    const from = { address: x!.address, strides: broadcastStrides(x!.dims, y!.dims) };
    return [{ extents: y!.dims, to: whole(y!), from }];
  },
};

/** Every axis stands twice: how often, and what is repeated. */
const tile: Rearrangement = {
  op: 'Tile',
  pieces({ inputs: [x], outputs: [y] }) {
    const strides = stridesOf(x!.dims);
    const pairs = x!.dims.flatMap((extent, axis) => {
      const times = extent === 0 ? 0 : Math.floor(y!.dims[axis]! / extent);
      agree(times * extent, y!.dims[axis]!, `the extent of axis ${axis}`);
      return [times, extent];
    });
    const to = { address: y!.address, strides: stridesOf(pairs) };
    const from = { address: x!.address, strides: strides.flatMap((stride) => [0, stride]) };
    return [{ extents: pairs, to, from }];
  },
};

/**
 * The input in the middle, and for each axis what stands before and behind it, of as much as the axes before left over.
 * @param value the address of the element that stands there
 */
export function padded(
  x: BoundOperand,
  y: BoundOperand,
  before: readonly number[],
  size: number,
  value: number,
): readonly Piece[] {
  const start = before.map((b) => Math.max(0, b));
  const cut = before.map((b) => Math.max(0, -b));
  const inner = x.dims.map((extent, axis) => Math.max(0, Math.min(extent - cut[axis]!, y.dims[axis]! - start[axis]!)));
  const still = { address: value, strides: x.dims.map(() => 0) };
  const slab = (axis: number, from: number, count: number): Piece => ({
    extents: y.dims.map((extent, at) => (at < axis ? inner[at]! : at === axis ? count : extent)),
    to: shifted(
      whole(y),
      y.dims.map((_, at) => (at < axis ? start[at]! : at === axis ? from : 0)),
      size,
    ),
    from: still,
  });
  const around = y.dims.flatMap((extent, axis) => {
    const end = Math.min(extent, start[axis]! + inner[axis]!);
    return [slab(axis, 0, Math.min(extent, start[axis]!)), slab(axis, end, extent - end)];
  });
  return [...around, { extents: inner, to: shifted(whole(y), start, size), from: shifted(whole(x), cut, size) }];
}

/** Elements of an axis that follow one another, of the result and, forwards, backwards or the same again, of the input. */
interface Run {
  readonly to: number;
  readonly from: number;
  readonly step: number;
  readonly count: number;
}

/** How an axis of `n` elements goes on `before` it and behind, to `total` in all. */
function runsOf(mode: string, n: number, before: number, total: number): readonly Run[] {
  if (total > 0 && n === 0)
    throw new EspalierError('SHAPE_MISMATCH', `an axis without elements cannot be padded to ${total} by "${mode}"`);
  const runs: Run[] = [];
  const period = mode === 'reflect' ? Math.max(1, 2 * (n - 1)) : n;
  for (let to = 0; to < total; to += runs.at(-1)!.count) {
    const place = to - before;
    const position = place - period * Math.floor(place / period);
    const run =
      mode === 'edge'
        ? place < 0
          ? { from: 0, step: 0, count: before - to }
          : place < n
            ? { from: place, step: 1, count: n - place }
            : { from: n - 1, step: 0, count: total - to }
        : position < n
          ? { from: position, step: 1, count: n - position }
          : { from: period - position, step: -1, count: period - position };
    runs.push({ to, ...run, count: Math.min(run.count, total - to) });
  }
  return runs;
}

/** What stands around the input comes from it, from what negative pads left of it. */
function continued(
  x: BoundOperand,
  y: BoundOperand,
  [before, after]: readonly [readonly number[], readonly number[]],
  size: number,
  mode: string,
): readonly Piece[] {
  const cut = before.map((b) => Math.max(0, -b));
  let chosen: readonly (readonly Run[])[] = [[]];
  for (const [axis, total] of y.dims.entries()) {
    const left = Math.max(0, x.dims[axis]! - cut[axis]! - Math.max(0, -after[axis]!));
    const runs = runsOf(mode, left, Math.max(0, before[axis]!), total);
    chosen = chosen.flatMap((outer) => runs.map((run) => [...outer, run]));
  }
  const [to, from] = [whole(y), shifted(whole(x), cut, size)];
  return chosen.map((runs) => {
    const source = shifted(
      from,
      runs.map((run) => run.from),
      size,
    );
    return {
      extents: runs.map((run) => run.count),
      to: shifted(
        to,
        runs.map((run) => run.to),
        size,
      ),
      from: { ...source, strides: source.strides.map((stride, axis) => stride * runs[axis]!.step) },
    };
  });
}

const pad: Rearrangement = {
  op: 'Pad',
  reject: needs([1, 'pads'], [3, 'axes']),
  pieces({ inputs: [x, , value], outputs: [y] }, { attrs }, constants, size, filler) {
    const pads = integers(constants, 1)!;
    const axes = integers(constants, 3) ?? x!.dims.map((_, axis) => axis);
    const [before, after] = [x!.dims.map(() => 0), x!.dims.map(() => 0)];
    axes.forEach((axis, i) => {
      before[normalizeAxis(axis, before.length)] = pads[i]!;
      after[normalizeAxis(axis, before.length)] = pads[axes.length + i]!;
    });
    const mode = attrs['mode'] as string;
    return mode === 'constant'
      ? padded(x!, y!, before, size, value?.address ?? filler)
      : continued(x!, y!, [before, after], size, mode);
  },
};

/** The same elements in depth and in space, as axes N, C, H, block row, W, block column. */
const blocks = (op: 'DepthToSpace' | 'SpaceToDepth'): Rearrangement => ({
  op,
  pieces({ inputs: [x], outputs: [y] }, { attrs }) {
    const [deep, flat] = op === 'DepthToSpace' ? [x!, y!] : [y!, x!];
    agree(sizeOf(x!.dims), sizeOf(y!.dims), 'the number of elements before and after');
    const [n, depth, height, width] = deep.dims as [number, number, number, number];
    const block = attrs['blocksize'] as number;
    const [area, channels] = [height * width, Math.floor(depth / block ** 2)];
    agree(channels * block ** 2, depth, 'the depth in whole blocks');
    const extents = [n, channels, height, block, width, block];
    const [channel, row, column] =
      attrs['mode'] === 'CRD'
        ? [block * block * area, block * area, area]
        : [area, block * channels * area, channels * area];
    const inDepth = { address: deep.address, strides: [depth * area, channel, width, row, 1, column] };
    const inSpace = { address: flat.address, strides: stridesOf(extents) };
    return [op === 'DepthToSpace' ? { extents, to: inSpace, from: inDepth } : { extents, to: inDepth, from: inSpace }];
  },
});

export const rearrangements = (): readonly Rearrangement[] => [
  ...['Identity', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'].map(same),
  transpose,
  concat,
  split,
  slice,
  expand,
  tile,
  pad,
  blocks('DepthToSpace'),
  blocks('SpaceToDepth'),
];
