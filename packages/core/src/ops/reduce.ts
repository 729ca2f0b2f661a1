/** Reductions along axes. */

import { type Dim, dim } from '../dim.ts';
import { type DType, floats, integerRange } from '../dtype.ts';
import type { Inference, OpSchema } from '../schema.ts';
import { normalizeAxis } from '../shape.ts';
import { ranked } from './check.ts';
import { attr, op, params, schemas } from './define.ts';

const numeric: readonly DType[] = [...floats, 'int64', 'int32', 'uint64', 'uint32'];
const ordered: readonly DType[] = [...numeric, 'int8', 'uint8', 'bool'];

/**
 * The axes that a reduction runs over, ascending: those given, or all (none with `noop_with_empty_axes`) where none are.
 * @throws EspalierError `BAD_GRAPH` for an axis out of range
 */
export function reducedAxes(given: readonly number[], rank: number, noop: boolean): number[] {
  if (given.length === 0) return noop ? [] : Array.from({ length: rank }, (_, i) => i);
  return [...new Set(given.map((axis) => normalizeAxis(axis, rank)))].sort((a, b) => a - b);
}

interface Fold {
  dims(a: Dim, b: Dim): Dim;
  numbers(a: number, b: number): number;
}

function reduce(c: Inference, fold: Fold | undefined): void {
  const shape = c.shape(0);
  const keep = c.int('keepdims') !== 0;
  const given = !c.has(1) || c.shape(1)[0] === 0 ? [] : c.integers(1);
  if (!given) {
    const [count] = ranked(c, 1, 1);
    if (!keep && typeof count !== 'number') c.unsupported('how many axes it reduces is known only at run time');
    const rank = keep ? shape.length : shape.length - (count as number);
    if (rank < 0) c.fail(`reduces ${count} axes of ${shape.length}`);
    const unknown = Array.from({ length: rank }, (_, axis) => c.fresh(0, axis));
    c.output(0, unknown);
    return;
  }
  const axes = reducedAxes(given, shape.length, c.int('noop_with_empty_axes') !== 0);
  const reduced = shape.flatMap((d, i) => (axes.includes(i) ? (keep ? [1] : []) : [d]));
  const contents = fold && axes.length === shape.length ? folded(c, fold) : undefined;
  c.output(0, reduced, contents === undefined ? {} : { contents: [contents] });
}

/** The fold of all elements of the first input, where they are known and what they give is no overflow. */
function folded(c: Inference, fold: Fold): Dim | undefined {
  const contents = c.contents(0);
  if (!contents || contents.length === 0) return undefined;
  const numbers = c.integers(0);
  if (!numbers) return contents.reduce(fold.dims);
  const result = numbers.reduce(fold.numbers);
  const [least, greatest] = integerRange(c.input(0).dtype);
  return Number.isSafeInteger(result) && result >= least && result <= greatest ? result : undefined;
}

function reduction(
  name: string,
  versions: number[],
  widened: number[],
  types: readonly DType[],
  fold?: Fold,
): OpSchema {
  return op(name, versions, {
    widened,
    types: { T: types },
    inputs: params('data:T', 'axes?:int64'),
    outputs: params('reduced:T'),
    attributes: { keepdims: attr.int(1), noop_with_empty_axes: attr.int(0) },
    shapeInputs: [1],
    infer: (c) => reduce(c, fold),
  });
}

const plain = [1, 11, 13, 18];
const withLimits = [1, 11, 12, 13, 18, 20];
const logs = [1, 11, 13, 18, 28];

export const reductions = schemas(() => [
  reduction('ReduceSum', [1, 11, 13], [11], numeric, { dims: dim.add, numbers: (a, b) => a + b }),
  reduction('ReduceMean', plain, [11, 13], numeric),
  reduction('ReduceMax', withLimits, [11, 12, 13, 20], ordered, { dims: dim.max, numbers: (a, b) => Math.max(a, b) }),
  reduction('ReduceMin', withLimits, [11, 12, 13, 20], ordered, { dims: dim.min, numbers: (a, b) => Math.min(a, b) }),
  reduction('ReduceProd', plain, [11, 13], numeric, { dims: dim.mul, numbers: (a, b) => a * b }),
  reduction('ReduceL1', plain, [11, 13], numeric),
  reduction('ReduceL2', plain, [11, 13], numeric),
  reduction('ReduceLogSum', logs, [11, 13, 28], numeric),
  reduction('ReduceLogSumExp', logs, [11, 13, 28], numeric),
  reduction('ReduceSumSquare', plain, [11, 13], numeric),
]);
