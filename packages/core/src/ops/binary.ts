/** Functions of two or more elements, with numpy's broadcasting: arithmetic, comparison, logic, bits, choice. */

import { allDTypes, floats, fourBits, ints, numbers } from '../dtype.ts';
import type { OpSchema } from '../schema.ts';
import { oneOf } from './check.ts';
import { attr, op, params, schemas } from './define.ts';
import { type Element, element, elementwise } from './elementwise.ts';

const operands = { inputs: params('A:T', 'B:T'), outputs: params('C:T'), infer: elementwise() };
const predicate = { inputs: params('A:T', 'B:T'), outputs: params('C:T1') };
const bools = { T: ['bool'], T1: ['bool'] } as const;
const variadic = { inputs: params('...data_0:T'), infer: elementwise() };

const arithmetic = (name: string, rule: Element): OpSchema =>
  op(name, [1, 6, 7, 13, 14], { ...operands, widened: [13, 14], types: { T: numbers }, infer: elementwise(rule) });
const logic = (name: string, rule?: Element): OpSchema =>
  op(name, [1, 7], { ...predicate, types: bools, infer: elementwise(rule) });
const comparison = (name: string, versions: readonly number[], widened: readonly number[], rule: Element): OpSchema =>
  op(name, versions, { ...predicate, widened, types: { T: numbers, T1: ['bool'] }, infer: elementwise(rule) });
const bitwise = (name: string): OpSchema => op(name, [18], { ...operands, types: { T: ints } });
const extremum = (name: string, rule: Element): OpSchema =>
  op(name, [1, 6, 8, 12, 13], { ...variadic, widened: [8, 12, 13], types: { T: numbers }, infer: elementwise(rule) });

export const binary = schemas(() => [
  arithmetic('Add', element.add),
  arithmetic('Sub', element.sub),
  arithmetic('Mul', element.mul),
  arithmetic('Div', element.div),
  op('Mod', [10, 13, 28], {
    ...operands,
    widened: [13, 28],
    types: { T: numbers },
    attributes: { fmod: attr.int(0) },
    infer: (c) => elementwise(c.int('fmod') === 0 ? element.mod : element.fmod)(c),
  }),
  op('Pow', [1, 7, 12, 13, 15], {
    ...operands,
    widened: [12, 13, 15],
    types: { T: [...floats, 'int64', 'int32'], T1: numbers },
    inputs: params('X:T', 'Y:T1'),
    outputs: params('Z:T'),
  }),
  logic('And', element.and),
  logic('Or', element.or),
  logic('Xor'),
  bitwise('BitwiseAnd'),
  bitwise('BitwiseOr'),
  bitwise('BitwiseXor'),
  op('BitShift', [11, 28], {
    ...operands,
    widened: [28],
    types: { T: ints },
    attributes: { direction: attr.required('string') },
    infer: (c) => {
      oneOf(c, 'direction', ['LEFT', 'RIGHT']);
      elementwise()(c);
    },
  }),
  op('Equal', [1, 7, 11, 13, 19], {
    ...predicate,
    widened: [11, 13, 19],
    types: { T: [...numbers, 'bool', 'string'], T1: ['bool'] },
    infer: elementwise(element.equal),
  }),
  comparison('Less', [1, 7, 9, 13], [9, 13], element.less),
  comparison('LessOrEqual', [12, 16], [16], element.lessOrEqual),
  comparison('Greater', [1, 7, 9, 13], [9, 13], element.greater),
  comparison('GreaterOrEqual', [12, 16], [16], element.greaterOrEqual),
  extremum('Max', element.max),
  extremum('Min', element.min),
  op('Sum', [1, 6, 8, 13], { ...variadic, widened: [8, 13], types: { T: floats } }),
  op('Mean', [1, 6, 8, 13], { ...variadic, widened: [8, 13], types: { T: floats } }),
  op('Where', [9, 16], {
    widened: [16],
    types: { B: ['bool'], T: allDTypes.filter((dtype) => !(fourBits as readonly string[]).includes(dtype)) },
    inputs: params('condition:B', 'X:T', 'Y:T'),
    outputs: params('output:T'),
    infer: elementwise(element.where),
  }),
]);
