/** Resampling: Resize, GridSample and AffineGrid. */

import { type Dim, dim } from '../dim.ts';
import { type DType, floats, ints } from '../dtype.ts';
import { EspalierError } from '../errors.ts';
import type { Attributes } from '../graph.ts';
import type { Inference } from '../schema.ts';
import { normalizeAxis } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { agree, oneOf, ranked, shaped } from './check.ts';
import { attr, op, params, schemas } from './define.ts';

const images: readonly DType[] = [...floats, ...ints, 'bool'];

/** Along one axis of Resize: output extent, and output positions per input position. */
export interface ResizeAxis {
  readonly size: number;
  readonly scale: number;
}

/** The axes that `scales`, `sizes` and `roi` speak of. */
export function resizeAxes(attrs: Attributes, rank: number): number[] {
  const axes = attrs['axes'] as readonly number[] | undefined;
  return axes?.length ? axes.map((axis) => normalizeAxis(axis, rank)) : Array.from({ length: rank }, (_, i) => i);
}

/**
 * Resize along every axis of an input of `dims`, by ONNX's Resize-19. The extent is computed in float32, as all runtimes do.
 * @throws EspalierError `BAD_INPUT` for scales or sizes that cannot be
 */
export function resizeGeometry(
  attrs: Attributes,
  dims: readonly number[],
  given: { readonly scales: readonly number[] } | { readonly sizes: readonly number[] },
): ResizeAxis[] {
  const axes = resizeAxes(attrs, dims.length);
  const result: ResizeAxis[] = dims.map((size) => ({ size, scale: 1 }));
  const values = 'scales' in given ? given.scales : given.sizes;
  const isBad = (v: number): boolean => !(v >= 0 && Number.isFinite(v)) || ('scales' in given && v === 0);
  if (values.length !== axes.length || values.some(isBad))
    throw new EspalierError('BAD_INPUT', `[${values}] cannot resize ${axes.length} axes of [${dims}]`);
  if ('scales' in given) {
    axes.forEach((axis, i) => {
      const scale = given.scales[i];
      result[axis] = { size: Math.floor(Math.fround(dims[axis] * scale)), scale };
    });
    return result;
  }
  if (axes.some((axis, i) => dims[axis] === 0 && given.sizes[i] > 0))
    throw new EspalierError('BAD_INPUT', `[${values}] resizes nothing, the input being [${dims}]`);
  const scales = axes.map((axis, i) => given.sizes[i] / dims[axis]);
  const policy = attrs['keep_aspect_ratio_policy'];
  const common = policy === 'not_larger' ? Math.min(...scales) : Math.max(...scales);
  axes.forEach((axis, i) => {
    result[axis] =
      policy === 'stretch'
        ? { size: given.sizes[i], scale: scales[i] }
        : { size: Math.floor(common * dims[axis] + 0.5), scale: common };
  });
  return result;
}

/** `floor(size * scale)` for a scale that is an exact fraction with a power of two below; undefined where it is not. */
function scaled(size: Dim, scale: number): Dim | undefined {
  if (!(scale > 0)) return undefined;
  for (let below = 1; below <= 1024; below *= 2)
    if (Number.isInteger(scale * below)) return dim.floorDiv(dim.mul(size, scale * below), below);
  return undefined;
}

function resized(c: Inference): Dim[] {
  const shape = c.shape(0);
  const axes = resizeAxes(c.attrs, shape.length);
  if (new Set(axes).size < axes.length) c.fail(`its attribute "axes" is [${axes}], with an axis twice`);
  const isGiven = (index: number): boolean => c.has(index) && c.shape(index)[0] !== 0;
  if (isGiven(2) === isGiven(3)) c.fail('needs either "scales" or "sizes"');
  const index = isGiven(2) ? 2 : 3;
  shaped(c, index, [axes.length]);
  const isStatic = shape.every((d) => typeof d === 'number');
  const scales = isGiven(2) ? floatsOf(c.constant(2)) : undefined;
  const sizes = isGiven(3) ? c.integers(3) : undefined;
  if (isStatic && (scales || sizes)) {
    const axesOf = resizeGeometry(c.attrs, shape as readonly number[], scales ? { scales } : { sizes: sizes! });
    return axesOf.map(({ size }) => size);
  }
  const contents = c.string('keep_aspect_ratio_policy') === 'stretch' && isGiven(3) ? c.contents(3) : undefined;
  const result: Dim[] = [...shape];
  axes.forEach((axis, i) => {
    const known = scales ? scaled(shape[axis], scales[i]) : contents?.[i];
    result[axis] = known ?? c.fresh(0, axis);
  });
  return result;
}

function floatsOf(tensor: Tensor | undefined): number[] | undefined {
  return tensor && Array.from(tensor.data as Float32Array);
}

export const resample = schemas(() => [
  op('Resize', [10, 11, 13, 18, 19], {
    widened: [13, 18, 19],
    types: { T1: images, T2: ['float64', 'float32', 'float16'] },
    inputs: params('X:T1', 'roi?:T2', 'scales?:float32', 'sizes?:int64'),
    outputs: params('Y:T1'),
    attributes: {
      antialias: attr.int(0),
      axes: attr.ints(),
      coordinate_transformation_mode: attr.string('half_pixel'),
      cubic_coeff_a: attr.float(-0.75),
      exclude_outside: attr.int(0),
      extrapolation_value: attr.float(0),
      keep_aspect_ratio_policy: attr.string('stretch'),
      mode: attr.string('nearest'),
      nearest_mode: attr.string('round_prefer_floor'),
    },
    shapeInputs: [2, 3],
    infer: (c) => {
      oneOf(c, 'mode', ['nearest', 'linear', 'cubic']);
      oneOf(c, 'nearest_mode', ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil']);
      oneOf(c, 'keep_aspect_ratio_policy', ['stretch', 'not_larger', 'not_smaller']);
      const transformation = oneOf(c, 'coordinate_transformation_mode', [
        'half_pixel',
        'half_pixel_symmetric',
        'pytorch_half_pixel',
        'align_corners',
        'asymmetric',
        'tf_crop_and_resize',
      ]);
      if (transformation === 'tf_crop_and_resize') {
        c.input(1);
        shaped(c, 1, [2 * resizeAxes(c.attrs, c.shape(0).length).length]);
      }
      c.output(0, resized(c));
    },
  }),
  op('GridSample', [16, 20, 22], {
    widened: [22],
    types: { T1: images, T2: floats },
    inputs: params('X:T1', 'grid:T2'),
    outputs: params('Y:T1'),
    attributes: { align_corners: attr.int(0), mode: attr.string('linear'), padding_mode: attr.string('zeros') },
    infer: (c) => {
      oneOf(c, 'mode', ['linear', 'nearest', 'cubic']);
      oneOf(c, 'padding_mode', ['zeros', 'border', 'reflection']);
      const [batch, channels, ...spatial] = ranked(c, 0, 3, true);
      const grid = ranked(c, 1, spatial.length + 2);
      agree(c, grid[0], batch, 'batches of its inputs');
      agree(c, grid.at(-1)!, spatial.length, 'coordinates of the grid');
      c.output(0, [batch, channels, ...grid.slice(1, -1)]);
    },
  }),
  op('AffineGrid', [20], {
    types: { T1: floats, T2: ['int64'] },
    inputs: params('theta:T1', 'size:T2'),
    outputs: params('grid:T1'),
    attributes: { align_corners: attr.int(0) },
    shapeInputs: [1],
    infer: (c) => {
      const [batch, rows, columns] = ranked(c, 0, 3);
      if (!((rows === 2 && columns === 3) || (rows === 3 && columns === 4)))
        c.unsupported(`theta is [${c.shape(0)}], not [N,2,3] or [N,3,4]`);
      const axes = rows === 2 ? 2 : 3;
      shaped(c, 1, [axes + 2]);
      const size = c.contents(1);
      const spatial = size?.slice(2) ?? Array.from({ length: axes }, (_, i) => c.fresh(0, i + 1));
      if (size) agree(c, size[0], batch, 'the batches of theta and size');
      c.output(0, [batch, ...spatial, axes]);
    },
  }),
]);
