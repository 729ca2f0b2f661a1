/** Linear quantisation: per tensor, per axis, or in blocks along an axis. */

import { dim } from '../dim.ts';
import type { DType } from '../dtype.ts';
import type { Inference } from '../schema.ts';
import { formatShape, normalizeAxis } from '../shape.ts';
import { dtypeAttribute } from './cast.ts';
import { agree, ranked } from './check.ts';
import { attr, op, params, schemas } from './define.ts';

const real: readonly DType[] = ['float32', 'float16', 'bfloat16'];
const quantized: readonly DType[] = ['int16', 'int8', 'int4', 'uint16', 'uint8', 'uint4'];

/** Scale and zero point are one number, one for each index of the axis, or one for each block along it. */
function checkGranularity(c: Inference): void {
  const [x, scale] = [c.shape(0), c.shape(1)];
  const what = `has a scale ${formatShape(scale)} for ${formatShape(x)}`;
  if (c.has(2)) agree(c, dim.product(scale), dim.product(c.shape(2)), `${what} and a zero point of another size`);
  if (dim.product(scale) === 1) return;
  ranked(c, 0, 1, true);
  const blockSize = c.int('block_size');
  const axis = x.length === 1 ? 0 : normalizeAxis(c.int('axis'), x.length);
  if (blockSize < 0) c.fail(`its attribute "block_size" is ${blockSize}`);
  const expected = blockSize === 0 ? [x[axis]] : x.map((d, i) => (i === axis ? dim.ceilDiv(d, blockSize) : d));
  for (const [i, d] of ranked(c, 1, expected.length).entries()) agree(c, d, expected[i], what);
}

const attributes = {
  axis: /* @__PURE__ */ attr.int(1),
  block_size: /* @__PURE__ */ attr.int(0),
  output_dtype: /* @__PURE__ */ attr.int(0),
};

export const quantization = schemas(() => [
  op('QuantizeLinear', [10, 13, 19, 21, 23, 24, 25, 28], {
    widened: [13, 19, 21, 23, 24, 25, 28],
    types: { T1: [...real, 'int32'], T2: [...real, 'int32'], T3: quantized },
    inputs: params('x:T1', 'y_scale:T2', 'y_zero_point?:T3'),
    outputs: params('y:T3'),
    attributes: { ...attributes, saturate: attr.int(1) },
    infer: (c) => {
      checkGranularity(c);
      const asked = dtypeAttribute(c, 'output_dtype', quantized);
      const dtype = c.has(2) ? c.input(2).dtype : (asked ?? 'uint8');
      if (asked !== undefined && asked !== dtype) c.fail(`makes ${asked} with a zero point of ${dtype}`);
      c.output(0, c.shape(0), { dtype });
    },
  }),
  op('DequantizeLinear', [10, 13, 19, 21, 23, 24, 25, 28], {
    widened: [13, 19, 21, 23, 24, 25, 28],
    types: { T1: [...quantized, 'int32'], T2: real, T3: real },
    inputs: params('x:T1', 'x_scale:T2', 'x_zero_point?:T1'),
    outputs: params('y:T3'),
    attributes,
    infer: (c) => {
      checkGranularity(c);
      c.output(0, c.shape(0), { dtype: dtypeAttribute(c, 'output_dtype', real) ?? c.input(1).dtype });
    },
  }),
  op('DynamicQuantizeLinear', [11], {
    types: { T1: ['float32'], T2: ['uint8'] },
    inputs: params('x:T1'),
    outputs: params('y:T2', 'y_scale:float32', 'y_zero_point:T2'),
    infer: (c) => {
      c.output(0, c.shape(0), { dtype: 'uint8' });
      c.output(1, []);
      c.output(2, [], { dtype: 'uint8' });
    },
  }),
]);
