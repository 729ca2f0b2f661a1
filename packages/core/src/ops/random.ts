/** Random tensors. With a seed every run gives the same numbers (not those of another implementation); without, new ones. */

import { type DType, floats, numbers } from '../dtype.ts';
import type { Inference, OpSchema } from '../schema.ts';
import { dtypeAttribute } from './cast.ts';
import { positive, ranked } from './check.ts';
import { attr, op, params, schemas } from './define.ts';

const normal = { mean: /* @__PURE__ */ attr.float(0), scale: /* @__PURE__ */ attr.float(1) };
const uniform = { low: /* @__PURE__ */ attr.float(0), high: /* @__PURE__ */ attr.float(1) };
const seeded = { seed: /* @__PURE__ */ attr.float(), dtype: /* @__PURE__ */ attr.int() };

function shaped(c: Inference): void {
  c.output(0, c.ints('shape'), { dtype: dtypeAttribute(c, 'dtype', floats) ?? 'float32' });
}

const like =
  (allowed: readonly DType[]) =>
  (c: Inference): void => {
    const given = c.input(0).dtype;
    const dtype = dtypeAttribute(c, 'dtype', allowed) ?? given;
    if (!allowed.includes(dtype)) c.fail(`is like a ${dtype} tensor: its attribute "dtype" must say what to make`);
    c.output(0, c.shape(0), { dtype });
  };

const source = (name: string, attributes: OpSchema['attributes']): OpSchema =>
  op(name, [1, 22], {
    widened: [22],
    types: { T: floats },
    inputs: [],
    outputs: params('output:T'),
    attributes: { ...attributes, ...seeded, shape: attr.required('ints') },
    infer: shaped,
  });
const sourceLike = (name: string, attributes: OpSchema['attributes']): OpSchema =>
  op(name, [1, 22], {
    widened: [22],
    types: { T1: [...numbers, 'bool', 'string'], T2: floats },
    inputs: params('input:T1'),
    outputs: params('output:T2'),
    attributes: { ...attributes, ...seeded },
    infer: like(floats),
  });

const drawn: readonly DType[] = ['int32', 'int64'];

export const random = schemas(() => [
  source('RandomNormal', normal),
  source('RandomUniform', uniform),
  sourceLike('RandomNormalLike', normal),
  sourceLike('RandomUniformLike', uniform),
  op('Bernoulli', [15, 22], {
    widened: [22],
    types: { T1: floats, T2: [...numbers, 'bool'] },
    inputs: params('input:T1'),
    outputs: params('output:T2'),
    attributes: seeded,
    infer: like([...numbers, 'bool']),
  }),
  op('Multinomial', [7, 22], {
    widened: [22],
    types: { T1: floats, T2: drawn },
    inputs: params('input:T1'),
    outputs: params('output:T2'),
    attributes: { ...seeded, sample_size: attr.int(1) },
    infer: (c) => {
      const [batch, classes] = ranked(c, 0, 2);
      if (classes === 0) c.fail('has no class to draw from');
      c.output(0, [batch, positive(c, 'sample_size')], { dtype: dtypeAttribute(c, 'dtype', drawn) ?? 'int32' });
    },
  }),
]);
