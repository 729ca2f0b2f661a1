/** Matrix products. */

import type { Dim } from '../dim.ts';
import { floats } from '../dtype.ts';
import type { Inference } from '../schema.ts';
import { broadcastShapes, formatShape } from '../shape.ts';
import { agree, ranked, shaped, single } from './check.ts';
import { attr, op, params, schemas } from './define.ts';

/** The shape of a matrix product with numpy's rules: vectors are promoted, leading axes broadcast. */
export function matmulShape(c: Inference, a: readonly Dim[], b: readonly Dim[]): Dim[] {
  if (a.length === 0 || b.length === 0) c.fail('multiplies a scalar');
  const [left, right] = [a.length === 1 ? [1, ...a] : a, b.length === 1 ? [...b, 1] : b];
  agree(c, left.at(-1)!, right.at(-2)!, `multiplies ${formatShape(a)} by ${formatShape(b)}`);
  const shape = broadcastShapes(left.slice(0, -2), right.slice(0, -2));
  if (a.length > 1) shape.push(left.at(-2)!);
  if (b.length > 1) shape.push(right.at(-1)!);
  return shape;
}

/** A quantisation parameter of input `of`: one number, or one for each row (`axis` -2) or column (`axis` -1). */
function perRowOrColumn(c: Inference, index: number, of: number, axis: -1 | -2): void {
  if (!c.has(index)) return;
  if (c.shape(index).every((d) => d === 1)) return;
  const wanted = [...c.shape(of)];
  const count = wanted.at(axis) ?? 1;
  wanted[wanted.length + (axis === -1 ? -2 : -1)] = 1;
  shaped(c, index, c.shape(index).length === 1 ? [count] : wanted);
}

const types = { T: [...floats, 'int64', 'int32', 'uint64', 'uint32'] } as const;
const bytes = ['int8', 'uint8'] as const;

export const matmul = schemas(() => [
  op('MatMul', [1, 9, 13], {
    widened: [9, 13],
    types,
    inputs: params('A:T', 'B:T'),
    infer: (c) => c.output(0, matmulShape(c, c.shape(0), c.shape(1))),
  }),
  op('Gemm', [1, 6, 7, 9, 11, 13], {
    widened: [6, 9, 11, 13],
    types,
    inputs: params('A:T', 'B:T', 'C?:T'),
    attributes: { alpha: attr.float(1), beta: attr.float(1), transA: attr.int(0), transB: attr.int(0) },
    infer: (c) => {
      const [a, b] = [[...ranked(c, 0, 2)], [...ranked(c, 1, 2)]];
      if (c.int('transA')) a.reverse();
      if (c.int('transB')) b.reverse();
      const shape = matmulShape(c, a, b);
      if (c.has(2)) {
        const full = broadcastShapes(c.shape(2), shape);
        if (full.length !== 2) c.fail(`adds ${formatShape(c.shape(2))} to ${formatShape(shape)}`);
        full.forEach((d, i) => {
          agree(c, d, shape[i], `adds ${formatShape(c.shape(2))} to ${formatShape(shape)}`);
        });
      }
      c.output(0, shape);
    },
  }),
  op('MatMulInteger', [10], {
    types: { T1: bytes, T2: bytes, T3: ['int32'] },
    inputs: params('A:T1', 'B:T2', 'a_zero_point?:T1', 'b_zero_point?:T2'),
    outputs: params('Y:int32'),
    infer: (c) => {
      perRowOrColumn(c, 2, 0, -2);
      perRowOrColumn(c, 3, 1, -1);
      c.output(0, matmulShape(c, c.shape(0), c.shape(1)));
    },
  }),
  op('QLinearMatMul', [10, 21], {
    widened: [21],
    types: { TS: ['float32', 'float16', 'bfloat16'], T1: bytes, T2: bytes, T3: bytes },
    inputs: params(
      'a:T1',
      'a_scale:TS',
      'a_zero_point:T1',
      'b:T2',
      'b_scale:TS',
      'b_zero_point:T2',
      'y_scale:TS',
      'y_zero_point:T3',
    ),
    outputs: params('y:T3'),
    infer: (c) => {
      for (const index of [1, 2]) perRowOrColumn(c, index, 0, -2);
      for (const index of [4, 5]) perRowOrColumn(c, index, 3, -1);
      for (const index of [6, 7]) single(c, index);
      c.output(0, matmulShape(c, c.shape(0), c.shape(3)));
    },
  }),
  op('Det', [11, 22], {
    widened: [22],
    types: { T: floats },
    infer: (c) => {
      const shape = ranked(c, 0, 2, true);
      agree(c, shape.at(-1)!, shape.at(-2)!, 'the rows and columns of a determinant');
      c.output(0, shape.slice(0, -2));
    },
  }),
]);
