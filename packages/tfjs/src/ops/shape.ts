/** Ops that make shapes, or change them and leave the elements in order. */

import { Tensor } from '@espalier/core';
import type { Operand } from '../builder.ts';
import type { Translation, Translator } from '../translation.ts';

const shapeOf = (c: Translation, x: Operand): string => c.int32(c.shapeOf(x));

const rank: Translator = (c) => new Tensor('int32', [c.rank(c.input(0))], []);

const reshape: Translator = (c) => c.emit('Reshape', [c.input(0), c.int64(c.input(1))], { allowzero: 1 });

const expandDims: Translator = (c) => c.unsqueeze(c.input(0), c.axis(1, c.rank(c.input(0)) + 1));

const squeeze: Translator = (c) => {
  const axes = c.attrs.ints('squeeze_dims', c.attrs.ints('axis', []));
  const ones = c.shape(c.input(0)).flatMap((size, axis) => (size === 1 ? [axis] : []));
  return c.squeeze(c.input(0), ...(axes.length > 0 ? axes : ones));
};

const fill: Translator = (c) => c.fill(c.int64(c.input(0)), c.input(1));

const constantFill =
  (value: number): Translator =>
  (c) => {
    const dtype = c.attrs.dtype('T') ?? c.attrs.dtype('dtype') ?? 'float32';
    return c.fill(c.int64(c.input(0)), new Tensor(dtype, [value], []));
  };

const range: Translator = (c) => c.emit('Range', [c.input(0), c.input(1), c.input(2)]);

const linSpace: Translator = (c) => {
  const [start, stop] = [c.input(0), c.input(1)];
  const count = c.count(c.required(c.input(2), 'number of values')[0] ?? 0);
  const steps = new Tensor(
    'float32',
    Float32Array.from({ length: count }, (_, i) => (count === 1 ? 0 : i / (count - 1))),
  );
  return c.emit('Add', [start, c.emit('Mul', [c.emit('Sub', [stop, start]), steps])]);
};

export const shapes: Readonly<Record<string, Translator>> = {
  Shape: (c) => shapeOf(c, c.input(0)),
  ShapeN: (c) => c.inputs.map((x) => shapeOf(c, x)),
  Rank: rank,
  Size: (c) => c.int32(c.emit('Size', [c.input(0)])),
  Reshape: reshape,
  ExpandDims: expandDims,
  Squeeze: squeeze,
  Fill: fill,
  BroadcastTo: (c) => c.fill(c.int64(c.input(1)), c.input(0)),
  Zeros: constantFill(0),
  Ones: constantFill(1),
  Range: range,
  LinSpace: linSpace,
  IdentityN: (c) => c.inputs,
};
