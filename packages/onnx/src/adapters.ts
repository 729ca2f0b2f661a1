/**
 * What changed in ONNX's ops from opset 7 to 22: each row turns a node of an older file into the same computation in today's
 * form. Changes that only let more in (dtypes, attributes whose default is what was before) need no row.
 * Source: the operators' changelog, https://onnx.ai/onnx/operators.
 */

import { EspalierError, type Node, Tensor, type TensorDesc, toFloat16 } from '@espalier/core';

/** What an adapter may ask and make. */
export interface Conversion {
  /** The value of an input, where it is constant. */
  constant(name: string): Tensor | undefined;
  /** The type of an input, where it can be told before the whole graph is normalised. */
  type(name: string): TensorDesc | undefined;
  /** The name of a new initializer. */
  add(hint: string, tensor: Tensor): string;
  /** The name of a new value. */
  value(hint: string): string;
  /** A new node, whose first output has a new name unless `outputs` says otherwise. */
  node(op: string, inputs: readonly string[], attrs?: Node['attrs'], outputs?: readonly string[]): Node;
}

export interface Adapter {
  readonly op: string;
  /** It applies to files of lower opsets. */
  readonly before: number;
  /** What stands for the node. A message in its place says what the node does that Espalier lacks. */
  convert(node: Node, c: Conversion): Node | readonly Node[] | string;
}

/** In this order: a later row sees what earlier rows made of a node, as long as the op stays the same. */
export const adapters: readonly Adapter[] = [
  ...each(['Squeeze', 'Unsqueeze', 'ReduceSum'], 13, (node, c) => attributeToInput(node, c, 'axes', 1)),
  ...each(
    ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'SumSquare'].map((name) => `Reduce${name}`),
    18,
    (node, c) => attributeToInput(node, c, 'axes', 1),
  ),
  ...each(['Softmax', 'LogSoftmax', 'Hardmax'], 13, flattenedSoftmax),
  {
    op: 'Slice',
    before: 10,
    convert: (node, c) =>
      ['starts', 'ends', 'axes'].reduce((sum, name, i) => attributeToInput(sum, c, name, i + 1), node),
  },
  { op: 'Split', before: 13, convert: (node, c) => attributeToInput(node, c, 'split', 1) },
  {
    op: 'Split',
    before: 18,
    convert: (node) =>
      node.inputs[1] ? node : { ...node, attrs: { ...node.attrs, num_outputs: node.outputs.length } },
  },
  { op: 'TopK', before: 10, convert: (node, c) => attributeToInput(node, c, 'k', 1) },
  {
    op: 'Pad',
    before: 11,
    convert: (node, c) => {
      const [scalars, more] = attributesToScalars(attributeToInput(node, c, 'pads', 1), c, [['value', 2]]);
      return [...more, scalars];
    },
  },
  {
    op: 'Clip',
    before: 11,
    convert: (node, c) => {
      // The defaults were the largest finite numbers; as in ONNX's own converter, no bound stands for them.
      const [scalars, more] = attributesToScalars(node, c, [
        ['min', 1],
        ['max', 2],
      ]);
      return [...more, scalars];
    },
  },
  {
    op: 'Dropout',
    before: 10,
    convert: (node, c) => {
      const [y = '', mask] = node.outputs;
      if (!mask) return node;
      const isKept = c.value(`${node.name}/mask`);
      return [{ ...node, outputs: [y, isKept] }, c.node('CastLike', [isKept, node.inputs[0]!], {}, [mask])];
    },
  },
  // The ratio only mattered to training, which files before opset 12 could not ask for.
  { op: 'Dropout', before: 12, convert: (node) => without(node, 'ratio') },
  {
    op: 'BatchNormalization',
    before: 9,
    convert: (node) =>
      (node.attrs['spatial'] ?? 1) === 1
        ? without(node, 'spatial')
        : 'normalises each activation on its own (spatial 0)',
  },
  {
    op: 'BatchNormalization',
    before: 14,
    convert: (node) => (node.outputs.length > 1 ? 'is in training mode (it has more than one output)' : node),
  },
  { op: 'Scatter', before: 11, convert: (node) => ({ ...node, op: 'ScatterElements' }) },
  { op: 'Upsample', before: 9, convert: upsampleScales },
  {
    op: 'Upsample',
    before: 10,
    convert: (node) => resize(node, node.attrs['mode'] ?? 'nearest', 'floor'),
  },
  { op: 'Resize', before: 11, convert: simpleResize },
  {
    op: 'Resize',
    before: 13,
    convert: (node, c) => {
      if (node.attrs['coordinate_transformation_mode'] === 'tf_half_pixel_for_nn')
        return 'has the coordinate transformation tf_half_pixel_for_nn, which later opsets dropped';
      // roi and scales had to be given; an empty tensor stood for none.
      const inputs = node.inputs.map((name, i) => (i > 0 && c.constant(name)?.size === 0 ? '' : name));
      return { ...node, inputs };
    },
  },
  {
    op: 'RoiAlign',
    before: 16,
    convert: (node) => ({
      ...node,
      attrs: { ...node.attrs, coordinate_transformation_mode: 'output_half_pixel' },
    }),
  },
  {
    op: 'GridSample',
    before: 20,
    convert: (node) => {
      const mode = { bilinear: 'linear', bicubic: 'cubic' }[String(node.attrs['mode'] ?? 'bilinear')];
      return mode ? { ...node, attrs: { ...node.attrs, mode } } : node;
    },
  },
  {
    op: 'DFT',
    before: 20,
    convert: (node, c) => {
      const axis = node.attrs['axis'] ?? 1;
      return attributeToInput({ ...node, attrs: { ...node.attrs, axis } }, c, 'axis', 2, []);
    },
  },
  { op: 'GroupNormalization', before: 21, convert: perChannel },
  {
    op: 'Scan',
    before: 9,
    convert: () => 'is of opset 8, which scanned batches; convert the file to opset 9 or later',
  },
];

function each(ops: readonly string[], before: number, convert: Adapter['convert']): Adapter[] {
  return ops.map((op) => ({ op, before, convert }));
}

function without(node: Node, ...names: readonly string[]): Node {
  return { ...node, attrs: Object.fromEntries(Object.entries(node.attrs).filter(([name]) => !names.includes(name))) };
}

function withInput(node: Node, index: number, value: string): Node {
  const inputs = [...node.inputs];
  while (inputs.length < index) inputs.push('');
  inputs[index] = value;
  return { ...node, inputs };
}

function malformed(node: Node, name: string): never {
  throw new EspalierError('BAD_GRAPH', `its attribute "${name}" is of another type`, { node: node.name });
}

/** Integers of a file as int64; 2^63 - 1, which stands for "to the end", is not a number of JavaScript. */
function int64s(values: readonly number[], dims: readonly number[]): Tensor {
  const limit = 2n ** 63n - 1n;
  const clamped = values.map((value) => (BigInt(value) > limit ? limit : BigInt(value)));
  return new Tensor('int64', clamped, dims);
}

/** An integer attribute as the initializer of an input. */
function attributeToInput(node: Node, c: Conversion, name: string, index: number, dims?: readonly number[]): Node {
  const value = node.attrs[name];
  if (value === undefined) return node;
  const values = (Array.isArray(value) ? value : [value]) as readonly number[];
  if (!values.every((each) => Number.isInteger(each))) malformed(node, name);
  return withInput(without(node, name), index, c.add(`${node.name}/${name}`, int64s(values, dims ?? [values.length])));
}

/** Float attributes as scalars of the first input's dtype; casts come with them where that is not known yet. */
function attributesToScalars(
  node: Node,
  c: Conversion,
  attributes: readonly (readonly [string, number])[],
): [Node, Node[]] {
  const [x = ''] = node.inputs;
  const dtype = c.type(x)?.dtype;
  const casts: Node[] = [];
  let result = node;
  for (const [name, index] of attributes) {
    const value = node.attrs[name];
    if (value === undefined) continue;
    if (typeof value !== 'number') malformed(node, name);
    const half = dtype === 'float16';
    const tensor = half
      ? new Tensor('float16', Uint16Array.of(toFloat16(value)), [])
      : new Tensor(dtype === 'float64' ? dtype : 'float32', [value], []);
    let scalar = c.add(`${node.name}/${name}`, tensor);
    if (!dtype) {
      const cast = c.node('CastLike', [scalar, x]);
      casts.push(cast);
      scalar = cast.outputs[0]!;
    }
    result = withInput(without(result, name), index, scalar);
  }
  return [result, casts];
}

/** Before opset 13, these ops worked on all axes from `axis` on as if they were one. */
function flattenedSoftmax(node: Node, c: Conversion): Node | Node[] {
  const { axis = 1 } = node.attrs;
  if (!Number.isInteger(axis)) malformed(node, 'axis');
  if (axis === -1) return { ...node, attrs: { axis } };
  const shape = c.type(node.inputs[0]!)?.shape;
  if (shape) {
    const first = (axis as number) < 0 ? (axis as number) + shape.length : (axis as number);
    const long = shape.map((_, i) => i).filter((i) => i >= first && shape[i] !== 1);
    if (first >= 0 && first < shape.length && long.length <= 1) return { ...node, attrs: { axis: long[0] ?? first } };
  }
  const dims = c.node('Shape', node.inputs);
  const flat = c.node('Flatten', node.inputs, { axis });
  const result = c.node(node.op, flat.outputs, { axis: -1 });
  const back = c.node('Reshape', [result.outputs[0]!, dims.outputs[0]!], {}, node.outputs);
  return [dims, flat, result, back];
}

function resize(node: Node, mode: Node['attrs'][string], nearest: string): Node {
  const [x = '', scales = ''] = node.inputs;
  const attrs = { mode, coordinate_transformation_mode: 'asymmetric', nearest_mode: nearest };
  return { ...node, op: 'Resize', inputs: [x, '', scales], attrs };
}

function upsampleScales(node: Node, c: Conversion): Node {
  const { scales } = node.attrs;
  if (!Array.isArray(scales) || !scales.every((scale) => typeof scale === 'number')) malformed(node, 'scales');
  return withInput(without(node, 'scales'), 1, c.add(`${node.name}/scales`, new Tensor('float32', scales)));
}

/** Opset 10 took the floor of coordinates along axes that grow, and the ceiling along those that shrink. */
function simpleResize(node: Node, c: Conversion): Node | string {
  const mode = node.attrs['mode'] ?? 'nearest';
  if (mode !== 'nearest') return resize(node, mode, 'floor');
  const scales = c.constant(node.inputs[1] ?? '');
  if (scales?.type !== 'float32')
    return 'resizes by scales that are not constant; convert the file to opset 11 or later';
  const values = Array.from(scales.data as Float32Array);
  const grows = values.some((scale) => scale > 1);
  if (grows && values.some((scale) => scale < 1)) return 'grows along one axis and shrinks along another';
  return resize(node, mode, grows ? 'floor' : 'ceil');
}

/** Before opset 21, scale and bias were per group. */
function perChannel(node: Node, c: Conversion): Node[] {
  const [x = '', scale = '', bias = ''] = node.inputs;
  const { num_groups: groups } = node.attrs;
  if (!Number.isSafeInteger(groups)) malformed(node, 'num_groups');
  const count = c.add(`${node.name}/groups`, int64s([groups as number], [1]));
  const channels = c.node('Shape', [x], { start: 1, end: 2 });
  const size = c.node('Div', [channels.outputs[0]!, count]);
  const shape = c.node('Concat', [count, size.outputs[0]!], { axis: 0 });
  const axes = c.add(`${node.name}/axes`, int64s([1], [1]));
  const all = c.add(`${node.name}/all`, int64s([-1], [1]));
  const made = [channels, size, shape];
  const expand = (value: string): string => {
    const column = c.node('Unsqueeze', [value, axes]);
    const wide = c.node('Expand', [column.outputs[0]!, shape.outputs[0]!]);
    const flat = c.node('Reshape', [wide.outputs[0]!, all]);
    made.push(column, wide, flat);
    return flat.outputs[0]!;
  };
  const inputs = [x, expand(scale), expand(bias)];
  return [...made, { ...node, inputs }];
}
