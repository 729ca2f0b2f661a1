/** Matrix products. */

import { encode } from '@espalier/conformance';
import { dtypes } from '@espalier/core';
import { floats } from '../data.ts';
import { type Idiom, sizes } from '../grower.ts';

/** With weights. */
export const product: Idiom = (g, x) => {
  const depth = x.shape.at(-1);
  if (typeof depth !== 'number' || x.shape.length < 2) return undefined;
  const columns = g.source.pick([8, ...sizes, 128, 200]);
  if (x.shape.length === 2 && g.source.chance(4)) {
    const transposed = g.source.below(2);
    const weights = transposed ? g.weights(columns, depth) : g.weights(depth, columns);
    const operands = [x, weights, ...(g.source.chance(2) ? [g.weights(columns)] : [])];
    return g.op('Gemm', operands, { transB: transposed, alpha: g.source.pick([1, 0.5]) });
  }
  return g.op('MatMul', [x, g.weights(depth, columns)]);
};

/** With weights of 16 bits that are made wide. */
export const halfProduct: Idiom = (g, x) => {
  const depth = x.shape.at(-1);
  if (typeof depth !== 'number' || x.shape.length < 2) return undefined;
  const dims = [depth, g.source.pick([8, ...sizes, 128])];
  const half = encode(
    g.source.pick(['float16', 'bfloat16'] as const),
    dims,
    floats(dims, g.random).data as Float32Array,
  );
  const weights = g.op('Cast', [g.constant(half)], { to: dtypes.float32.onnx });
  return weights && g.op('MatMul', [x, weights]);
};

/** With itself or another value, turned round. */
export const variableProduct: Idiom = (g, x) => {
  if (x.shape.length < 2) return undefined;
  const perm = [...x.shape.keys()];
  perm.push(perm.splice(perm.length - 2, 1)[0]!);
  const turned = g.op('Transpose', [x], { perm });
  const product = turned && g.op('MatMul', g.source.chance(2) ? [turned, x] : [x, turned]);
  return product && g.op('Mul', [product, g.scalar(0.1)]);
};
