/** Matrix products. */

import type { Dim } from '../dim.ts';
import { floats } from '../dtype.ts';
import type { Inference, OpSchema } from '../schema.ts';
import { broadcastShapes } from '../shape.ts';
import { mayEqual, op, params } from './define.ts';

/** The shape of a matrix product with numpy's rules: vectors are promoted, leading axes broadcast. */
export function matmulShape(c: Inference, a: readonly Dim[], b: readonly Dim[]): Dim[] {
  if (a.length === 0 || b.length === 0) c.fail('multiplies a scalar');
  const [left, right] = [a.length === 1 ? [1, ...a] : a, b.length === 1 ? [...b, 1] : b];
  const [inner, outer] = [left.at(-1)!, right.at(-2)!];
  if (!mayEqual(inner, outer)) c.fail(`multiplies [${a}] by [${b}]: ${inner} is not ${outer}`);
  const shape = broadcastShapes(left.slice(0, -2), right.slice(0, -2));
  if (a.length > 1) shape.push(left.at(-2)!);
  if (b.length > 1) shape.push(right.at(-1)!);
  return shape;
}

export const matmul: readonly OpSchema[] = [
  op('MatMul', [1, 9, 13], {
    types: { T: [...floats, 'int64', 'int32', 'uint64', 'uint32'] },
    inputs: params('A:T', 'B:T'),
    infer: (c) => c.output(0, matmulShape(c, c.shape(0), c.shape(1))),
  }),
];
