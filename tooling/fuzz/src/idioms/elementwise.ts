/** Functions of each element. */

import { floats, positives } from '../data.ts';
import type { Idiom, Value } from '../grower.ts';

const simple = [
  ...['Relu', 'Tanh', 'Sigmoid', 'Neg', 'Abs', 'Erf', 'Gelu', 'HardSwish', 'HardSigmoid', 'LeakyRelu', 'Elu'],
  ...['Softplus', 'Mish', 'Sin', 'Cos', 'Floor', 'Round', 'Sign', 'Selu', 'Celu', 'ThresholdedRelu', 'Softsign'],
];
const others = ['Clip', 'Exp', 'Sqrt', 'Reciprocal', 'Pow', 'GeluTanh', 'Log'];

export const unary: Idiom = (g, x) => {
  const then = (y: Value | undefined, op: string): Value | undefined => y && g.op(op, [y]);
  const op = g.source.pick([...simple, ...others]);
  switch (op) {
    case 'Clip':
      return g.op(op, [x, g.scalar(-0.5), g.scalar(0.75)]);
    case 'Pow':
      return g.op(op, [x, g.scalar(g.source.pick([2, 3]))]);
    case 'Exp':
      return then(g.op('Tanh', [x]), op);
    case 'Sqrt':
      return then(g.op('Abs', [x]), op);
    case 'GeluTanh':
      return g.op('Gelu', [x], { approximate: 'tanh' });
    case 'Log':
    case 'Reciprocal': {
      // Of numbers from 1 to 3: what is near 0 would leave the range of float32 soon after.
      const small = g.op('Tanh', [x]);
      return then(small && g.op('Add', [small, g.scalar(2)]), op);
    }
    case 'LeakyRelu':
      return g.op(op, [x], { alpha: 0.1 });
    default:
      return g.op(op, [x]);
  }
};

/** With a constant of any shape that broadcasts. */
export const operand: Idiom = (g, x) => {
  const rank = g.source.below(x.shape.length + 1);
  const dims = x.shape.slice(x.shape.length - rank).map((d) => (typeof d === 'number' && !g.source.chance(3) ? d : 1));
  const op = g.source.pick(['Add', 'Mul', 'Sub', 'Div', 'PRelu']);
  const constant = g.constant((op === 'Div' ? positives : floats)(dims, g.random));
  const isTurned = (op === 'Add' || op === 'Mul' || op === 'Sub') && g.source.chance(3);
  return g.op(op, isTurned ? [constant, x] : [x, constant]);
};

export const pair: Idiom = (g, x) => {
  const other = g.source.pick(g.values);
  const made = g.op(g.source.pick(['Add', 'Mul', 'Sub', 'Max', 'Min']), g.source.chance(2) ? [other, x] : [x, other]);
  return g.source.chance(2) ? made && g.op('Tanh', [made]) : made;
};

export const choice: Idiom = (g, x) => {
  const other = g.source.chance(2) ? g.scalar(-1) : g.source.pick(g.values);
  const compare = (limit: number): Value | undefined =>
    g.op(g.source.pick(['Greater', 'Less', 'LessOrEqual', 'GreaterOrEqual', 'Equal']), [x, g.scalar(limit)]);
  let condition = compare(0.25);
  if (condition && g.source.chance(3)) {
    const second = compare(-0.25);
    condition = second && g.op(g.source.pick(['And', 'Or', 'Xor']), [condition, second]);
  }
  if (condition && g.source.chance(3)) condition = g.op('Not', [condition]);
  return condition && g.op('Where', [condition, x, other]);
};
