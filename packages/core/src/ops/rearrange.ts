/** Ops that move elements to other places: nothing is computed. */

import { type Dim, dim } from '../dim.ts';
import { allDTypes, numbers } from '../dtype.ts';
import type { Inference } from '../schema.ts';
import { broadcastShapes, broadcastStrides, formatShape, normalizeAxis, stridesOf } from '../shape.ts';
import {
  clampedContents,
  common,
  dimsAttribute,
  freshShape,
  gives,
  isSmall,
  lengthOf,
  moved,
  positions,
  type Result,
} from './contents.ts';
import { attr, op, params, schemas } from './define.ts';
import { sliceExtent, sliceRange } from './slice.ts';

const types = { T: allDTypes, Tind: ['int64', 'int32'] } as const;

/** The shape with the sizes at some axes replaced by ones that only the run can tell. */
function freshAt(c: Inference, output: number, shape: readonly Dim[], axes: Iterable<number>): Dim[] {
  const result = [...shape];
  for (const axis of axes) result[axis] = c.fresh(output, axis);
  return result;
}

/** The axes that input `index` lists (all `count` leading ones when it is left out), or undefined where only the run can tell. */
function axesOf(c: Inference, index: number, count: number): readonly number[] | undefined {
  const rank = c.shape(0).length;
  if (!c.has(index)) {
    if (count > rank) c.fail(`speaks of ${count} axes of an input of ${rank}`);
    return Array.from({ length: count }, (_, axis) => axis);
  }
  if (lengthOf(c, index) !== count) c.fail(`its input ${index} has ${lengthOf(c, index)} elements, not ${count}`);
  return distinctAxes(c, c.integers(index), rank);
}

function distinctAxes(c: Inference, given: readonly number[] | undefined, rank: number): readonly number[] | undefined {
  const axes = given?.map((axis) => normalizeAxis(axis, rank));
  if (axes && new Set(axes).size < axes.length) c.fail(`names an axis twice in [${given}]`);
  return axes;
}

function transpose(c: Inference): Result {
  const shape = c.shape(0);
  const perm = c.maybeInts('perm') ?? shape.map((_, axis) => shape.length - 1 - axis);
  if (String([...perm].sort((a, b) => a - b)) !== String(shape.map((_, axis) => axis)))
    c.fail(`[${perm}] is not a permutation of the ${shape.length} axes of its input`);
  const dims = perm.map((axis) => shape[axis]);
  return { shape: dims, contents: moved(c, 0, dims, (strides) => perm.map((axis) => strides[axis])) };
}

function slice(c: Inference): Result {
  const data = c.shape(0);
  const count = lengthOf(c, 1);
  const [starts, ends] = [clampedContents(c, 1), clampedContents(c, 2)];
  const steps = c.has(4) ? clampedContents(c, 4) : new Array<Dim>(count).fill(1);
  for (const list of [2, 4])
    if (c.has(list) && lengthOf(c, list) !== count)
      c.fail(`its input ${list} has ${lengthOf(c, list)} elements, not ${count}`);
  const axes = axesOf(c, 3, count);
  if (!axes) return { shape: freshShape(c, 0, data.length) };
  const shape = [...data];
  const moves: { axis: number; start: number; step: number }[] = [];
  axes.forEach((axis, i) => {
    const [extent, start, end, step] = [data[axis], starts?.[i], ends?.[i], steps?.[i]];
    if (step === 0) c.fail(`has a step of 0 for axis ${axis}`);
    const known = start !== undefined && end !== undefined && typeof step === 'number';
    shape[axis] = (known ? sliceExtent(extent, start, end, step) : undefined) ?? c.fresh(0, axis);
    if (known && typeof extent === 'number' && typeof start === 'number' && typeof end === 'number')
      moves.push({ axis, start: sliceRange(extent, start, end, step).start, step });
  });
  if (moves.length < axes.length || !isSmall(data)) return { shape };
  const strides = stridesOf(data);
  const offset = moves.reduce((sum, { axis, start }) => sum + start * strides[axis], 0);
  for (const { axis, step } of moves) strides[axis] *= step;
  return { shape, contents: moved(c, 0, shape, () => strides, offset) };
}

function concat(c: Inference): Result {
  const inputs = Array.from({ length: c.inputCount }, (_, i) => c.shape(i));
  const rank = inputs[0].length;
  const axis = normalizeAxis(c.int('axis'), rank);
  const shape = inputs.reduce((a, b, i) => {
    if (b.length !== rank) c.fail(`its inputs 0 and ${i} have ${rank} and ${b.length} axes`);
    return a.map((d, at) => (at === axis ? dim.add(d, b[at]) : common(c, d, b[at], `axis ${at} of its input ${i}`)));
  });
  return { shape, contents: isSmall(shape) ? concatContents(c, inputs, shape, axis) : undefined };
}

function concatContents(
  c: Inference,
  inputs: readonly (readonly Dim[])[],
  shape: readonly number[],
  axis: number,
): readonly Dim[] | undefined {
  const strides = stridesOf(shape);
  const contents: Dim[] = [];
  let offset = 0;
  for (const [i, input] of inputs.entries()) {
    const from = c.contents(i);
    if (!from || !isSmall(input)) return undefined;
    positions(input, strides, offset).forEach((to, at) => {
      contents[to] = from[at];
    });
    offset += input[axis] * strides[axis];
  }
  return contents;
}

function split(c: Inference): void {
  const data = c.shape(0);
  const axis = normalizeAxis(c.int('axis'), data.length);
  const extent = data[axis];
  const count = c.attrs.num_outputs === undefined ? c.outputCount : c.int('num_outputs');
  if (c.has(1) && c.attrs.num_outputs !== undefined)
    c.fail('has both the input "split" and the attribute "num_outputs"');
  if (count !== c.outputCount) c.fail(`has ${c.outputCount} outputs, not ${count}`);
  const sizes = c.has(1) ? c.contents(1) : evenParts(extent, count);
  if (c.has(1) && lengthOf(c, 1) !== count) c.fail(`splits in ${lengthOf(c, 1)} and has ${count} outputs`);
  if (sizes && !dim.mayEqual(sizes.reduce(dim.add, 0), extent))
    c.fail(`splits axis ${axis} of ${extent} elements in [${sizes}]`);
  let start = 0;
  for (let i = 0; i < count; i++) {
    if (c.node.outputs[i] === '') {
      start += Number(sizes?.[i]);
      continue;
    }
    const shape = sizes ? data.with(axis, sizes[i]) : freshAt(c, i, data, [axis]);
    const offset = isSmall(data) && isSmall(shape) ? start * stridesOf(data)[axis] : Number.NaN;
    const contents = Number.isNaN(offset) ? undefined : moved(c, 0, shape, (strides) => strides, offset);
    c.output(i, shape, { contents });
    start += Number(sizes?.[i]);
  }
}

/** Equal parts, the last ones smaller where it does not go evenly. */
function evenParts(extent: Dim, count: number): Dim[] {
  const part = dim.ceilDiv(extent, count);
  const left = (i: number): Dim => dim.max(dim.sub(extent, dim.mul(i, part)), 0);
  return Array.from({ length: count }, (_, i) => (i === 0 ? part : dim.min(part, left(i))));
}

function expand(c: Inference): Result {
  const shape = c.shape(0);
  const given = dimsAttribute(c, 'shape');
  if (!given && !c.has(1)) c.fail('needs its shape, as input 1 or as an attribute');
  const to = given ?? c.contents(1);
  if (!to) {
    const result = broadcastShapes(shape, new Array<Dim>(lengthOf(c, 1)).fill(1));
    const open = result.map((d, axis) => (dim.lowerBound(d) > 1 ? -1 : axis)).filter((axis) => axis >= 0);
    return { shape: freshAt(c, 0, result, open) };
  }
  const dims = broadcastShapes(shape, to);
  const contents = isSmall(dims) ? moved(c, 0, dims, () => broadcastStrides(shape as number[], dims)) : undefined;
  return { shape: dims, contents };
}

function tile(c: Inference): Result {
  const shape = c.shape(0);
  const rank = lengthOf(c, 1);
  if (rank !== shape.length) c.fail(`repeats ${rank} axes of an input of ${shape.length}`);
  const repeats = c.contents(1);
  if (!repeats) return { shape: freshShape(c, 0, rank) };
  const dims = shape.map((d, axis) => dim.mul(d, repeats[axis]));
  // Every axis stands twice: how often, and what is repeated.
  const pairs = isSmall(dims) ? shape.flatMap((d, axis) => [repeats[axis], d]) : undefined;
  const contents = pairs && moved(c, 0, pairs, (strides) => strides.flatMap((stride) => [0, stride]));
  return { shape: dims, contents };
}

const padModes = ['constant', 'reflect', 'edge', 'wrap'];

function pad(c: Inference): Result {
  const shape = c.shape(0);
  if (!padModes.includes(c.string('mode'))) c.fail(`its mode is "${c.string('mode')}"; it must be one of ${padModes}`);
  const count = lengthOf(c, 1) / 2;
  if (!Number.isInteger(count)) c.fail(`has ${count * 2} pads: two for each axis are needed`);
  if (!c.has(3) && count !== shape.length) c.fail(`has ${count * 2} pads for an input of ${shape.length} axes`);
  const axes = axesOf(c, 3, count);
  const pads = c.contents(1);
  if (!axes) return { shape: freshShape(c, 0, shape.length) };
  if (!pads) return { shape: freshAt(c, 0, shape, axes) };
  const dims = [...shape];
  axes.forEach((axis, i) => {
    dims[axis] = dim.add(dims[axis], dim.add(pads[i], pads[count + i]));
  });
  return { shape: dims };
}

function centerCropPad(c: Inference): Result {
  const shape = c.shape(0);
  const axes = distinctAxes(c, c.maybeInts('axes'), shape.length) ?? shape.map((_, axis) => axis);
  if (lengthOf(c, 1) !== axes.length) c.fail(`has ${lengthOf(c, 1)} sizes for ${axes.length} axes`);
  const sizes = c.contents(1);
  if (!sizes) return { shape: freshAt(c, 0, shape, axes) };
  const dims = [...shape];
  axes.forEach((axis, i) => {
    dims[axis] = sizes[i];
  });
  return { shape: dims };
}

function quotient(c: Inference, a: Dim, b: number): Dim {
  const rest = dim.mod(a, b);
  if (typeof rest === 'number' && rest !== 0) c.fail(`cannot divide an axis of ${a} by ${b}`);
  return dim.floorDiv(a, b);
}

function blockAttributes(c: Inference): { shape: readonly Dim[]; size: number } {
  const [shape, size, mode] = [c.shape(0), c.int('blocksize'), c.string('mode')];
  if (shape.length !== 4) c.fail(`takes an input of 4 axes, not ${shape.length}`);
  if (size < 1) c.fail(`has a block size of ${size}`);
  if (mode !== 'DCR' && mode !== 'CRD') c.fail(`its mode is "${mode}"; it must be DCR or CRD`);
  return { shape, size };
}

function depthToSpace(c: Inference): void {
  const { shape, size } = blockAttributes(c);
  const [n, depth, height, width] = shape;
  c.output(0, [n, quotient(c, depth, size * size), dim.mul(height, size), dim.mul(width, size)]);
}

function spaceToDepth(c: Inference): void {
  const { shape, size } = blockAttributes(c);
  const [n, depth, height, width] = shape;
  c.output(0, [n, dim.mul(depth, size * size), quotient(c, height, size), quotient(c, width, size)]);
}

function trilu(c: Inference): void {
  if (c.shape(0).length < 2) c.fail('takes matrices: its input has fewer than 2 axes');
  c.output(0, c.shape(0));
}

function reverseSequence(c: Inference): void {
  const shape = c.shape(0);
  const [batch, time] = [c.int('batch_axis'), c.int('time_axis')];
  if (shape.length < 2 || !(batch === 1 - time && (batch === 0 || batch === 1)))
    c.fail(`reverses ${formatShape(shape)} along axis ${time}, batch axis ${batch}: they must be axes 0 and 1`);
  if (c.shape(1).length !== 1) c.fail('takes a list of lengths');
  common(c, c.shape(1)[0], shape[batch], 'the number of its lengths');
  c.output(0, shape);
}

function col2im(c: Inference): void {
  const shape = c.shape(0);
  const rank = lengthOf(c, 1);
  if (shape.length !== 3) c.fail(`takes an input of 3 axes, not ${shape.length}`);
  if (lengthOf(c, 2) !== rank) c.fail(`its image has ${rank} axes and its blocks ${lengthOf(c, 2)}`);
  for (const [name, length] of [
    ['strides', rank],
    ['dilations', rank],
    ['pads', 2 * rank],
  ] as const) {
    const list = c.maybeInts(name);
    if (list && (list.length !== length || list.some((x) => x < (name === 'pads' ? 0 : 1))))
      c.fail(`its attribute "${name}" is [${list}]; it needs ${length} positive numbers`);
  }
  const [image, block] = [c.contents(1), c.integers(2)];
  const channels = block ? quotient(c, shape[1], dim.product(block) as number) : c.fresh(0, 1);
  c.output(0, [shape[0], channels, ...(image ?? Array.from({ length: rank }, (_, i) => c.fresh(0, 2 + i)))]);
}

const data = params('input:T');
const output = params('output:T');

export const rearrange = schemas(() => [
  op('Transpose', [1, 13, 21, 23, 24, 25], {
    widened: [13, 21, 23, 24, 25],
    types,
    inputs: params('data:T'),
    outputs: params('transposed:T'),
    attributes: { perm: attr.ints() },
    infer: gives(transpose),
  }),
  op('Slice', [1, 10, 11, 13], {
    widened: [13],
    types,
    inputs: params('data:T', 'starts:Tind', 'ends:Tind', 'axes?:Tind', 'steps?:Tind'),
    outputs: output,
    shapeInputs: [1, 2, 3, 4],
    infer: gives(slice),
  }),
  op('Concat', [1, 4, 11, 13], {
    widened: [13],
    types,
    inputs: params('...inputs:T'),
    outputs: params('concat_result:T'),
    attributes: { axis: attr.required('int') },
    infer: gives(concat),
  }),
  op('Split', [1, 2, 11, 13, 18], {
    types,
    inputs: params('input:T', 'split?:int64'),
    outputs: params('...outputs:T'),
    attributes: { axis: attr.int(0), num_outputs: attr.int() },
    shapeInputs: [1],
    infer: split,
  }),
  op('Expand', [8, 13], {
    widened: [13],
    types,
    inputs: params('input:T', 'shape?:int64'),
    outputs: output,
    attributes: { shape: { type: 'dims' } },
    shapeInputs: [1],
    infer: gives(expand),
  }),
  op('Tile', [1, 6, 13], {
    widened: [13],
    types,
    inputs: params('input:T', 'repeats:int64'),
    outputs: output,
    shapeInputs: [1],
    infer: gives(tile),
  }),
  op('Pad', [1, 2, 11, 13, 18, 19, 21, 23, 24, 25], {
    widened: [13, 21, 23, 24, 25],
    types,
    inputs: params('data:T', 'pads:int64', 'constant_value?:T', 'axes?:Tind'),
    outputs: output,
    attributes: { mode: attr.string('constant') },
    shapeInputs: [1, 3],
    infer: gives(pad),
  }),
  op('CenterCropPad', [18], {
    types,
    inputs: params('input_data:T', 'shape:Tind'),
    outputs: params('output_data:T'),
    attributes: { axes: attr.ints() },
    shapeInputs: [1],
    infer: gives(centerCropPad),
  }),
  op('DepthToSpace', [1, 11, 13, 28], {
    widened: [13, 28],
    types,
    inputs: data,
    outputs: output,
    attributes: { blocksize: attr.required('int'), mode: attr.string('DCR') },
    infer: depthToSpace,
  }),
  // Opset 28 adds the mode, and is read as it is: without it nothing has changed.
  op('SpaceToDepth', [1, 13, 28], {
    widened: [13, 28],
    types,
    inputs: data,
    outputs: output,
    attributes: { blocksize: attr.required('int'), mode: attr.string('DCR') },
    infer: spaceToDepth,
  }),
  op('Trilu', [14], {
    types,
    inputs: params('input:T', 'k?:int64'),
    outputs: output,
    attributes: { upper: attr.int(1) },
    infer: trilu,
  }),
  op('ReverseSequence', [10, 28], {
    widened: [28],
    types,
    inputs: params('input:T', 'sequence_lens:int64'),
    attributes: { batch_axis: attr.int(1), time_axis: attr.int(0) },
    infer: reverseSequence,
  }),
  op('Col2Im', [18], {
    types: { T: numbers },
    inputs: params('input:T', 'image_shape:int64', 'block_shape:int64'),
    outputs: output,
    attributes: { dilations: attr.ints(), pads: attr.ints(), strides: attr.ints() },
    shapeInputs: [1, 2],
    infer: col2im,
  }),
]);
