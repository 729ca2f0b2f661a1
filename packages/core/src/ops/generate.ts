/** Ops that make a tensor from sizes and single values. */

import { type Dim, dim } from '../dim.ts';
import { allDTypes, type DType, dtypeFromOnnx, floats, numbers } from '../dtype.ts';
import { fromBFloat16, fromFloat16 } from '../half.ts';
import { constantFacts } from '../infer.ts';
import type { Inference } from '../schema.ts';
import type { Tensor } from '../tensor.ts';
import { dimsAttribute, freshShape, gives, isSmall, lengthOf, type Result } from './contents.ts';
import { attr, op, params, schemas } from './define.ts';

/** The single element of input `index`; a fraction only where it is a constant. */
function scalarOf(c: Inference, index: number): Dim | undefined {
  if (!dim.mayEqual(dim.product(c.shape(index)), 1)) c.fail(`its input ${index} must have one element`);
  const contents = c.contents(index);
  if (contents) return contents[0];
  const tensor = c.constant(index);
  if (!tensor) return undefined;
  const [value] = tensor.data as ArrayLike<number | bigint> & Iterable<number | bigint>;
  if (tensor.type === 'float16') return fromFloat16(Number(value));
  return tensor.type === 'bfloat16' ? fromBFloat16(Number(value)) : Number(value);
}

function range(c: Inference): Result {
  if (c.int('stash_type') !== 1) c.unsupported(`a stash_type of ${c.int('stash_type')}; only 1 (float32) is`);
  const [start, limit, delta] = [scalarOf(c, 0), scalarOf(c, 1), scalarOf(c, 2)];
  if (delta === 0) c.fail('has a delta of 0');
  if (start === undefined || limit === undefined || typeof delta !== 'number') return { shape: [c.fresh(0, 0)] };
  const allWhole = [start, limit, delta].every((x) => typeof x === 'string' || Number.isSafeInteger(x));
  let count: Dim;
  if (allWhole) {
    const [length, step] = delta > 0 ? [dim.sub(limit, start), delta] : [dim.sub(start, limit), -delta];
    count = dim.max(dim.ceilDiv(length, step), 0);
  } else {
    count = Math.max(0, Math.ceil((Number(limit) - Number(start)) / delta));
    if (!Number.isSafeInteger(count)) c.fail(`counts from ${start} to ${limit} by ${delta}`);
  }
  const isInteger = c.contents(0) && c.contents(2) && isSmall([count]);
  const contents = isInteger ? Array.from({ length: count as number }, (_, i) => dim.add(start, i * delta)) : undefined;
  return { shape: [count], contents };
}

function constantOfShape(c: Inference): void {
  const given = dimsAttribute(c, 'shape');
  if (!given && !c.has(0)) c.fail('needs its shape, as input 0 or as an attribute');
  const shape = given ?? c.contents(0) ?? freshShape(c, 0, lengthOf(c, 0));
  const value = c.attrs.value as Tensor | undefined;
  if (value !== undefined && value.size !== 1) c.fail(`its value has ${value.size} elements, not 1`);
  const [fill] = (value && constantFacts(value).contents) ?? [];
  const contents =
    fill !== undefined && isSmall(shape) ? new Array<Dim>(dim.product(shape) as number).fill(fill) : undefined;
  c.output(0, shape, { dtype: value?.type ?? 'float32', contents });
}

function eyeLike(c: Inference): void {
  if (c.shape(0).length !== 2) c.fail(`takes a matrix, not an input of ${c.shape(0).length} axes`);
  let dtype: DType | undefined;
  if (c.attrs.dtype !== undefined) {
    dtype = dtypeFromOnnx(c.int('dtype'));
    if (!dtype || !(eyeTypes as readonly DType[]).includes(dtype)) c.unsupported(`its dtype ${c.int('dtype')}`);
  }
  c.output(0, c.shape(0), { dtype: dtype ?? c.input(0).dtype });
}

function oneHot(c: Inference): void {
  const indices = c.shape(0);
  const given = c.int('axis');
  const rank = indices.length + 1;
  if (given < -rank || given >= rank) c.fail(`axis ${given} is out of range for ${rank} axes`);
  if (c.shape(2).length !== 1 || !dim.mayEqual(c.shape(2)[0], 2)) c.fail('takes two values: off and on');
  const axis = given < 0 ? given + rank : given;
  const depth = scalarOf(c, 1);
  const extent = typeof depth === 'number' ? Math.trunc(depth) : (depth ?? c.fresh(0, axis));
  c.output(0, indices.toSpliced(axis, 0, extent));
}

const eyeTypes = [...numbers, 'bool'] as const satisfies readonly DType[];

export const generators = schemas(() => [
  // Opset 27 lets halves in, computed in float32.
  op('Range', [11, 27], {
    widened: [27],
    types: { T: [...floats, 'int64', 'int32', 'int16'] },
    inputs: params('start:T', 'limit:T', 'delta:T'),
    outputs: params('output:T'),
    attributes: { stash_type: attr.int(1) },
    shapeInputs: [0, 1, 2],
    infer: gives(range),
  }),
  op('ConstantOfShape', [9, 20, 21, 23, 24, 25], {
    widened: [20, 21, 23, 24, 25],
    types: { T2: allDTypes },
    inputs: params('input?:int64'),
    outputs: params('output:T2'),
    attributes: { value: { type: 'tensor' }, shape: { type: 'dims' } },
    shapeInputs: [0],
    infer: constantOfShape,
  }),
  op('EyeLike', [9, 22], {
    widened: [22],
    types: { T1: eyeTypes, T2: eyeTypes },
    inputs: params('input:T1'),
    outputs: params('output:T2'),
    attributes: { dtype: attr.int(), k: attr.int(0) },
    infer: eyeLike,
  }),
  op('OneHot', [9, 11, 28], {
    widened: [28],
    types: { T1: numbers, T2: numbers, T3: [...numbers, 'bool'] },
    inputs: params('indices:T1', 'depth:T2', 'values:T3'),
    outputs: params('output:T3'),
    attributes: { axis: attr.int(-1) },
    shapeInputs: [1],
    infer: oneHot,
  }),
]);
