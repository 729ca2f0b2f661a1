/** Strings. */

import { oneOf } from './check.ts';
import { attr, op, params, schemas } from './define.ts';
import { elementwise } from './elementwise.ts';

export const strings = schemas(() => [
  op('StringConcat', [20], {
    types: { T: ['string'] },
    inputs: params('X:T', 'Y:T'),
    outputs: params('Z:T'),
    infer: elementwise(),
  }),
  op('StringNormalizer', [10], {
    types: { T: ['string'] },
    attributes: {
      case_change_action: attr.string('NONE'),
      is_case_sensitive: attr.int(0),
      locale: attr.string(),
      stopwords: { type: 'strings', default: [] },
    },
    infer: (c) => {
      oneOf(c, 'case_change_action', ['NONE', 'LOWER', 'UPPER']);
      const shape = c.shape(0);
      const isRow = shape.length === 2 && shape[0] === 1;
      if (shape.length !== 1 && !isRow) c.fail(`takes strings of [C] or [1,C], not [${shape}]`);
      const count = c.fresh(0, shape.length - 1);
      c.output(0, isRow ? [1, count] : [count]);
    },
  }),
  op('StringSplit', [20], {
    types: { T1: ['string'], T2: ['string'], T3: ['int64'] },
    inputs: params('X:T1'),
    outputs: params('Y:T2', 'Z:T3'),
    attributes: { delimiter: attr.string(''), maxsplit: attr.int() },
    infer: (c) => {
      const shape = c.shape(0);
      c.output(0, [...shape, c.fresh(0, shape.length)], { dtype: 'string' });
      c.output(1, shape, { dtype: 'int64' });
    },
  }),
  op('RegexFullMatch', [20], {
    types: { T1: ['string'], T2: ['bool'] },
    inputs: params('X:T1'),
    outputs: params('Y:T2'),
    attributes: { pattern: attr.required('string') },
    infer: (c) => c.output(0, c.shape(0), { dtype: 'bool' }),
  }),
]);
