/** What goes by integers: tables, places of values, sums of integers. */

import { dtypes, Tensor } from '@espalier/core';
import { wholes } from '../data.ts';
import { type Grower, type Idiom, sizes, type Value } from '../grower.ts';

export const gather: Idiom = (g, x) => {
  const axis = g.source.below(x.shape.length);
  const size = x.shape[axis];
  if (typeof size !== 'number' || size < 1) return undefined;
  if (g.source.chance(3)) return g.op('Gather', [x, g.indices(size, 1 + g.source.below(2))], { axis });
  const indices = Array.from({ length: g.source.pick(sizes) }, () => g.source.below(2 * size) - size);
  return g.op('Gather', [x, g.ints(...indices)], { axis });
};

/** Rows of a table, by numbers that are an input. */
export const table: Idiom = (g) => {
  const rows = g.source.pick([3, 1, 17, 100]);
  const weights = g.weights(rows, g.source.pick(sizes));
  return g.op('Gather', [weights, g.indices(rows, 1 + g.source.below(2))]);
};

/** Where the largest values are, or the values themselves, in order. */
export const places: Idiom = (g, x) => {
  const axis = g.source.below(x.shape.length);
  const size = x.shape[axis];
  if (typeof size !== 'number' || size < 1) return undefined;
  const toFloat = (name: string) => g.op('Cast', [name], { to: dtypes.float32.onnx });
  const op = g.source.pick(['ArgMax', 'ArgMin', 'TopK']);
  if (op === 'TopK') {
    const count = 1 + g.source.below(size);
    const made = g.all('TopK', [x, g.ints(count)], { axis, largest: g.source.below(2) }, 2);
    return made && (g.source.chance(2) ? toFloat(made[1]!) : g.valueOf(made[0]!));
  }
  const found = g.op(op, [x], { axis, keepdims: g.source.below(2), select_last_index: g.source.below(2) });
  if (!found) return undefined;
  return g.source.chance(2)
    ? toFloat(found.name)
    : g.op('OneHot', [found, g.ints(size), g.constant(new Tensor('float32', [-0.5, 2]))], {
        axis: g.source.pick([-1, 0]),
      });
};

export const scatter: Idiom = (g, x) => {
  const [size, ...rest] = x.shape;
  if (typeof size !== 'number' || size < 1) return undefined;
  const count = g.source.pick(sizes);
  if (rest.every((d) => typeof d === 'number')) {
    const reduction = g.source.pick(['add', 'none', 'mul', 'max', 'min']);
    // Which of several values for one place is kept is left open.
    const places = reduction === 'none' ? Math.min(count, size) : count;
    const rows = Array.from({ length: places }, (_, i) => (reduction === 'none' ? i : g.source.below(2 * size) - size));
    const indices = g.constant(new Tensor('int64', rows.map(BigInt), [places, 1]));
    return g.op('ScatterND', [x, indices, g.floats(places, ...rest)], { reduction });
  }
  const zeros = g.op('Expand', [g.scalar(0.5), g.ints(size, 4)]);
  return zeros && g.op('ScatterND', [zeros, g.constant(new Tensor('int64', [0n], [1, 1])), g.floats(1, 4)]);
};

/** Integers made of the value, and back. */
export const integers: Idiom = (g, x) => {
  const to = g.source.pick(['int64', 'int32'] as const);
  const whole = g.op('Cast', [x], { to: dtypes[to].onnx });
  const last = x.shape.at(-1);
  const dims = typeof last === 'number' && g.source.chance(2) ? [last] : [];
  if (whole && g.source.chance(4)) return wholeTests(g, whole, to, dims);
  let changed =
    whole &&
    g.op(g.source.pick(['Add', 'Mul', 'Sub', 'Max', 'Min']), [whole, g.constant(wholes(to, dims, g.random, -3, 3))]);
  if (changed && g.source.chance(3)) {
    const op = g.source.pick(['ReduceSum', 'ReduceMax', 'ReduceMin', 'ReduceL1', 'ArgMax', 'CumSum', 'Neg']);
    const axis = g.source.below(x.shape.length);
    if (/Max|Min/.test(op) && !(Number(x.shape[axis]) > 0)) return undefined;
    if (op === 'ArgMax') changed = g.op(op, [changed], { axis });
    else changed = g.op(op, op === 'Neg' ? [changed] : [changed, g.ints(axis)]);
  }
  return changed && g.op('Cast', [changed], { to: dtypes.float32.onnx });
};

/** 1 where integers compare, and something else elsewhere. */
function wholeTests(g: Grower, x: Value, dtype: 'int64' | 'int32', dims: readonly number[]): Value | undefined {
  const op = g.source.pick(['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual']);
  const test = g.op(op, [x, g.constant(wholes(dtype, dims, g.random, -1, 1))]);
  const chosen = test && g.op('Where', [test, g.constant(wholes(dtype, [], g.random, 1, 1)), x]);
  return chosen && g.op('Cast', [chosen], { to: dtypes.float32.onnx });
}
