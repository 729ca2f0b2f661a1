/** Losses over classes: scores `[N, C, ...]` against labels `[N, ...]`. */

import { floats } from '../dtype.ts';
import type { Inference } from '../schema.ts';
import { oneOf, ranked, shaped, vector } from './check.ts';
import { attr, op, params, schemas } from './define.ts';

function classLoss(c: Inference): void {
  const [batch, classes, ...rest] = ranked(c, 0, 2, true);
  const each = [batch, ...rest];
  shaped(c, 1, each);
  vector(c, 2, classes);
  c.output(0, oneOf(c, 'reduction', ['none', 'sum', 'mean']) === 'none' ? each : []);
}

const types = { T: floats, Tind: ['int32', 'int64'] } as const;
const attributes = { ignore_index: /* @__PURE__ */ attr.int(), reduction: /* @__PURE__ */ attr.string('mean') };

export const loss = schemas(() => [
  op('NegativeLogLikelihoodLoss', [12, 13, 22], {
    widened: [13, 22],
    types,
    inputs: params('input:T', 'target:Tind', 'weight?:T'),
    outputs: params('loss:T'),
    attributes,
    infer: classLoss,
  }),
  op('SoftmaxCrossEntropyLoss', [12, 13], {
    widened: [13],
    types,
    inputs: params('scores:T', 'labels:Tind', 'weights?:T'),
    outputs: params('output:T', 'log_prob?:T'),
    attributes,
    infer: (c) => {
      classLoss(c);
      c.output(1, c.shape(0));
    },
  }),
]);
