/** Ops on single elements, with numpy's broadcasting as ONNX has it too. */

import { dtypes } from '@espalier/core';
import type { Operand } from '../builder.ts';
import { channelsFirst, channelsLast, isChannelsLast, toNodeLayout, toOnnxLayout } from '../layout.ts';
import type { Translation, Translator } from '../translation.ts';

/** The same op under another name, or the same. */
const as =
  (op: string): Translator =>
  (c) =>
    c.emit(op, c.inputs);

const unary =
  (make: (c: Translation, x: string) => Operand): Translator =>
  (c) =>
    make(c, c.input(0));
const binary =
  (make: (c: Translation, a: string, b: string) => Operand): Translator =>
  (c) =>
    make(c, c.input(0), c.input(1));

const isFloat = (c: Translation, x: Operand): boolean => dtypes[c.dtype(x)].kind === 'float';
const not = (c: Translation, x: Operand): string => c.emit('Not', [x]);

/** An activation, also where it is fused into a product; undefined for one that is not known. */
export function activation(c: Translation, name: string, x: string, slope?: Operand): string | undefined {
  switch (name) {
    case 'Relu':
    case 'Sigmoid':
    case 'Tanh':
    case 'Elu':
    case 'Selu':
      return c.emit(name, [x]);
    case 'Relu6':
      return c.emit('Clip', [x, c.scalar(0, x), c.scalar(6, x)]);
    case 'LeakyRelu':
      return c.emit('LeakyRelu', [x], { alpha: c.attrs.float('leakyrelu_alpha', c.attrs.float('alpha', 0.2)) });
    case 'Prelu':
      return slope === undefined ? undefined : c.emit('PRelu', [x, slope]);
    default:
      return undefined;
  }
}

const activations = Object.fromEntries(
  ['Relu', 'Sigmoid', 'Tanh', 'Elu', 'Selu', 'Relu6', 'LeakyRelu'].map((name): [string, Translator] => [
    name,
    unary((c, x) => activation(c, name, x)!),
  ]),
);

const floorDiv = binary((c, a, b) => {
  if (isFloat(c, a)) return c.emit('Floor', [c.emit('Div', [a, b])]);
  const remainder = c.emit('Mod', [a, b]);
  return c.emit('Div', [c.emit('Sub', [a, remainder]), b]);
});

/** The remainder with the divisor's sign; ONNX has that for integers only. */
const floorMod = binary((c, a, b) => {
  if (!isFloat(c, a)) return c.emit('Mod', [a, b]);
  const quotient = c.emit('Floor', [c.emit('Div', [a, b])]);
  return c.emit('Sub', [a, c.emit('Mul', [quotient, b])]);
});

const atan2 = binary((c, y, x) => {
  const zero = c.scalar(0, x);
  const half = c.emit('Mul', [c.emit('Sign', [y]), c.scalar(Math.PI / 2, x)]);
  const right = c.emit('Atan', [c.emit('Div', [y, x])]);
  const turn = c.emit('Where', [c.emit('Less', [y, zero]), c.scalar(-Math.PI, x), c.scalar(Math.PI, x)]);
  const left = c.emit('Add', [right, turn]);
  const apart = c.emit('Where', [c.emit('Less', [x, zero]), left, right]);
  return c.emit('Where', [c.emit('Equal', [x, zero]), half, apart]);
});

const clip: Translator = (c) => {
  const [x, low, high] = [c.input(0), c.input(1), c.input(2)];
  if (c.rank(low) === 0 && c.rank(high) === 0) return c.emit('Clip', [x, low, high]);
  return c.emit('Min', [c.emit('Max', [x, low]), high]);
};

const biasAdd: Translator = (c) => {
  const [x, bias] = [c.input(0), c.input(1)];
  if (isChannelsLast(c)) return c.emit('Add', [x, bias]);
  return c.emit('Add', [x, c.reshape(bias, [-1, ...Array<number>(c.rank(x) - 2).fill(1)])]);
};

/** Version 1 takes a vector of conditions for the rows of a tensor; else it broadcasts as version 2 does. */
const select: Translator = (c) => {
  const [condition, x] = [c.input(0), c.input(1)];
  const rank = c.rank(x);
  const rows = c.node.op === 'Select' && c.rank(condition) === 1 && rank > 1;
  const axes = Array.from({ length: rank - 1 }, (_, i) => i + 1);
  return c.emit('Where', [rows ? c.unsqueeze(condition, ...axes) : condition, x, c.input(2)]);
};

const cast: Translator = (c) =>
  c.cast(c.input(0), c.attrs.dtype('DstT') ?? c.unsupported('casts to a dtype that is not supported'));

const localResponse: Translator = (c) => {
  const size = 2 * c.attrs.int('depth_radius', 5) + 1;
  const alpha = c.attrs.float('alpha', 1) * size;
  const attrs = { size, alpha, beta: c.attrs.float('beta', 0.5), bias: c.attrs.float('bias', 1) };
  return channelsLast(c, c.emit('LRN', [channelsFirst(c, c.input(0))], attrs));
};

const fusedBatchNorm: Translator = (c) => {
  if (c.attrs.bool('is_training', true)) c.unsupported('it is in training mode: freeze the model first');
  const parameters = [1, 2, 3, 4].map((i) => c.input(i));
  const epsilon = c.attrs.float('epsilon', 1e-4);
  return toNodeLayout(c, c.emit('BatchNormalization', [toOnnxLayout(c, c.input(0)), ...parameters], { epsilon }));
};

/** Ops of the same name and meaning in ONNX. */
const sameName = [
  ...['Abs', 'Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atanh', 'Ceil', 'Cos', 'Cosh', 'Erf', 'Exp'],
  ...['Floor', 'Log', 'Neg', 'Reciprocal', 'Round', 'Sign', 'Sin', 'Sinh', 'Softplus', 'Sqrt', 'Tan'],
  ...['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Equal', 'Greater', 'Less', 'BitwiseAnd'],
];

export const elementwise: Readonly<Record<string, Translator>> = {
  ...Object.fromEntries(sameName.map((op) => [op, as(op)])),
  ...activations,
  IsNan: as('IsNaN'),
  IsInf: as('IsInf'),
  AddV2: as('Add'),
  RealDiv: as('Div'),
  Maximum: as('Max'),
  Minimum: as('Min'),
  GreaterEqual: as('GreaterOrEqual'),
  LessEqual: as('LessOrEqual'),
  LogicalAnd: as('And'),
  LogicalOr: as('Or'),
  LogicalNot: as('Not'),
  NotEqual: binary((c, a, b) => not(c, c.emit('Equal', [a, b]))),
  IsFinite: unary((c, x) => not(c, c.emit('Or', [c.emit('IsInf', [x]), c.emit('IsNaN', [x])]))),
  // ONNX's Sum takes no integers.
  AddN: (c) => c.inputs.slice(1).reduce((sum, x) => c.emit('Add', [sum, x]), c.input(0)),
  Square: unary((c, x) => c.emit('Mul', [x, x])),
  Rsqrt: unary((c, x) => c.emit('Reciprocal', [c.emit('Sqrt', [x])])),
  Expm1: unary((c, x) => c.emit('Sub', [c.emit('Exp', [x]), c.scalar(1, x)])),
  Log1p: unary((c, x) => c.emit('Log', [c.emit('Add', [x, c.scalar(1, x)])])),
  Softmax: unary((c, x) => c.emit('Softmax', [x], { axis: -1 })),
  LogSoftmax: unary((c, x) => c.emit('LogSoftmax', [x], { axis: -1 })),
  Prelu: binary((c, x, slope) => c.emit('PRelu', [x, slope])),
  SquaredDifference: binary((c, a, b) => {
    const difference = c.emit('Sub', [a, b]);
    return c.emit('Mul', [difference, difference]);
  }),
  DivNoNan: binary((c, a, b) =>
    c.emit('Where', [c.emit('Equal', [b, c.scalar(0, b)]), c.scalar(0, b), c.emit('Div', [a, b])]),
  ),
  FloorDiv: floorDiv,
  FloorMod: floorMod,
  // TensorFlow's Mod keeps the dividend's sign, as C's fmod does.
  Mod: binary((c, a, b) => c.emit('Mod', [a, b], { fmod: 1 })),
  Atan2: atan2,
  ClipByValue: clip,
  BiasAdd: biasAdd,
  Select: select,
  SelectV2: select,
  Cast: cast,
  LRN: localResponse,
  FusedBatchNorm: fusedBatchNorm,
  FusedBatchNormV2: fusedBatchNorm,
  FusedBatchNormV3: fusedBatchNorm,
  ZerosLike: unary((c, x) => c.fill(c.shapeOf(x), c.scalar(0, x))),
  OnesLike: unary((c, x) => c.fill(c.shapeOf(x), c.scalar(1, x))),
};

/** Ops whose first output is their first input while a model is run, not trained. */
export const passThrough: Readonly<Record<string, Translator>> = Object.fromEntries(
  ['Identity', 'Snapshot', 'StopGradient', 'Print', 'EnsureShape', 'PlaceholderWithDefault'].map((op) => [
    op,
    unary((_, x) => x),
  ]),
);
