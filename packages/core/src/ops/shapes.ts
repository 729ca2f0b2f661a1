/** Shapes as values, and other shapes for the same bytes. */

import { type Dim, dim } from '../dim.ts';
import { allDTypes, type DType, ints } from '../dtype.ts';
import { ESPALIER } from '../graph.ts';
import type { Inference } from '../schema.ts';
import { formatShape, normalizeAxis } from '../shape.ts';
import { dimsAttribute, freshShape, gives, lengthOf } from './contents.ts';
import { attr, op, params, schemas } from './define.ts';

const types = { T: allDTypes };

/** A new shape for the first input's bytes. */
const view = (shape: (c: Inference) => readonly Dim[]) => gives((c) => ({ shape: shape(c), contents: c.contents(0) }));

function shapeOf(c: Inference): void {
  const shape = c.shape(0);
  const at = (name: string): number | undefined => {
    if (c.attrs[name] === undefined) return undefined;
    return Math.max(c.int(name) + (c.int(name) < 0 ? shape.length : 0), 0);
  };
  const contents = shape.slice(at('start'), at('end'));
  c.output(0, [contents.length], { contents });
}

/** The `shape` attribute says the sizes as they are; in the input, -1 is what is left and 0 (unless `allowzero`) is kept. */
function reshape(c: Inference): readonly Dim[] {
  const exact = dimsAttribute(c, 'shape');
  if (!exact && !c.has(1)) c.fail('needs its shape, as input 1 or as an attribute');
  const asked = exact ?? c.contents(1);
  if (!asked) return freshShape(c, 0, lengthOf(c, 1));
  const from = c.shape(0);
  const kept = (d: Dim, axis: number): boolean => {
    if (exact || d !== 0 || c.int('allowzero') !== 0) return false;
    return axis < from.length || c.fail(`keeps axis ${axis} of an input of ${from.length}`);
  };
  const shape = asked.map((d, axis) => (kept(d, axis) ? from[axis] : d));
  const open = exact ? -1 : asked.indexOf(-1);
  if (open >= 0) {
    if (asked.lastIndexOf(-1) !== open) c.fail('has more than one -1 in its shape');
    // Sizes that are kept stand on both sides; left out, the rest is right even where one of them is 0.
    const before = dim.product(from.filter((_, axis) => axis >= asked.length || !kept(asked[axis], axis)));
    const others = dim.product(asked.filter((d, axis) => axis !== open && !kept(d, axis)));
    if (others === 0) c.fail('cannot tell its -1 beside a 0');
    if (typeof before === 'number' && typeof others === 'number' && before % others !== 0)
      c.fail(`cannot reshape ${formatShape(from)} to ${formatShape(asked)}`);
    shape[open] = dim.floorDiv(before, others);
  }
  if (!dim.mayEqual(dim.product(from), dim.product(shape)))
    c.fail(`cannot reshape ${formatShape(from)} to ${formatShape(asked)}`);
  return shape;
}

function flatten(c: Inference): readonly Dim[] {
  const shape = c.shape(0);
  const given = c.int('axis');
  const axis = given === shape.length ? given : normalizeAxis(given, shape.length);
  return [dim.product(shape, 0, axis), dim.product(shape, axis)];
}

function squeeze(c: Inference): readonly Dim[] {
  const shape = c.shape(0);
  const isOne = (d: Dim): boolean =>
    dim.equal(d, 1) ?? c.unsupported(`whether ${d} is 1 decides the rank of the output: give it axes`);
  if (!c.has(1)) return shape.filter((d) => !isOne(d));
  const given = c.integers(1);
  if (!given) return freshShape(c, 0, shape.length - lengthOf(c, 1));
  const axes = new Set(given.map((axis) => normalizeAxis(axis, shape.length)));
  for (const axis of axes) if (!dim.mayEqual(shape[axis], 1)) c.fail(`axis ${axis} is ${shape[axis]}, not 1`);
  return shape.filter((_, axis) => !axes.has(axis));
}

function unsqueeze(c: Inference): readonly Dim[] {
  const shape = c.shape(0);
  const rank = shape.length + lengthOf(c, 1);
  const given = c.integers(1);
  if (!given) return freshShape(c, 0, rank);
  const axes = new Set(given.map((axis) => normalizeAxis(axis, rank)));
  if (axes.size < given.length) c.fail(`names an axis twice in [${given}]`);
  const rest = shape.values();
  return Array.from({ length: rank }, (_, axis) => (axes.has(axis) ? 1 : rest.next().value!));
}

function dimsOf(c: Inference): void {
  const contents = dimsAttribute(c, 'dims')!;
  const dtype = c.string('dtype') as DType;
  if (!(ints as readonly DType[]).includes(dtype)) c.fail(`its dtype ${dtype} is not an integer`);
  if (c.int('scalar') && contents.length !== 1) c.fail(`is a scalar of ${contents.length} elements`);
  c.output(0, c.int('scalar') ? [] : [contents.length], { dtype, contents });
}

const widened = [13, 21, 23, 24, 25];

export const shapes = schemas(() => [
  op('Shape', [1, 13, 15, 19, 21, 23, 24, 25], {
    widened: [13, 19, 21, 23, 24, 25],
    types,
    inputs: params('data:T'),
    outputs: params('shape:int64'),
    attributes: { start: attr.int(0), end: attr.int() },
    infer: shapeOf,
  }),
  op('Size', [1, 13, 19, 21, 23, 24, 25], {
    widened: [13, 19, 21, 23, 24, 25],
    types,
    inputs: params('data:T'),
    outputs: params('size:int64'),
    infer: (c) => c.output(0, [], { contents: [dim.product(c.shape(0))] }),
  }),
  op('Reshape', [1, 5, 13, 14, 19, 21, 23, 24, 25], {
    widened: [13, 19, 21, 23, 24, 25],
    types,
    inputs: params('data:T', 'shape?:int64'),
    outputs: params('reshaped:T'),
    attributes: { allowzero: attr.int(0), shape: { type: 'dims' } },
    shapeInputs: [1],
    view: true,
    infer: view(reshape),
  }),
  op('Flatten', [1, 9, 11, 13, 21, 23, 24, 25], {
    widened: [9, ...widened],
    types,
    inputs: params('input:T'),
    outputs: params('output:T'),
    attributes: { axis: attr.int(1) },
    view: true,
    infer: view(flatten),
  }),
  op('Squeeze', [1, 11, ...widened], {
    widened: widened.slice(1),
    types,
    inputs: params('data:T', 'axes?:int64'),
    outputs: params('squeezed:T'),
    shapeInputs: [1],
    view: true,
    infer: view(squeeze),
  }),
  op('Unsqueeze', [1, 11, ...widened], {
    widened: widened.slice(1),
    types,
    inputs: params('data:T', 'axes:int64'),
    outputs: params('expanded:T'),
    shapeInputs: [1],
    view: true,
    infer: view(unsqueeze),
  }),
  /** Sizes as a tensor: how shape arithmetic stands in a graph once it is worked out. */
  op('Dims', [1], {
    domain: ESPALIER,
    types: {},
    inputs: [],
    outputs: params('Y:T'),
    attributes: { dims: attr.required('dims'), dtype: attr.string('int64'), scalar: attr.int(0) },
    infer: dimsOf,
  }),
]);
