/** Ops that reduce or accumulate along axes. */

import type { Translation, Translator } from '../translation.ts';

function keep(c: Translation): number {
  return c.attrs.bool('keep_dims', c.attrs.bool('keepdims', false)) ? 1 : 0;
}

/** Over the axes in input 1; over none where it is empty. */
function reduceAlong(c: Translation, op: string, x: string): string {
  const axes = c.int64(c.input(1));
  const list = c.rank(axes) === 0 ? c.reshape(axes, [1]) : axes;
  return c.emit(op, [x, list], { keepdims: keep(c), noop_with_empty_axes: 1 });
}

const reduce =
  (op: string): Translator =>
  (c) =>
    reduceAlong(c, op, c.input(0));

/** Truth values are reduced as numbers, which every backend can. */
const reduceTruth =
  (op: string): Translator =>
  (c) =>
    c.cast(reduceAlong(c, op, c.int32(c.input(0))), 'bool');

const argument =
  (op: 'ArgMax' | 'ArgMin'): Translator =>
  (c) => {
    const x = c.input(0);
    const axis = c.inputs.length > 1 ? c.axis(1, c.rank(x)) : 0;
    return c.int32(c.emit(op, [x], { axis, keepdims: 0 }));
  };

const cumSum: Translator = (c) => {
  const flag = (name: string): number => (c.attrs.bool(name, false) ? 1 : 0);
  return c.emit('CumSum', [c.input(0), c.input(1)], { exclusive: flag('exclusive'), reverse: flag('reverse') });
};

export const reductions: Readonly<Record<string, Translator>> = {
  Sum: reduce('ReduceSum'),
  Mean: reduce('ReduceMean'),
  Prod: reduce('ReduceProd'),
  Max: reduce('ReduceMax'),
  Min: reduce('ReduceMin'),
  EuclideanNorm: reduce('ReduceL2'),
  All: reduceTruth('ReduceMin'),
  Any: reduceTruth('ReduceMax'),
  ArgMax: argument('ArgMax'),
  ArgMin: argument('ArgMin'),
  Cumsum: cumSum,
};
