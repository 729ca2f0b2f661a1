/** Ops that read or write where an index tensor says. */

import { type Dim, dim } from '../dim.ts';
import { allDTypes } from '../dtype.ts';
import type { Inference } from '../schema.ts';
import { normalizeAxis, stridesOf } from '../shape.ts';
import { common, gives, isSmall, positions, type Result } from './contents.ts';
import { attr, op, params, schemas } from './define.ts';

const types = { T: allDTypes, Tind: ['int64', 'int32'] } as const;

/** Indices counted from the start; undefined where one is out of range, which is for the run to report. */
function resolve(indices: readonly number[], extent: number): readonly number[] | undefined {
  const found = indices.map((index) => (index < 0 ? index + extent : index));
  return found.every((index) => index >= 0 && index < extent) ? found : undefined;
}

function gather(c: Inference): Result {
  const [data, indices] = [c.shape(0), c.shape(1)];
  const axis = normalizeAxis(c.int('axis'), data.length);
  const shape = [...data.slice(0, axis), ...indices, ...data.slice(axis + 1)];
  return { shape, contents: gatherContents(c, axis) };
}

function gatherContents(c: Inference, axis: number): readonly Dim[] | undefined {
  const [data, contents, indices] = [c.shape(0), c.contents(0), c.integers(1)];
  if (!contents || !indices || !isSmall(data)) return undefined;
  const strides = stridesOf(data);
  const before = positions(data.slice(0, axis), strides.slice(0, axis));
  const after = positions(data.slice(axis + 1), strides.slice(axis + 1));
  const steps = resolve(indices, data[axis])?.map((index) => index * strides[axis]);
  if (!steps || !isSmall([before.length, steps.length, after.length])) return undefined;
  return before.flatMap((b) => steps.flatMap((step) => after.map((a) => contents[b + step + a])));
}

/** The element of a 1-D input that each index names. */
function gatherElements(c: Inference): void {
  const [data, indices] = [c.shape(0), c.shape(1)];
  normalizeAxis(c.int('axis'), data.length);
  if (indices.length !== data.length) c.fail(`its indices have ${indices.length} axes and its input ${data.length}`);
  c.output(0, indices, { contents: data.length === 1 ? gatherContents(c, 0) : undefined });
}

/** How many axes an index tuple names, and the shape of what it names. */
function tuples(c: Inference, batchDims: number): { length: number; slice: readonly Dim[] } {
  const [data, indices] = [c.shape(0), c.shape(1)];
  if (data.length === 0 || indices.length === 0) c.fail('takes no scalars');
  const length = indices[indices.length - 1];
  if (typeof length === 'string') c.unsupported(`its index tuples have ${length} parts, which decides a rank`);
  if (batchDims < 0 || batchDims >= Math.min(data.length, indices.length) || length > data.length - batchDims)
    c.fail(
      `its index tuples of ${length} name more axes than its input has (${data.length}, ${batchDims} of them batch)`,
    );
  for (let axis = 0; axis < batchDims; axis++) common(c, data[axis], indices[axis], `axis ${axis} of its indices`);
  return { length, slice: data.slice(batchDims + length) };
}

function gatherND(c: Inference): Result {
  const batchDims = c.int('batch_dims');
  const { slice } = tuples(c, batchDims);
  const shape = [...c.shape(1).slice(0, -1), ...slice];
  const starts = batchDims === 0 && c.contents(0) ? tuplePositions(c) : undefined;
  if (!starts || !isSmall(slice) || !isSmall(shape)) return { shape };
  const [contents, after] = [c.contents(0)!, positions(slice, stridesOf(slice))];
  return { shape, contents: starts.flatMap((start) => after.map((at) => contents[start + at])) };
}

/** Where in the data each index tuple points, where both are known. */
function tuplePositions(c: Inference): readonly number[] | undefined {
  const [data, indices] = [c.shape(0), c.integers(1)];
  const { length } = tuples(c, 0);
  if (!indices || !isSmall(data) || length === 0) return undefined;
  const strides = stridesOf(data);
  const starts = new Array<number>(indices.length / length).fill(0);
  for (let axis = 0; axis < length; axis++) {
    const parts = resolve(
      starts.map((_, i) => indices[i * length + axis]),
      data[axis],
    );
    if (!parts) return undefined;
    for (const [i, part] of parts.entries()) starts[i] += part * strides[axis];
  }
  return starts;
}

const reductions = ['none', 'add', 'mul', 'max', 'min'];

function checkReduction(c: Inference): boolean {
  const reduction = c.string('reduction');
  if (!reductions.includes(reduction)) c.fail(`its reduction is "${reduction}"; it must be one of ${reductions}`);
  return reduction === 'none';
}

function scatterElements(c: Inference): void {
  const [data, indices, updates] = [c.shape(0), c.shape(1), c.shape(2)];
  normalizeAxis(c.int('axis'), data.length);
  if (indices.length !== data.length || updates.length !== data.length)
    c.fail(`its input, indices and updates have ${data.length}, ${indices.length} and ${updates.length} axes`);
  for (let axis = 0; axis < data.length; axis++)
    common(c, indices[axis], updates[axis], `axis ${axis} of its indices and updates`);
  const replaces = checkReduction(c) && isSmall(data) && data.length === 1;
  const at = replaces ? resolve(c.integers(1) ?? [], data[0]) : undefined;
  c.output(0, data, { contents: written(c, at, 1) });
}

function scatterND(c: Inference): void {
  const { slice } = tuples(c, 0);
  const expected = [...c.shape(1).slice(0, -1), ...slice];
  if (expected.length !== c.shape(2).length)
    c.fail(`its updates have ${c.shape(2).length} axes, not ${expected.length}`);
  expected.forEach((d, axis) => void common(c, d, c.shape(2)[axis], `axis ${axis} of its updates`));
  const size = dim.product(slice);
  const replaces = checkReduction(c) && typeof size === 'number' && c.contents(0);
  c.output(0, c.shape(0), { contents: replaces ? written(c, tuplePositions(c), size) : undefined });
}

/** The first input's elements with the updates, `size` at a time, written over those at `starts`. */
function written(c: Inference, starts: readonly number[] | undefined, size: number): readonly Dim[] | undefined {
  const [contents, updates] = [c.contents(0), c.contents(2)];
  if (!contents || !updates || !starts || updates.length !== starts.length * size) return undefined;
  const result = [...contents];
  starts.forEach((start, i) => void result.splice(start, size, ...updates.slice(i * size, (i + 1) * size)));
  return result;
}

export const gathers = schemas(() => [
  op('Gather', [1, 11, 13], {
    widened: [13],
    types,
    inputs: params('data:T', 'indices:Tind'),
    outputs: params('output:T'),
    attributes: { axis: attr.int(0) },
    infer: gives(gather),
  }),
  op('GatherElements', [11, 13], {
    widened: [13],
    types,
    inputs: params('data:T', 'indices:Tind'),
    outputs: params('output:T'),
    attributes: { axis: attr.int(0) },
    infer: gatherElements,
  }),
  op('GatherND', [11, 12, 13], {
    widened: [13],
    types,
    inputs: params('data:T', 'indices:int64'),
    outputs: params('output:T'),
    attributes: { batch_dims: attr.int(0) },
    infer: gives(gatherND),
  }),
  op('ScatterElements', [11, 13, 16, 18], {
    widened: [13],
    types,
    inputs: params('data:T', 'indices:Tind', 'updates:T'),
    outputs: params('output:T'),
    attributes: { axis: attr.int(0), reduction: attr.string('none') },
    infer: scatterElements,
  }),
  op('ScatterND', [11, 13, 16, 18], {
    widened: [13],
    types,
    inputs: params('data:T', 'indices:int64', 'updates:T'),
    outputs: params('output:T'),
    attributes: { reduction: attr.string('none') },
    infer: scatterND,
  }),
]);
