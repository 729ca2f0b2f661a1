/** Moves, and what works along axes. */

import type { Idiom, Value } from '../grower.ts';

export const transpose: Idiom = (g, x) => {
  const rest = [...x.shape.keys()].reverse();
  const perm: number[] = [];
  while (rest.length > 0) perm.push(...rest.splice(g.source.below(rest.length), 1));
  return g.op('Transpose', [x], { perm });
};

export const reduction: Idiom = (g, x) => {
  const op = g.source.pick([
    ...['ReduceMean', 'ReduceSum', 'ReduceMax', 'ReduceMin', 'ReduceL2', 'ReduceL1', 'ReduceSumSquare'],
    'ReduceLogSumExp',
  ]);
  const axes = [...x.shape.keys()].filter((axis) => axis === x.shape.length - 1 || g.source.chance(3));
  // The least of nothing has no value to compare.
  if (/Max|Min/.test(op) && axes.some((axis) => typeof x.shape[axis] !== 'number')) return undefined;
  return g.op(op, [x, g.ints(...axes)], { keepdims: g.source.below(2) });
};

export const cumulative: Idiom = (g, x) =>
  g.op('CumSum', [x, g.ints(g.source.below(x.shape.length))], {
    exclusive: g.source.below(2),
    reverse: g.source.below(2),
  });

export const rearrange: Idiom = (g, x) => {
  const rank = x.shape.length;
  switch (g.source.pick(['Flatten', 'Unsqueeze', 'Reshape', 'Expand', 'Tile', 'Pad', 'DepthToSpace', 'SpaceToDepth'])) {
    case 'Unsqueeze':
      return g.op('Unsqueeze', [x, g.ints(g.source.below(rank + 1))]);
    case 'Reshape':
      return g.op('Reshape', [x, g.ints(0, -1)]);
    case 'Expand':
      return g.op('Expand', [x, g.ints(2, ...x.shape.map(() => 1))]);
    case 'Tile':
      return g.op('Tile', [x, g.ints(...x.shape.map(() => 1 + g.source.below(2)))]);
    case 'Pad': {
      const mode = g.source.pick(['constant', 'constant', 'reflect', 'edge', 'wrap']);
      return g.op('Pad', [x, g.ints(...x.shape.flatMap(() => [g.source.below(3), g.source.below(2)]))], { mode });
    }
    case 'DepthToSpace':
      return g.op('DepthToSpace', [x], { blocksize: 2, mode: g.source.pick(['DCR', 'CRD']) });
    case 'SpaceToDepth':
      return g.op('SpaceToDepth', [x], { blocksize: 2 });
    default:
      return g.op('Flatten', [x], { axis: g.source.below(rank + 1) });
  }
};

/** Taken apart, and put together again with something between. */
export const pieces: Idiom = (g, x) => {
  const axis = g.source.below(x.shape.length);
  const size = x.shape[axis];
  if (typeof size !== 'number' || size < 2) return g.op('Concat', [x, x], { axis });
  const at = 1 + g.source.below(size - 1);
  const step = g.source.pick([1, 1, 2, -1]);
  const slice = (from: number, to: number): Value | undefined =>
    g.op('Slice', [x, ...[from, to, axis].map((each) => g.ints(each))]);
  const left = step === 1 ? slice(0, at) : g.op('Slice', [x, ...stepped(step, axis).map((each) => g.ints(each))]);
  const right = slice(at, size);
  const changed = left && g.op(g.source.pick(['Neg', 'Relu', 'Identity']), [left]);
  if (!changed || !right) return undefined;
  return g.source.chance(3)
    ? changed
    : g.op('Concat', g.source.chance(2) ? [right, changed] : [changed, right], { axis });
};

/** Starts, ends, axes and steps of a slice of all, from the front or the back. */
const stepped = (step: number, axis: number): readonly number[] =>
  step > 0 ? [0, 2 ** 31, axis, step] : [-1, -(2 ** 31), axis, step];
