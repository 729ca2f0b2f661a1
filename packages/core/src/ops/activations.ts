/** Activations: element by element, shape unchanged. */

import { dim } from '../dim.ts';
import { floats, ints, numbers, signedInts } from '../dtype.ts';
import type { AttributeSchema } from '../schema.ts';
import { broadcastShapes, formatShape } from '../shape.ts';
import { agree, oneOf, single } from './check.ts';
import { attr, op, params, sameShape, schemas } from './define.ts';
import { type Element, elementContents } from './elementwise.ts';

/** A default as files hold it: rounded to float32. */
const float = (value: number): AttributeSchema => attr.float(Math.fround(value));

export const activations = schemas(() => [
  op('Relu', [1, 6, 13, 14], { widened: [13, 14], types: { T: [...floats, ...signedInts] } }),
  op('Sigmoid', [1, 6, 13], { widened: [13], types: { T: floats } }),
  op('HardSigmoid', [1, 6, 22], {
    widened: [22],
    types: { T: floats },
    attributes: { alpha: float(0.2), beta: float(0.5) },
  }),
  op('HardSwish', [14, 22], { widened: [22], types: { T: floats } }),
  op('LeakyRelu', [1, 6, 16], { widened: [16], types: { T: floats }, attributes: { alpha: float(0.01) } }),
  op('Elu', [1, 6, 22], { widened: [22], types: { T: floats }, attributes: { alpha: float(1) } }),
  op('Celu', [12, 28], { widened: [28], types: { T: floats }, attributes: { alpha: float(1) } }),
  op('Selu', [1, 6, 22], {
    widened: [22],
    types: { T: floats },
    attributes: { alpha: float(1.6732631921768188), gamma: float(1.0507010221481323) },
  }),
  op('Softplus', [1, 22], { widened: [22], types: { T: floats } }),
  op('Softsign', [1, 22], { widened: [22], types: { T: floats } }),
  op('Mish', [18, 22], { widened: [22], types: { T: floats } }),
  op('Gelu', [20], {
    types: { T: floats },
    attributes: { approximate: attr.string('none') },
    infer: (c) => {
      oneOf(c, 'approximate', ['none', 'tanh']);
      sameShape(c);
    },
  }),
  op('Swish', [24], { types: { T: floats }, attributes: { alpha: float(1) } }),
  op('ThresholdedRelu', [10, 22], { widened: [22], types: { T: floats }, attributes: { alpha: float(1) } }),
  op('Shrink', [9], {
    types: { T: ['float64', 'float32', 'float16', ...ints] },
    attributes: { bias: float(0), lambd: float(0.5) },
  }),
  op('PRelu', [1, 6, 7, 9, 16], {
    widened: [9, 16],
    types: { T: [...floats, 'int64', 'int32', 'uint64', 'uint32'] },
    inputs: params('X:T', 'slope:T'),
    infer: (c) => {
      const [x, slope] = [c.shape(0), c.shape(1)];
      const what = `broadcasts its slope ${formatShape(slope)} to ${formatShape(x)}`;
      if (slope.length > x.length) c.fail(`${what}: the slope has more axes`);
      for (const [axis, d] of broadcastShapes(x, slope).entries()) agree(c, d, x[axis], what);
      sameShape(c);
    },
  }),
  op('Clip', [1, 6, 11, 12, 13], {
    widened: [12, 13],
    types: { T: numbers },
    inputs: params('X:T', 'min?:T', 'max?:T'),
    infer: (c) => {
      single(c, 1);
      single(c, 2);
      const rule: Element = (x, min, max) => dim.min(max, dim.max(x, min));
      c.output(0, c.shape(0), { contents: elementContents(c, c.shape(0), 3, rule) });
    },
  }),
]);
