/** Convolutions of bytes by sparse filters of one tap, channels last: products of pixels by sparse matrices. */

import { type Call, type Constant, type Constants, isRejection, type Rejection, Tensor } from '@espalier/core';
import { convolutionOf } from '@espalier/lowering';
import type { NativeKernel } from '../../kernel.ts';
import { remembered, tooDense } from '../matmul_sparse/common.ts';
import { blocks, quads } from '../matmul_sparse/int8.ts';

/** The input that filters are, in both ops. */
const WEIGHTS = 3;

/** Filters as columns of a matrix. */
const matrixOf = remembered(({ tensor: { dims, data } }) => {
  const [filters, channels] = dims as [number, number];
  const columns = new Int8Array(data.length);
  for (let filter = 0, read = 0; filter < filters; filter++)
    for (let channel = 0; channel < channels; channel++)
      columns[channel * filters + filter] = (data as Int8Array)[read++]!;
  return new Tensor('int8', columns, [channels, filters]);
});

/** The same as a product; or why it is none. */
function productOf(call: Call, constants: Constants): { call: Call; constants: (Constant | undefined)[] } | Rejection {
  const conv = convolutionOf(call, [undefined, constants[WEIGHTS]]);
  if (isRejection(conv)) return conv;
  if (!conv.isPointwise || conv.groups > 1) return { reason: 'its filters do not see all channels of one pixel' };
  const filters = constants[WEIGHTS]!;
  const reason = tooDense(filters);
  if (reason) return { reason };
  const tensor = matrixOf(filters);
  return {
    call: {
      ...{ ...call, op: 'QuantizedMatMul', attrs: {} },
      inputs: call.inputs.with(WEIGHTS, { dtype: tensor.type as 'int8', shape: tensor.dims }),
    },
    constants: constants.with(WEIGHTS, { ...filters, tensor }),
  };
}

const pointwise = (product: NativeKernel): NativeKernel => ({
  ...product,
  name: product.name.replace('quantizedmatmul', 'quantizedconv'),
  op: 'QuantizedConv',
  work(call, at, constants) {
    const found = productOf(call, constants);
    return isRejection(found) ? found : product.work(found.call, at, found.constants);
  },
  prepare(call, constants, engine) {
    const found = productOf(call, constants) as Exclude<ReturnType<typeof productOf>, Rejection>;
    return product.prepare(found.call, found.constants, engine);
  },
});

export const convolutionSparseInt8: readonly NativeKernel[] = [quads, blocks].map(pointwise);
