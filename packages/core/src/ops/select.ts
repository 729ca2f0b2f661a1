/** Ops whose results depend on the order or the truth of elements; most have sizes that only the computation tells. */

import { dim } from '../dim.ts';
import { floats, ints, numbers } from '../dtype.ts';
import type { Inference, OpSchema } from '../schema.ts';
import { formatShape, normalizeAxis } from '../shape.ts';
import { common } from './contents.ts';
import { attr, op, params, schemas } from './define.ts';

/** The axis that an attribute names; undefined where it is absent and the input is taken flat. */
function optionalAxis(c: Inference, rank: number): number | undefined {
  return c.attrs.axis === undefined ? undefined : normalizeAxis(c.int('axis'), rank);
}

function compress(c: Inference): void {
  const shape = c.shape(0);
  if (c.shape(1).length !== 1) c.fail(`its condition has ${c.shape(1).length} axes, not 1`);
  const axis = optionalAxis(c, shape.length);
  c.output(0, axis === undefined ? [c.fresh(0, 0)] : shape.with(axis, c.fresh(0, axis)));
}

function unique(c: Inference): void {
  const shape = c.shape(0);
  const axis = optionalAxis(c, shape.length);
  const count = c.fresh(0, axis ?? 0);
  const all = axis === undefined ? dim.product(shape) : shape[axis];
  const outputs = [axis === undefined ? [count] : shape.with(axis, count), [count], [all], [count]];
  outputs.slice(0, c.outputCount).forEach((dims, i) => void c.output(i, dims));
}

function topK(c: Inference): void {
  const shape = c.shape(0);
  const axis = normalizeAxis(c.int('axis'), shape.length);
  if (!dim.mayEqual(dim.product(c.shape(1)), 1)) c.fail(`its K has the shape ${formatShape(c.shape(1))}, not [1]`);
  const k = c.contents(1)?.[0] ?? c.fresh(0, axis);
  if (typeof k === 'number' && typeof shape[axis] === 'number' && k > shape[axis])
    c.fail(`asks for ${k} of ${shape[axis]} elements along axis ${axis}`);
  c.output(0, shape.with(axis, k));
  if (c.outputCount > 1) c.output(1, shape.with(axis, k));
}

function nonMaxSuppression(c: Inference): void {
  const [boxes, scores] = [c.shape(0), c.shape(1)];
  if (boxes.length !== 3 || scores.length !== 3) c.fail('takes boxes and scores of 3 axes each');
  common(c, boxes[0], scores[0], 'the batch of its boxes and scores');
  common(c, boxes[1], scores[2], 'the number of its boxes and scores');
  common(c, boxes[2], 4, 'the numbers of a box');
  c.output(0, [c.fresh(0, 0), 3]);
}

function arg(c: Inference): void {
  const shape = c.shape(0);
  const axis = normalizeAxis(c.int('axis'), shape.length);
  if (shape[axis] === 0) c.fail(`looks for an element among none: axis ${axis} is empty`);
  c.output(0, c.int('keepdims') ? shape.with(axis, 1) : shape.toSpliced(axis, 1));
}

function alongAxis(c: Inference): void {
  normalizeAxis(c.int('axis'), c.shape(0).length);
  c.output(0, c.shape(0));
}

function cumSum(c: Inference): void {
  const [axis] = c.integers(1) ?? [];
  if (axis !== undefined) normalizeAxis(axis, c.shape(0).length);
  if (!dim.mayEqual(dim.product(c.shape(1)), 1)) c.fail('takes one axis');
  c.output(0, c.shape(0));
}

const argument = (name: string): OpSchema =>
  op(name, [1, 11, 12, 13], {
    widened: [13],
    types: { T: numbers },
    inputs: params('data:T'),
    outputs: params('reduced:int64'),
    attributes: { axis: attr.int(0), keepdims: attr.int(1), select_last_index: attr.int(0) },
    infer: arg,
  });

export const selections = schemas(() => [
  op('NonZero', [9, 13], {
    widened: [13],
    types: { T: [...numbers, 'bool', 'string'] },
    outputs: params('Y:int64'),
    infer: (c) => c.output(0, [c.shape(0).length, c.fresh(0, 1)]),
  }),
  op('Compress', [9, 11, 28], {
    widened: [28],
    types: { T: [...numbers, 'bool', 'string'] },
    inputs: params('input:T', 'condition:bool'),
    outputs: params('output:T'),
    attributes: { axis: attr.int() },
    infer: compress,
  }),
  op('Unique', [11, 28], {
    widened: [28],
    types: { T: [...numbers, 'bool', 'string'] },
    outputs: params('Y:T', 'indices?:int64', 'inverse_indices?:int64', 'counts?:int64'),
    attributes: { axis: attr.int(), sorted: attr.int(1) },
    infer: unique,
  }),
  op('TopK', [1, 10, 11, 24], {
    widened: [24],
    types: { T: numbers },
    inputs: params('X:T', 'K:int64'),
    outputs: params('Values:T', 'Indices:int64'),
    attributes: { axis: attr.int(-1), largest: attr.int(1), sorted: attr.int(1) },
    shapeInputs: [1],
    infer: topK,
  }),
  op('NonMaxSuppression', [10, 11], {
    widened: [11],
    types: {},
    inputs: params(
      'boxes:float32',
      'scores:float32',
      'max_output_boxes_per_class?:int64',
      'iou_threshold?:float32',
      'score_threshold?:float32',
    ),
    outputs: params('selected_indices:int64'),
    attributes: { center_point_box: attr.int(0) },
    infer: nonMaxSuppression,
  }),
  argument('ArgMax'),
  argument('ArgMin'),
  op('Hardmax', [1, 11, 13], {
    types: { T: floats },
    inputs: params('input:T'),
    outputs: params('output:T'),
    attributes: { axis: attr.int(-1) },
    infer: alongAxis,
  }),
  op('CumSum', [11, 14], {
    widened: [14],
    types: { T: [...floats, ...ints], T2: ['int64', 'int32'] },
    inputs: params('x:T', 'axis:T2'),
    outputs: params('y:T'),
    attributes: { exclusive: attr.int(0), reverse: attr.int(0) },
    infer: cumSum,
  }),
]);
