/** Ops that cut, join, repeat, reverse and pad. */

import { type Dim, normalizeAxis, Tensor } from '@espalier/core';
import type { Operand } from '../builder.ts';
import { END, i64, type Translation, type Translator } from '../translation.ts';

/** Element `index` of a list of integers, as a list of one. */
export function element(c: Translation, list: Operand, index: number): Operand {
  const value = c.facts(list).contents?.[index];
  return typeof value === 'number' ? i64(value) : c.emit('Gather', [c.int64(list), i64(index)], { axis: 0 });
}

/** Lists of 64-bit integers joined. */
export function join(c: Translation, lists: readonly Operand[]): Operand {
  if (lists.every((list) => list instanceof Tensor))
    return i64(...lists.flatMap((list) => Array.from(list.data as BigInt64Array, Number)));
  return c.emit('Concat', lists, { axis: 0 });
}

/** One axis of a slice; `start` and `end` are lists of one. */
interface Cut {
  readonly axis: number;
  readonly start: Operand;
  readonly end: Operand;
  readonly step: number;
}

function cut(c: Translation, x: Operand, cuts: readonly Cut[]): string {
  if (cuts.length === 0) return c.value(x);
  const starts = join(
    c,
    cuts.map(({ start }) => start),
  );
  const ends = join(
    c,
    cuts.map(({ end }) => end),
  );
  return c.emit('Slice', [x, starts, ends, i64(...cuts.map(({ axis }) => axis)), i64(...cuts.map(({ step }) => step))]);
}

/** A size of -1 means all that is left. */
const slice: Translator = (c) => {
  const [x, begins, sizes] = [c.input(0), c.input(1), c.input(2)];
  const known = c.facts(sizes).contents;
  const cuts = c.shape(x).flatMap((extent, axis): Cut[] => {
    const start = element(c, begins, axis);
    const size = known?.[axis];
    const isWhole = start instanceof Tensor && Number(start.data[0]) === 0 && (size === -1 || size === extent);
    return isWhole ? [] : [{ axis, start, end: sliceEnd(c, start, element(c, sizes, axis), size), step: 1 }];
  });
  return cut(c, x, cuts);
};

function sliceEnd(c: Translation, start: Operand, size: Operand, known: Dim | undefined): Operand {
  if (known === -1) return i64(END);
  if (start instanceof Tensor && size instanceof Tensor) return i64(Number(start.data[0]) + Number(size.data[0]));
  const end = c.emit('Add', [start, size]);
  return known === undefined ? c.emit('Where', [c.emit('Less', [size, i64(0)]), i64(END), end]) : end;
}

/** numpy's slicing; bit i of each mask speaks of entry i of begin, end and strides. */
const stridedSlice: Translator = (c) => {
  const [x, begins, ends] = [c.input(0), c.input(1), c.input(2)];
  const steps = c.required(c.input(3), 'strides');
  const mask = (name: string): ((entry: number) => boolean) => {
    const bits = c.attrs.int(`${name}_mask`, 0);
    return (entry) => (bits & (1 << entry)) !== 0;
  };
  const [noBegin, noEnd, ellipsis, newAxis, shrink] = [
    mask('begin'),
    mask('end'),
    mask('ellipsis'),
    mask('new_axis'),
    mask('shrink_axis'),
  ];
  // More would not fit into the masks.
  if (steps.length > 31) c.unsupported(`it slices ${steps.length} axes`);
  const entries = steps.map((_, entry) => entry);
  if (entries.filter(ellipsis).length > 1) c.fail('has more than one ellipsis');
  const named = entries.filter((entry) => !newAxis(entry) && !ellipsis(entry)).length;
  if (named > c.rank(x)) c.fail(`slices ${named} axes of ${c.rank(x)}`);
  const cuts: Cut[] = [];
  const picks: { axis: number; index: Operand }[] = [];
  const added: number[] = [];
  let axis = 0;
  let kept = 0;
  for (const entry of entries) {
    if (ellipsis(entry)) {
      axis += c.rank(x) - named;
      kept += c.rank(x) - named;
    } else if (newAxis(entry)) added.push(kept++);
    else if (shrink(entry)) picks.push({ axis: axis++, index: element(c, begins, entry) });
    else {
      const step = steps[entry]!;
      if (step === 0) c.fail('has a stride of 0');
      if (!(noBegin(entry) && noEnd(entry) && step === 1)) {
        const start = noBegin(entry) ? i64(step > 0 ? 0 : END) : element(c, begins, entry);
        const end = noEnd(entry) ? i64(step > 0 ? END : -END) : element(c, ends, entry);
        cuts.push({ axis, start, end, step });
      }
      axis++;
      kept++;
    }
  }
  let result = cut(c, x, cuts);
  for (const { axis, index } of picks.toReversed()) {
    const scalar = index instanceof Tensor ? index.reshape([]) : c.squeeze(index, 0);
    result = c.emit('Gather', [result, scalar], { axis });
  }
  return c.unsqueeze(result, ...added);
};

const concat =
  (axisFirst: boolean): Translator =>
  (c) => {
    const at = axisFirst ? 0 : c.inputs.length - 1;
    const parts = c.inputs.filter((_, i) => i !== at);
    if (parts.length === 0) c.fail('joins nothing');
    const axis = c.axis(at, c.rank(parts[0]!));
    return parts.length === 1 ? parts[0]! : c.emit('Concat', parts, { axis });
  };

const pack: Translator = (c) => {
  const axis = normalizeAxis(c.attrs.int('axis', 0), c.rank(c.input(0)) + 1);
  const parts = c.inputs.map((x) => c.unsqueeze(x, axis));
  return parts.length === 1 ? parts[0]! : c.emit('Concat', parts, { axis });
};

const unpack: Translator = (c) => {
  const x = c.input(0);
  const axis = normalizeAxis(c.attrs.int('axis', 0), c.rank(x));
  const count = c.count(c.attrs.int('num', -1));
  return Array.from({ length: count }, (_, i) => c.emit('Gather', [x, i64(i).reshape([])], { axis }));
};

function splitInto(
  c: Translation,
  x: string,
  axis: number,
  count: number,
  sizes: Operand | undefined,
): readonly string[] {
  if (count === 1) return [x];
  return c.emitAll('Split', [x, sizes], sizes === undefined ? { axis, num_outputs: count } : { axis }, count);
}

const split: Translator = (c) =>
  splitInto(c, c.input(1), c.axis(0, c.rank(c.input(1))), c.count(c.attrs.int('num_split', 1)), undefined);

const splitV: Translator = (c) => {
  const x = c.input(0);
  const axis = c.axis(2, c.rank(x));
  const sizes = c.required(c.input(1), 'sizes');
  const extent = c.shape(x)[axis]!;
  const rest = sizes.reduce((left, size) => left - Math.max(0, size), typeof extent === 'number' ? extent : Number.NaN);
  const filled = sizes.map((size) => (size === -1 ? rest : size));
  if (filled.some(Number.isNaN)) c.unsupported(`a part of ${extent} along axis ${axis} has a size that is not known`);
  return splitInto(c, x, axis, sizes.length, i64(...filled));
};

const reverse: Translator = (c) => {
  const x = c.input(0);
  const axes = c.required(c.input(1), 'axes').map((axis) => normalizeAxis(axis, c.rank(x)));
  return cut(
    c,
    x,
    axes.map((axis) => ({ axis, start: i64(END), end: i64(-END), step: -1 })),
  );
};

/** Pairs (before, after) per axis, as ONNX wants them: all befores, then all afters. */
function pads(c: Translation, x: Operand, pairs: Operand): Operand {
  const known = c.known(pairs);
  if (known) return i64(...known.filter((_, i) => i % 2 === 0), ...known.filter((_, i) => i % 2 === 1));
  return c.reshape(c.transpose(c.int64(pairs), [1, 0]), [2 * c.rank(x)]);
}

const pad: Translator = (c) =>
  c.emit('Pad', [c.input(0), pads(c, c.input(0), c.input(1)), c.inputs.length > 2 ? c.input(2) : undefined]);

const mirrorPad: Translator = (c) => {
  const mode = c.attrs.string('mode', 'REFLECT');
  if (mode !== 'REFLECT') c.unsupported(`no mode ${mode}`);
  return c.emit('Pad', [c.input(0), pads(c, c.input(0), c.input(1))], { mode: 'reflect' });
};

const transpose: Translator = (c) => {
  const perm = c.required(c.input(1), 'permutation').map((axis) => normalizeAxis(axis, c.rank(c.input(0))));
  return c.transpose(c.input(0), perm);
};

export const slices: Readonly<Record<string, Translator>> = {
  Slice: slice,
  StridedSlice: stridedSlice,
  Concat: concat(true),
  ConcatV2: concat(false),
  Pack: pack,
  Unpack: unpack,
  Split: split,
  SplitV: splitV,
  ReverseV2: reverse,
  Pad: pad,
  PadV2: pad,
  MirrorPad: mirrorPad,
  Tile: (c) => c.emit('Tile', [c.input(0), c.int64(c.input(1))]),
  Transpose: transpose,
};
