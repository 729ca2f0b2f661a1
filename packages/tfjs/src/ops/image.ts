/** Ops on images: resizing, blocks, and the choice of boxes. */

import { Tensor } from '@espalier/core';
import type { Operand } from '../builder.ts';
import { channelsFirst, channelsLast, toNodeLayout, toOnnxLayout } from '../layout.ts';
import { i64, type Translation, type Translator } from '../translation.ts';

const resize =
  (mode: 'linear' | 'nearest'): Translator =>
  (c) => {
    const x = mode === 'linear' ? c.cast(c.input(0), 'float32') : c.input(0);
    const corners = c.attrs.bool('align_corners', false);
    const centers = c.attrs.bool('half_pixel_centers', false);
    // TensorFlow rounds down except where it aligns corners or centers, there to the nearest, halves up.
    const nearest = mode === 'linear' ? {} : { nearest_mode: corners || centers ? 'round_prefer_ceil' : 'floor' };
    const coordinates = corners ? 'align_corners' : centers ? 'half_pixel' : 'asymmetric';
    const attrs = { mode, coordinate_transformation_mode: coordinates, axes: [2, 3], ...nearest };
    return channelsLast(c, c.emit('Resize', [channelsFirst(c, x), undefined, undefined, c.int64(c.input(1))], attrs));
  };

const depthToSpace: Translator = (c) => {
  const blocksize = c.attrs.int('block_size', 1);
  return toNodeLayout(c, c.emit('DepthToSpace', [toOnnxLayout(c, c.input(0))], { blocksize, mode: 'DCR' }));
};

/** Sizes of the axes from `from` on, which a reshape needs as numbers. */
function sizesFrom(c: Translation, x: Operand, from: number): number[] {
  return c
    .shape(x)
    .slice(from)
    .map((size) => (typeof size === 'number' ? size : c.unsupported(`its size ${size} is not known`)));
}

const evens = (values: readonly number[]): readonly number[] => values.filter((_, i) => i % 2 === 0);
const odds = (values: readonly number[]): readonly number[] => values.filter((_, i) => i % 2 === 1);

/** Cells of each block to the batch: [n, H*b, W*b, C] to [b*b*n, H, W, C]. */
const spaceToBatch: Translator = (c) => {
  const blocks = c.required(c.input(1), 'block shape');
  const paddings = c.required(c.input(2), 'paddings');
  const m = blocks.length;
  const ends = c.rank(c.input(0)) - m - 1;
  const pad = (list: readonly number[]): number[] => [0, ...list, ...Array<number>(ends).fill(0)];
  const padded = c.emit('Pad', [c.input(0), i64(...pad(evens(paddings)), ...pad(odds(paddings)))]);
  const sizes = sizesFrom(c, padded, 1);
  const cells = sizes.slice(0, m).map((size, i) => size / blocks[i]!);
  if (!cells.every(Number.isInteger)) c.fail(`has sizes [${sizes}] that blocks of [${blocks}] do not divide`);
  const rest = sizes.slice(m);
  const split = c.reshape(padded, [-1, ...cells.flatMap((size, i) => [size, blocks[i]!]), ...rest]);
  const inner = cells.map((_, i) => 2 * i + 2);
  const outer = cells.map((_, i) => 2 * i + 1);
  const moved = c.transpose(split, [...inner, 0, ...outer, ...rest.map((_, i) => 2 * m + 1 + i)]);
  return c.reshape(moved, [-1, ...cells, ...rest]);
};

/** The inverse: [b*b*n, H, W, C] to [n, H*b, W*b, C], then cut at the edges. */
const batchToSpace: Translator = (c) => {
  const blocks = c.required(c.input(1), 'block shape');
  const crops = c.required(c.input(2), 'crops');
  const m = blocks.length;
  const sizes = sizesFrom(c, c.input(0), 1);
  const [cells, rest] = [sizes.slice(0, m), sizes.slice(m)];
  const split = c.reshape(c.input(0), [...blocks, -1, ...sizes]);
  const order = [m, ...cells.flatMap((_, i) => [m + 1 + i, i]), ...rest.map((_, i) => 2 * m + 1 + i)];
  const full = cells.map((size, i) => size * blocks[i]!);
  const joined = c.reshape(c.transpose(split, order), [-1, ...full, ...rest]);
  const ends = odds(crops).map((crop, i) => full[i]! - crop);
  return c.emit('Slice', [joined, i64(...evens(crops)), i64(...ends), i64(...cells.map((_, i) => i + 1))]);
};

/** Boxes in the order of their scores, without those that overlap a better one. Gives indices of boxes. */
function chooseBoxes(c: Translation, threshold: Operand): string {
  const boxes = c.unsqueeze(c.input(0), 0);
  const scores = c.unsqueeze(c.input(1), 0, 1);
  const limit = c.reshape(c.int64(c.input(2)), [1]);
  const chosen = c.emit('NonMaxSuppression', [boxes, scores, limit, c.input(3), threshold]);
  return c.int32(c.emit('Gather', [chosen, i64(2).reshape([])], { axis: 1 }));
}

const countOf = (c: Translation, list: string): string => c.int32(c.squeeze(c.shapeOf(list), 0));

const nonMaxSuppression: Translator = (c) =>
  chooseBoxes(c, c.inputs.length > 4 ? c.input(4) : new Tensor('float32', [-3.4e38], []));

/** Also says how many there are; may fill the list up with zeros. */
const nonMaxSuppressionV4: Translator = (c) => {
  const chosen = chooseBoxes(c, c.input(4));
  if (!c.attrs.bool('pad_to_max_output_size', false)) return [chosen, countOf(c, chosen)];
  const missing = c.emit('Sub', [c.reshape(c.int64(c.input(2)), [1]), c.shapeOf(chosen)]);
  return [c.emit('Pad', [chosen, c.emit('Concat', [i64(0), missing], { axis: 0 })]), countOf(c, chosen)];
};

/** Also gives the scores. */
const nonMaxSuppressionV5: Translator = (c) => {
  const [sigma] = Array.from((c.facts(c.input(5)).constant?.data ?? []) as ArrayLike<number>);
  if (sigma !== 0) c.unsupported('soft suppression (sigma other than 0)');
  const chosen = chooseBoxes(c, c.input(4));
  return [chosen, c.emit('Gather', [c.input(1), chosen], { axis: 0 }), countOf(c, chosen)];
};

export const images: Readonly<Record<string, Translator>> = {
  ResizeBilinear: resize('linear'),
  ResizeNearestNeighbor: resize('nearest'),
  DepthToSpace: depthToSpace,
  SpaceToBatchND: spaceToBatch,
  BatchToSpaceND: batchToSpace,
  NonMaxSuppressionV2: nonMaxSuppression,
  NonMaxSuppressionV3: nonMaxSuppression,
  NonMaxSuppressionV4: nonMaxSuppressionV4,
  NonMaxSuppressionV5: nonMaxSuppressionV5,
};
