// biome-ignore-all lint/suspicious/noApproximativeNumericConstant: results, whatever they are near.
// One tiny graph per way to use an op, with the results that tfjs 4.22 (CPU) gives for it unless a comment says otherwise.
import type { Tensor } from '@espalier/core';
import { attr, bool, constant, f32, floats, i32, model, type NodeDef, placeholder } from './model.ts';

export interface Case {
  readonly op: string;
  /** What is tried, where the op has several cases. */
  readonly what?: string;
  /** Fed when run. Inputs of the node in order: first these, then `constants`. */
  readonly feeds?: readonly Tensor[];
  readonly constants?: readonly Tensor[];
  /** Where feeds and constants alternate: `f` or `c` for each input. */
  readonly order?: string;
  readonly attrs?: Record<string, unknown>;
  /** The data and dims of each output. */
  readonly want: readonly (readonly [readonly number[], readonly number[]])[];
  /** Which sizes must be known while importing: all, or those of the last axes. */
  readonly known?: 'all' | 'last';
}

const line = f32([-2.5, -1, -0.5, 0, 0.5, 1.5, 7]);
const unit = f32([-0.75, -0.25, 0, 0.5, 1]);
const positive = f32([0.25, 1, 2.5, 9]);
const pair = { feeds: [f32([1, -2, 3, 4], [2, 2]), f32([2, 3])] };
const whole = { feeds: [i32([7, -7, 7, -7, 0]), i32([2, 2, -2, -2, 3])] };
const logical = { feeds: [bool([0, 0, 1, 1]), bool([0, 1, 0, 1])] };
const nhwc = { data_format: attr.string('NHWC') };
const nchw = { data_format: attr.string('NCHW') };
const same = { padding: attr.string('SAME'), ...nhwc };
const valid = { padding: attr.string('VALID'), ...nhwc };
const strides = (n: number) => ({ strides: attr.ints(1, n, n, 1), dilations: attr.ints(1, 1, 1, 1) });
const keep = { keep_dims: attr.bool(true) };
const fused = (...ops: string[]) => ({ fused_ops: attr.strings(...ops), num_args: attr.int(1) });
const masks = (begin: number, end: number, ellipsis: number, newAxis: number, shrink: number) => ({
  begin_mask: attr.int(begin),
  end_mask: attr.int(end),
  ellipsis_mask: attr.int(ellipsis),
  new_axis_mask: attr.int(newAxis),
  shrink_axis_mask: attr.int(shrink),
});
const sizes = (h: number, w: number) => i32([h, w]);

/** The case as a model, with all sizes of its feeds known, those of the last axes, or none. */
export function caseModel(
  c: Case,
  known: 'all' | 'last' | 'none',
): { json: Record<string, unknown>; shard: Uint8Array; feeds: Record<string, Tensor> } {
  const [feeds, weights]: Record<string, Tensor>[] = [{}, {}];
  const nodes: NodeDef[] = [];
  const input: string[] = [];
  const order = c.order ?? 'f'.repeat(c.feeds?.length ?? 0) + 'c'.repeat(c.constants?.length ?? 0);
  const next = { f: 0, c: 0 };
  for (const kind of order as Iterable<'f' | 'c'>) {
    const name = `${kind}${next[kind]}`;
    const tensor = (kind === 'f' ? c.feeds : c.constants)![next[kind]++]!;
    input.push(name);
    const from = known === 'all' ? 0 : tensor.dims.length - (known === 'last' ? 1 : 0);
    const dims = tensor.dims.map((size, axis) => (axis >= from ? size : -1));
    nodes.push(kind === 'f' ? placeholder(name, tensor.type as 'float32', dims) : constant(name));
    (kind === 'f' ? feeds : weights)[name] = tensor;
  }
  nodes.push({ name: 'result', op: c.op, input, attr: c.attrs ?? {} });
  const outputs = Object.fromEntries(c.want.map((_, i) => [`out${i}`, { name: `result:${i}` }]));
  return { ...model(nodes, weights, { signature: { outputs } }), feeds };
}

export const cases: readonly Case[] = [
  { op: 'Abs', feeds: [line], want: [[[2.5, 1, 0.5, 0, 0.5, 1.5, 7], [7]]] },
  {
    op: 'Asinh',
    feeds: [line],
    want: [[[-1.6472311, -0.88137358, -0.48121181, 0, 0.48121181, 1.1947632, 2.6441207], [7]]],
  },
  {
    op: 'Atan',
    feeds: [line],
    want: [[[-1.19029, -0.78539819, -0.4636476, 0, 0.4636476, 0.98279375, 1.4288993], [7]]],
  },
  { op: 'Ceil', feeds: [line], want: [[[-2, -1, 0, 0, 1, 2, 7], [7]]] },
  {
    op: 'Cos',
    feeds: [line],
    want: [[[-0.80114359, 0.54030228, 0.87758255, 1, 0.87758255, 0.070737198, 0.75390226], [7]]],
  },
  { op: 'Elu', feeds: [line], want: [[[-0.91791499, -0.63212055, -0.39346933, 0, 0.5, 1.5, 7], [7]]] },
  { op: 'Erf', feeds: [line], want: [[[-0.99959296, -0.84270066, -0.5205, 0, 0.5205, 0.96610528, 1], [7]]] },
  { op: 'Exp', feeds: [line], want: [[[0.082084998, 0.36787945, 0.60653067, 1, 1.6487212, 4.481689, 1096.6332], [7]]] },
  {
    op: 'Expm1',
    feeds: [line],
    want: [[[-0.91791499, -0.63212055, -0.39346933, 0, 0.64872128, 3.481689, 1095.6332], [7]]],
  },
  { op: 'Floor', feeds: [line], want: [[[-3, -1, -1, 0, 0, 1, 7], [7]]] },
  { op: 'LeakyRelu', feeds: [line], want: [[[-0.5, -0.2, -0.1, 0, 0.5, 1.5, 7], [7]]] },
  { op: 'Neg', feeds: [line], want: [[[2.5, 1, 0.5, 0, -0.5, -1.5, -7], [7]]] },
  { op: 'Relu', feeds: [line], want: [[[0, 0, 0, 0, 0.5, 1.5, 7], [7]]] },
  { op: 'Relu6', feeds: [line], want: [[[0, 0, 0, 0, 0.5, 1.5, 6], [7]]] },
  { op: 'Round', feeds: [line], want: [[[-2, -1, 0, 0, 0, 2, 7], [7]]] },
  {
    op: 'Selu',
    feeds: [line],
    want: [[[-1.6137857, -1.1113307, -0.69175822, 0, 0.52535051, 1.5760515, 7.354907], [7]]],
  },
  {
    op: 'Sigmoid',
    feeds: [line],
    want: [[[0.075858183, 0.26894143, 0.37754068, 0.5, 0.62245935, 0.8175745, 0.99908894], [7]]],
  },
  { op: 'Sign', feeds: [line], want: [[[-1, -1, -1, 0, 1, 1, 1], [7]]] },
  {
    op: 'Sin',
    feeds: [line],
    want: [[[-0.59847212, -0.84147096, -0.47942555, 0, 0.47942555, 0.997495, 0.65698659], [7]]],
  },
  {
    op: 'Sinh',
    feeds: [line],
    want: [[[-6.0502043, -1.1752012, -0.52109528, 0, 0.52109528, 2.1292794, 548.3161], [7]]],
  },
  { op: 'Cosh', feeds: [line], want: [[[6.1322894, 1.5430807, 1.1276259, 1, 1.1276259, 2.3524096, 548.31702], [7]]] },
  {
    op: 'Softplus',
    feeds: [line],
    want: [[[0.078889735, 0.31326169, 0.47407699, 0.693147, 0.97407699, 1.7014133, 7.0009112], [7]]],
  },
  { op: 'Square', feeds: [line], want: [[[6.25, 1, 0.25, 0, 0.25, 2.25, 49], [7]]] },
  { op: 'Tan', feeds: [line], want: [[[0.74702227, -1.5574077, -0.5463025, 0, 0.5463025, 14.10142, 0.87144798], [7]]] },
  {
    op: 'Tanh',
    feeds: [line],
    want: [[[-0.98661429, -0.76159418, -0.46211717, 0, 0.46211717, 0.90514827, 0.99999833], [7]]],
  },
  { op: 'IsNan', feeds: [line], want: [[[0, 0, 0, 0, 0, 0, 0], [7]]] },
  { op: 'IsInf', feeds: [line], want: [[[0, 0, 0, 0, 0, 0, 0], [7]]] },
  { op: 'IsFinite', feeds: [line], want: [[[1, 1, 1, 1, 1, 1, 1], [7]]] },
  { op: 'ZerosLike', feeds: [line], want: [[[0, 0, 0, 0, 0, 0, 0], [7]]] },
  { op: 'OnesLike', feeds: [line], want: [[[1, 1, 1, 1, 1, 1, 1], [7]]] },
  {
    op: 'Softmax',
    feeds: [line],
    want: [[[0.000074297168, 0.00033297678, 0.0005489859, 0.00090512476, 0.0014922984, 0.0040564877, 0.99258983], [7]]],
  },
  {
    op: 'LogSoftmax',
    feeds: [line],
    want: [[[-9.5074377, -8.0074377, -7.5074377, -7.0074377, -6.5074377, -5.5074377, -0.007437753], [7]]],
  },
  { op: 'Acos', feeds: [unit], want: [[[2.4188583, 1.8234766, 1.5707964, 1.0471976, 0], [5]]] },
  { op: 'Asin', feeds: [unit], want: [[[-0.8480621, -0.25268024, 0, 0.52359879, 1.5707964], [5]]] },
  { op: 'Atanh', feeds: [f32([-0.75, 0, 0.5])], want: [[[-0.97295505, 0, 0.54930615], [3]]] },
  { op: 'Acosh', feeds: [f32([1, 2.5, 9])], want: [[[0, 1.5667993, 2.8872709], [3]]] },
  { op: 'Log', feeds: [positive], want: [[[-1.3862944, 0, 0.91629076, 2.1972246], [4]]] },
  { op: 'Log1p', feeds: [positive], want: [[[0.22314355, 0.693147, 1.2527629, 2.302585], [4]]] },
  { op: 'Reciprocal', feeds: [positive], want: [[[4, 1, 0.40000001, 0.11111111], [4]]] },
  { op: 'Rsqrt', feeds: [positive], want: [[[2, 1, 0.63245553, 0.33333334], [4]]] },
  { op: 'Sqrt', feeds: [positive], want: [[[0.5, 1, 1.5811388, 3], [4]]] },
  {
    op: 'LeakyRelu',
    what: 'with a slope',
    feeds: [line],
    attrs: { alpha: attr.float(0.5) },
    want: [[[-1.25, -0.5, -0.25, 0, 0.5, 1.5, 7], [7]]],
  },
  {
    op: 'IsNan',
    what: 'of what is not finite',
    feeds: [f32([Number.NaN, Number.POSITIVE_INFINITY, 0])],
    want: [[[1, 0, 0], [3]]],
  },
  {
    op: 'IsFinite',
    what: 'of what is not finite',
    feeds: [f32([Number.NaN, Number.NEGATIVE_INFINITY, 0])],
    want: [[[0, 0, 1], [3]]],
  },
  {
    op: 'Add',
    ...pair,
    want: [
      [
        [3, 1, 5, 7],
        [2, 2],
      ],
    ],
  },
  {
    op: 'AddV2',
    ...pair,
    want: [
      [
        [3, 1, 5, 7],
        [2, 2],
      ],
    ],
  },
  {
    op: 'Sub',
    ...pair,
    want: [
      [
        [-1, -5, 1, 1],
        [2, 2],
      ],
    ],
  },
  {
    op: 'Mul',
    ...pair,
    want: [
      [
        [2, -6, 6, 12],
        [2, 2],
      ],
    ],
  },
  {
    op: 'RealDiv',
    ...pair,
    want: [
      [
        [0.5, -0.66666669, 1.5, 1.3333334],
        [2, 2],
      ],
    ],
  },
  {
    op: 'Maximum',
    ...pair,
    want: [
      [
        [2, 3, 3, 4],
        [2, 2],
      ],
    ],
  },
  {
    op: 'Minimum',
    ...pair,
    want: [
      [
        [1, -2, 2, 3],
        [2, 2],
      ],
    ],
  },
  {
    op: 'SquaredDifference',
    ...pair,
    want: [
      [
        [1, 25, 1, 1],
        [2, 2],
      ],
    ],
  },
  {
    op: 'FloorDiv',
    ...pair,
    want: [
      [
        [0, -1, 1, 1],
        [2, 2],
      ],
    ],
  },
  {
    op: 'FloorMod',
    ...pair,
    want: [
      [
        [1, 1, 1, 1],
        [2, 2],
      ],
    ],
  },
  {
    op: 'Equal',
    ...pair,
    want: [
      [
        [0, 0, 0, 0],
        [2, 2],
      ],
    ],
  },
  {
    op: 'NotEqual',
    ...pair,
    want: [
      [
        [1, 1, 1, 1],
        [2, 2],
      ],
    ],
  },
  {
    op: 'Greater',
    ...pair,
    want: [
      [
        [0, 0, 1, 1],
        [2, 2],
      ],
    ],
  },
  {
    op: 'GreaterEqual',
    ...pair,
    want: [
      [
        [0, 0, 1, 1],
        [2, 2],
      ],
    ],
  },
  {
    op: 'Less',
    ...pair,
    want: [
      [
        [1, 1, 0, 0],
        [2, 2],
      ],
    ],
  },
  {
    op: 'LessEqual',
    ...pair,
    want: [
      [
        [1, 1, 0, 0],
        [2, 2],
      ],
    ],
  },
  { op: 'Pow', feeds: [f32([1, 2, 3]), f32([2, 0.5, -1])], want: [[[1, 1.414214, 0.33333334], [3]]] },
  { op: 'DivNoNan', feeds: [f32([1, -2, 0]), f32([0, 4, 0])], want: [[[0, -0.5, 0], [3]]] },
  { op: 'FloorDiv', what: 'of integers', ...whole, want: [[[3, -4, -4, 3, 0], [5]]] },
  { op: 'FloorMod', what: 'of integers', ...whole, want: [[[1, 1, -1, -1, 0], [5]]] },
  { op: 'Add', what: 'of integers', ...whole, want: [[[9, -5, 5, -9, 3], [5]]] },
  { op: 'Equal', what: 'of integers', ...whole, want: [[[0, 0, 0, 0, 0], [5]]] },
  { op: 'Maximum', what: 'of integers', ...whole, want: [[[7, 2, 7, -2, 3], [5]]] },
  // By hand: tfjs gives the divisor's sign.
  { op: 'Mod', what: 'as in C', ...whole, want: [[[1, -1, 1, -1, 0], [5]]] },
  {
    op: 'Atan2',
    feeds: [f32([1, 1, -1, -1, 0, 0, 2, -2, 0]), f32([2, -2, 2, -2, 1, -1, 0, 0, 0])],
    want: [[[0.4636476, 2.6779451, -0.4636476, -2.6779451, 0, 3.141593, 1.5707964, -1.5707964, 0], [9]]],
  },
  { op: 'AddN', feeds: [f32([1, 2]), f32([3, 4]), f32([5, 6])], want: [[[9, 12], [2]]] },
  { op: 'LogicalAnd', ...logical, want: [[[0, 0, 0, 1], [4]]] },
  { op: 'LogicalOr', ...logical, want: [[[0, 1, 1, 1], [4]]] },
  { op: 'LogicalNot', feeds: [bool([0, 1])], want: [[[1, 0], [2]]] },
  {
    op: 'ClipByValue',
    feeds: [line],
    constants: [f32([-1], []), f32([1], [])],
    want: [[[-1, -1, -0.5, 0, 0.5, 1, 1], [7]]],
  },
  {
    op: 'Prelu',
    feeds: [floats(1, 2, 2, 2)],
    constants: [f32([0.5, 2], [1, 1, 2])],
    want: [
      [
        [-0.625, 0.5, -1, -0.5, 1.5, -2, 0.75, -3.5],
        [1, 2, 2, 2],
      ],
    ],
  },
  {
    op: 'BiasAdd',
    feeds: [floats(1, 2, 2, 3), f32([1, 2, 3])],
    attrs: nhwc,
    want: [
      [
        [-0.25, 2.5, 1, 0.75, 3.5, 2, 1.75, 0.25, 3, 2.75, 1.25, 4],
        [1, 2, 2, 3],
      ],
    ],
  },
  // By hand: tfjs takes no notice of the data format.
  {
    op: 'BiasAdd',
    what: 'channels first',
    feeds: [floats(1, 3, 2, 1), f32([1, 2, 3])],
    attrs: nchw,
    want: [
      [
        [-0.25, 1.5, 0, 1.75, 4.5, 2],
        [1, 3, 2, 1],
      ],
    ],
  },
  { op: 'Select', feeds: [bool([1, 0]), f32([1, 2]), f32([3, 4])], want: [[[1, 4], [2]]] },
  // By hand: tfjs broadcasts here too.
  {
    op: 'Select',
    what: 'by rows',
    feeds: [bool([1, 0]), f32([1, 2, 3, 4], [2, 2]), f32([5, 6, 7, 8], [2, 2])],
    want: [
      [
        [1, 2, 7, 8],
        [2, 2],
      ],
    ],
  },
  {
    op: 'SelectV2',
    what: 'broadcast',
    feeds: [bool([1, 0]), f32([1, 2, 3, 4], [2, 2]), f32([9], [])],
    want: [
      [
        [1, 9, 3, 9],
        [2, 2],
      ],
    ],
  },
  {
    op: 'Cast',
    what: 'to integers',
    feeds: [f32([-1.5, -0.5, 0, 2.75])],
    attrs: { SrcT: attr.type('DT_FLOAT'), DstT: attr.type('DT_INT64') },
    want: [[[-1, 0, 0, 2], [4]]],
  },
  {
    op: 'Cast',
    what: 'to truth values',
    feeds: [f32([-0.5, 0, 2])],
    attrs: { SrcT: attr.type('DT_FLOAT'), DstT: attr.type('DT_BOOL') },
    want: [[[1, 0, 1], [3]]],
  },
  {
    op: 'Cast',
    what: 'of truth values',
    feeds: [bool([1, 0])],
    attrs: { SrcT: attr.type('DT_BOOL'), DstT: attr.type('DT_FLOAT') },
    want: [[[1, 0], [2]]],
  },
  {
    op: 'LRN',
    feeds: [floats(1, 1, 2, 5)],
    attrs: { depth_radius: attr.int(1), bias: attr.float(2), alpha: attr.float(0.5), beta: attr.float(0.75) },
    want: [
      [
        [
          -0.56157827, 0.15167281, -0.68707436, -0.07306166, 0.63345057, -0.46432278, 0.25061926, -0.64140254, 0,
          0.67934704,
        ],
        [1, 1, 2, 5],
      ],
    ],
  },
  {
    op: 'FusedBatchNormV3',
    feeds: [floats(1, 2, 1, 2)],
    constants: [f32([1, 2]), f32([0.5, -0.5]), f32([0.25, -0.25]), f32([4, 0.25])],
    attrs: { ...nhwc, is_training: attr.bool(false), epsilon: attr.float(0.25) },
    want: [
      [
        [-0.22760688, 1.6213204, -0.59141034, -0.5],
        [1, 2, 1, 2],
      ],
    ],
  },
  {
    op: 'MatMul',
    feeds: [floats(2, 3), floats(3, 2)],
    attrs: { transpose_a: attr.bool(false), transpose_b: attr.bool(false) },
    want: [
      [
        [-2.4375, 1.25, -4.1875, 0.5],
        [2, 2],
      ],
    ],
  },
  {
    op: 'MatMul',
    what: 'transposed',
    feeds: [floats(3, 2)],
    constants: [floats(2, 3)],
    attrs: { transpose_a: attr.bool(true), transpose_b: attr.bool(true) },
    want: [
      [
        [-2.4375, -4.1875, 1.25, 0.5],
        [2, 2],
      ],
    ],
  },
  {
    op: '_FusedMatMul',
    feeds: [floats(2, 3)],
    constants: [floats(3, 2), f32([1, -1])],
    attrs: fused('BiasAdd', 'Relu6'),
    want: [
      [
        [0, 0.25, 0, 0],
        [2, 2],
      ],
    ],
  },
  {
    op: '_FusedMatMul',
    what: 'with a slope for what is negative',
    feeds: [floats(2, 3)],
    constants: [floats(3, 2), f32([1, -1]), f32([0.25, 0.5])],
    attrs: { ...fused('BiasAdd', 'Prelu'), num_args: attr.int(2) },
    want: [
      [
        [-0.359375, 0.25, -0.796875, -0.25],
        [2, 2],
      ],
    ],
  },
  {
    op: '_FusedMatMul',
    what: 'without an activation',
    feeds: [floats(2, 3)],
    constants: [floats(3, 2), f32([1, -1])],
    attrs: fused('BiasAdd'),
    want: [
      [
        [-1.4375, 0.25, -3.1875, -0.5],
        [2, 2],
      ],
    ],
  },
  {
    op: 'BatchMatMul',
    feeds: [floats(2, 1, 2, 3), floats(2, 1, 3, 2)],
    attrs: { adj_x: attr.bool(false), adj_y: attr.bool(false) },
    want: [
      [
        [-2.4375, 1.25, -4.1875, 0.5, 0.5625, -4.375, 0.5625, -3.375],
        [2, 1, 2, 2],
      ],
    ],
  },
  {
    op: 'BatchMatMulV2',
    what: 'adjoint, broadcast',
    feeds: [floats(2, 3, 2), floats(1, 2, 3)],
    attrs: { adj_x: attr.bool(true), adj_y: attr.bool(true) },
    want: [
      [
        [-2.4375, -4.1875, 1.25, 0.5, 0.5625, 0.5625, 1.0625, 2.0625],
        [2, 2, 2],
      ],
    ],
  },
  {
    op: 'Einsum',
    feeds: [floats(2, 2, 3), floats(3, 2)],
    attrs: { equation: attr.string('abc,cd->abd'), N: attr.int(2) },
    want: [
      [
        [-2.4375, 1.25, -4.1875, 0.5, 2.5625, 0.8125, 0.8125, 0.0625],
        [2, 2, 2],
      ],
    ],
  },
  {
    op: 'Conv2D',
    known: 'last',
    feeds: [floats(1, 5, 5, 2)],
    constants: [floats(3, 3, 2, 2)],
    attrs: { ...strides(2), ...same },
    want: [
      [
        [
          -0.625, -1.25, 11.3125, -3.6875, -8.125, -6.25, -1.1875, -3.375, 9.3125, 1.9375, 0.875, 2.4375, -0.75, 0.5, 0,
          -7.9375, 9.5, -2.6875,
        ],
        [1, 3, 3, 2],
      ],
    ],
  },
  {
    op: 'Conv2D',
    known: 'last',
    what: 'of an even image',
    feeds: [floats(1, 4, 4, 1)],
    constants: [floats(3, 3, 1, 1)],
    attrs: { ...strides(2), ...same },
    want: [
      [
        [0.125, -2.75, 1.125, 0.1875],
        [1, 2, 2, 1],
      ],
    ],
  },
  {
    op: 'Conv2D',
    known: 'last',
    what: 'dilated',
    feeds: [floats(1, 5, 5, 1)],
    constants: [floats(2, 2, 1, 1)],
    attrs: { ...strides(1), ...valid, dilations: attr.ints(1, 2, 2, 1) },
    want: [
      [
        [2.4375, -2.8125, 5.75, 1.6875, -3.5625, 6.0625, 0.9375, -4.3125, 5.3125],
        [1, 3, 3, 1],
      ],
    ],
  },
  {
    op: 'Conv2D',
    known: 'last',
    what: 'with explicit padding',
    feeds: [floats(1, 2, 2, 1)],
    constants: [floats(2, 2, 1, 1)],
    attrs: {
      ...strides(1),
      ...nhwc,
      padding: attr.string('EXPLICIT'),
      explicit_paddings: attr.ints(0, 0, 1, 0, 0, 2, 0, 0),
    },
    want: [
      [
        [2.375, -1, 0, 5.875, -0.125, 0],
        [1, 2, 3, 1],
      ],
    ],
  },
  {
    op: 'Conv2D',
    known: 'last',
    what: 'of a sequence',
    feeds: [floats(1, 3, 1, 2)],
    constants: [floats(1, 1, 2, 3)],
    attrs: { ...strides(1), ...valid },
    want: [
      [
        [1.4375, 0.125, 2, 2.5625, -1.375, 4.25, -1.625, -0.75, -2],
        [1, 3, 1, 3],
      ],
    ],
  },
  {
    op: '_FusedConv2D',
    known: 'last',
    feeds: [floats(1, 3, 3, 1)],
    constants: [floats(2, 2, 1, 2), f32([0.5, -0.5])],
    attrs: { ...strides(1), ...valid, ...fused('BiasAdd', 'Relu') },
    want: [
      [
        [1.8125, 0, 5.375, 0.5, 0, 1.3125, 0, 2.25],
        [1, 2, 2, 2],
      ],
    ],
  },
  {
    op: '_FusedConv2D',
    known: 'last',
    what: 'with slopes',
    feeds: [floats(1, 3, 3, 1)],
    constants: [floats(2, 2, 1, 2), f32([0.5, -0.5]), f32([0.5, 0.25], [1, 1, 2])],
    attrs: { ...strides(1), ...valid, ...fused('BiasAdd', 'Prelu'), num_args: attr.int(2) },
    want: [
      [
        [1.8125, -0.90625, 5.375, 0.5, -1.1875, 1.3125, -1, 2.25],
        [1, 2, 2, 2],
      ],
    ],
  },
  {
    op: '_FusedConv2D',
    known: 'last',
    what: 'of a sequence',
    feeds: [floats(1, 1, 3, 2)],
    constants: [floats(1, 1, 2, 2), f32([0.5, -0.5])],
    attrs: { ...strides(1), ...same, ...fused('BiasAdd', 'Elu') },
    want: [
      [
        [1.0625, -0.71349519, 3.5, -0.76247919, 0.625, 0.5],
        [1, 1, 3, 2],
      ],
    ],
  },
  {
    op: 'DepthwiseConv2dNative',
    feeds: [floats(1, 3, 3, 2)],
    constants: [floats(2, 2, 2, 2)],
    attrs: { ...strides(1), ...valid },
    want: [
      [
        [
          -1.4375, 2.6875, 3.625, -2.3125, 5.875, -2.6875, 0.4375, 3.0625, -3.9375, -1.75, 3.625, -2.125, -3, 4.5625,
          -4.875, -2.0625,
        ],
        [1, 2, 2, 4],
      ],
    ],
  },
  {
    op: 'FusedDepthwiseConv2dNative',
    feeds: [floats(1, 4, 4, 2)],
    constants: [floats(3, 3, 2, 1), f32([1, -1])],
    attrs: { ...strides(2), ...same, ...fused('BiasAdd', 'Relu6') },
    want: [
      [
        [6, 0, 0, 0, 0, 0, 4.0625, 5.6875],
        [1, 2, 2, 2],
      ],
    ],
  },
  {
    op: 'Conv2DBackpropInput',
    feeds: [floats(1, 2, 2, 2)],
    constants: [i32([1, 4, 4, 1]), floats(3, 3, 1, 2)],
    order: 'ccf',
    attrs: { ...strides(2), ...same },
    known: 'all',
    want: [
      [
        [
          1.8125, 2.375, 0, 4.0625, -1.8125, 0.875, 0.375, -0.4375, -0.375, -5.5, 2.1875, -4.9375, 2.875, -1.75, 1.5,
          -3.0625,
        ],
        [1, 4, 4, 1],
      ],
    ],
  },
  {
    op: 'Conv2DBackpropInput',
    what: 'with strides larger than the filter',
    feeds: [floats(1, 2, 2, 1)],
    constants: [i32([1, 5, 5, 1]), floats(2, 2, 1, 1)],
    order: 'ccf',
    attrs: { ...strides(3), ...valid },
    known: 'all',
    want: [
      [
        [
          1.5625, -0.625, 0, -0.625, 0.25, 2.5, 0.3125, 0, -1, -0.125, 0, 0, 0, 0, 0, 2.5, -1, 0, 0.3125, -0.125, 4,
          0.5, 0, 0.5, 0.0625,
        ],
        [1, 5, 5, 1],
      ],
    ],
  },
  {
    op: 'Conv3D',
    known: 'last',
    feeds: [floats(1, 2, 2, 2, 1)],
    constants: [floats(1, 2, 2, 1, 2)],
    attrs: {
      strides: attr.ints(1, 1, 1, 1, 1),
      dilations: attr.ints(1, 1, 1, 1, 1),
      padding: attr.string('VALID'),
      data_format: attr.string('NDHWC'),
    },
    want: [
      [
        [-2.625, 1.6875, -0.0625, 3.3125],
        [1, 2, 1, 1, 2],
      ],
    ],
  },
  {
    op: 'MaxPool',
    feeds: [floats(1, 3, 3, 2)],
    attrs: { ksize: attr.ints(1, 2, 2, 1), ...strides(2), ...same },
    want: [
      [
        [0.75, 1.75, 1.5, 1, 2, 0.25, 1.25, -1.25],
        [1, 2, 2, 2],
      ],
    ],
  },
  {
    op: 'AvgPool',
    what: 'without what is padded',
    feeds: [floats(1, 3, 3, 1)],
    attrs: { ksize: attr.ints(1, 2, 2, 1), ...strides(2), ...same },
    want: [
      [
        [0.125, -1.5, -0.5, 0],
        [1, 2, 2, 1],
      ],
    ],
  },
  { op: 'Shape', feeds: [floats(2, 3)], want: [[[2, 3], [2]]] },
  {
    op: 'ShapeN',
    feeds: [floats(2, 3), floats(1)],
    attrs: { N: attr.int(2) },
    want: [
      [[2, 3], [2]],
      [[1], [1]],
    ],
  },
  { op: 'Rank', feeds: [floats(2, 3)], want: [[[2], []]] },
  { op: 'Size', feeds: [floats(2, 3)], want: [[[6], []]] },
  {
    op: 'Reshape',
    feeds: [floats(2, 3)],
    constants: [i32([3, -1])],
    want: [
      [
        [-1.25, 0.5, -2, -0.25, 1.5, -1],
        [3, 2],
      ],
    ],
  },
  { op: 'Reshape', what: 'of nothing', feeds: [floats(0, 3)], constants: [i32([3, 0])], want: [[[], [3, 0]]] },
  {
    op: 'ExpandDims',
    feeds: [floats(2, 3)],
    constants: [i32([-1], [])],
    want: [
      [
        [-1.25, 0.5, -2, -0.25, 1.5, -1],
        [2, 3, 1],
      ],
    ],
  },
  {
    op: 'Squeeze',
    feeds: [floats(1, 2, 1)],
    attrs: { squeeze_dims: attr.ints(-1) },
    want: [
      [
        [-1.25, 0.5],
        [1, 2],
      ],
    ],
  },
  { op: 'Squeeze', what: 'of every axis of 1', feeds: [floats(1, 2, 1)], known: 'all', want: [[[-1.25, 0.5], [2]]] },
  {
    op: 'Fill',
    constants: [i32([2, 2]), f32([7], [])],
    want: [
      [
        [7, 7, 7, 7],
        [2, 2],
      ],
    ],
  },
  {
    op: 'BroadcastTo',
    feeds: [f32([1, 2])],
    constants: [i32([2, 2])],
    want: [
      [
        [1, 2, 1, 2],
        [2, 2],
      ],
    ],
  },
  { op: 'Range', feeds: [i32([1], []), i32([9], []), i32([3], [])], want: [[[1, 4, 7], [3]]] },
  {
    op: 'LinSpace',
    feeds: [f32([1], []), f32([3], [])],
    constants: [i32([5], [])],
    want: [[[1, 1.5, 2, 2.5, 3], [5]]],
  },
  {
    op: 'IdentityN',
    feeds: [f32([1]), f32([2])],
    want: [
      [[1], [1]],
      [[2], [1]],
    ],
  },
  {
    op: 'Slice',
    feeds: [floats(3, 4)],
    constants: [i32([1, 0]), i32([-1, 2])],
    want: [
      [
        [1.5, -1, 0, 1.75],
        [2, 2],
      ],
    ],
  },
  {
    op: 'Slice',
    what: 'at a place that is only known when run',
    feeds: [floats(3, 4), i32([1, 1]), i32([2, -1])],
    want: [
      [
        [-1, 0.75, -1.75, 1.75, -0.75, 1],
        [2, 3],
      ],
    ],
  },
  {
    op: 'StridedSlice',
    feeds: [floats(3, 4)],
    constants: [i32([1, 3]), i32([3, 0]), i32([1, -2])],
    attrs: masks(0, 0, 0, 0, 0),
    want: [
      [
        [-1.75, -1, 1, 1.75],
        [2, 2],
      ],
    ],
  },
  {
    op: 'StridedSlice',
    what: 'backwards, open',
    feeds: [floats(3, 4)],
    constants: [i32([0, 0]), i32([0, 0]), i32([-1, 2])],
    attrs: masks(3, 3, 0, 0, 0),
    want: [
      [
        [0, -0.75, 1.5, 0.75, -1.25, -2],
        [3, 2],
      ],
    ],
  },
  {
    op: 'StridedSlice',
    what: 'shrunk',
    feeds: [floats(3, 4)],
    constants: [i32([-1, 1]), i32([0, 3]), i32([1, 1])],
    attrs: masks(0, 0, 0, 0, 1),
    want: [[[1.75, -0.75], [2]]],
  },
  {
    op: 'StridedSlice',
    what: 'with ellipsis and new axis',
    feeds: [floats(2, 1, 3)],
    constants: [i32([0, 0, 1]), i32([0, 0, 3]), i32([1, 1, 1])],
    attrs: masks(0, 0, 2, 1, 0),
    want: [
      [
        [0.5, -2, 1.5, -1],
        [1, 2, 1, 2],
      ],
    ],
  },
  {
    op: 'StridedSlice',
    what: 'with shrunk and new axes after an ellipsis',
    feeds: [floats(2, 3, 4)],
    constants: [i32([0, 2, 0, 1]), i32([0, 3, 0, 2]), i32([1, 1, 1, 1])],
    attrs: masks(0, 0, 1, 4, 2),
    want: [
      [
        [1.75, 1.5],
        [2, 1, 1],
      ],
    ],
  },
  {
    op: 'StridedSlice',
    what: 'at a place that is only known when run',
    feeds: [floats(3, 4), i32([1, 1]), i32([3, 4])],
    constants: [i32([1, 2])],
    attrs: masks(0, 1, 0, 0, 0),
    want: [
      [
        [-1, -1.75, 1.75, 1],
        [2, 2],
      ],
    ],
  },
  {
    op: 'StridedSlice',
    what: 'shrunk at a place that is only known when run',
    feeds: [floats(3, 4), i32([2]), i32([3])],
    constants: [i32([1])],
    attrs: masks(0, 0, 0, 0, 1),
    want: [[[0, 1.75, -0.75, 1], [4]]],
  },
  {
    op: 'StridedSlice',
    what: 'beyond the end',
    feeds: [floats(5)],
    constants: [i32([-9]), i32([9]), i32([2])],
    attrs: masks(0, 0, 0, 0, 0),
    want: [[[-1.25, -2, 1.5], [3]]],
  },
  {
    op: 'ConcatV2',
    feeds: [floats(2, 1), floats(2, 2)],
    constants: [i32([-1], [])],
    attrs: { N: attr.int(2) },
    want: [
      [
        [-1.25, -1.25, 0.5, 0.5, -2, -0.25],
        [2, 3],
      ],
    ],
  },
  {
    op: 'Concat',
    feeds: [floats(1, 2), floats(2, 2)],
    constants: [i32([0], [])],
    order: 'cff',
    attrs: { N: attr.int(2) },
    want: [
      [
        [-1.25, 0.5, -1.25, 0.5, -2, -0.25],
        [3, 2],
      ],
    ],
  },
  {
    op: 'Pack',
    feeds: [f32([1, 2]), f32([3, 4])],
    attrs: { axis: attr.int(-1), N: attr.int(2) },
    want: [
      [
        [1, 3, 2, 4],
        [2, 2],
      ],
    ],
  },
  {
    op: 'Unpack',
    feeds: [floats(2, 3)],
    attrs: { axis: attr.int(1), num: attr.int(3) },
    want: [
      [[-1.25, -0.25], [2]],
      [[0.5, 1.5], [2]],
      [[-2, -1], [2]],
    ],
  },
  {
    op: 'Split',
    feeds: [floats(2, 4)],
    constants: [i32([1], [])],
    order: 'cf',
    attrs: { num_split: attr.int(2) },
    want: [
      [
        [-1.25, 0.5, 1.5, -1],
        [2, 2],
      ],
      [
        [-2, -0.25, 0.75, -1.75],
        [2, 2],
      ],
    ],
  },
  {
    op: 'SplitV',
    feeds: [floats(5)],
    constants: [i32([1, -1, 2]), i32([0], [])],
    attrs: { num_split: attr.int(3) },
    known: 'all',
    want: [
      [[-1.25], [1]],
      [[0.5, -2], [2]],
      [[-0.25, 1.5], [2]],
    ],
  },
  {
    op: 'ReverseV2',
    feeds: [floats(2, 3)],
    constants: [i32([-1])],
    want: [
      [
        [-2, 0.5, -1.25, -1, 1.5, -0.25],
        [2, 3],
      ],
    ],
  },
  {
    op: 'Pad',
    feeds: [floats(1, 2)],
    constants: [i32([1, 0, 0, 2], [2, 2])],
    want: [
      [
        [0, 0, 0, 0, -1.25, 0.5, 0, 0],
        [2, 4],
      ],
    ],
  },
  {
    op: 'PadV2',
    feeds: [floats(2), i32([1, 2], [1, 2])],
    constants: [f32([9], [])],
    want: [[[9, -1.25, 0.5, 9, 9], [5]]],
  },
  {
    op: 'MirrorPad',
    feeds: [floats(3)],
    constants: [i32([2, 1], [1, 2])],
    attrs: { mode: attr.string('REFLECT') },
    want: [[[-2, 0.5, -1.25, 0.5, -2, 0.5], [6]]],
  },
  {
    op: 'Tile',
    feeds: [floats(1, 2)],
    constants: [i32([2, 2])],
    want: [
      [
        [-1.25, 0.5, -1.25, 0.5, -1.25, 0.5, -1.25, 0.5],
        [2, 4],
      ],
    ],
  },
  {
    op: 'Transpose',
    feeds: [floats(2, 1, 3)],
    constants: [i32([2, 0, 1])],
    want: [
      [
        [-1.25, -0.25, 0.5, 1.5, -2, -1],
        [3, 2, 1],
      ],
    ],
  },
  {
    op: 'GatherV2',
    feeds: [floats(3, 2), i32([2, 0, 2])],
    constants: [i32([0], [])],
    want: [
      [
        [1.5, -1, -1.25, 0.5, 1.5, -1],
        [3, 2],
      ],
    ],
  },
  {
    op: 'GatherV2',
    what: 'along the last axis',
    feeds: [floats(2, 3), i32([1, 0, 2, 2], [2, 2])],
    constants: [i32([-1], [])],
    want: [
      [
        [0.5, -1.25, -2, -2, 1.5, -0.25, -1, -1],
        [2, 2, 2],
      ],
    ],
  },
  {
    op: 'GatherV2',
    what: 'in batches',
    feeds: [floats(2, 3), i32([2, 0, 1, 1], [2, 2])],
    constants: [i32([1], [])],
    attrs: { batch_dims: attr.int(1) },
    want: [
      [
        [-2, -1.25, 1.5, 1.5],
        [2, 2],
      ],
    ],
  },
  { op: 'GatherNd', known: 'last', feeds: [floats(2, 3), i32([1, 2, 0, 0], [2, 2])], want: [[[-1, -1.25], [2]]] },
  {
    op: 'ScatterNd',
    known: 'last',
    what: 'with an index twice',
    feeds: [i32([1, 3, 1], [3, 1]), f32([1, 2, 4])],
    constants: [i32([5])],
    want: [[[0, 5, 0, 2, 0], [5]]],
  },
  {
    op: 'TensorScatterUpdate',
    known: 'last',
    feeds: [floats(4), i32([3, 0], [2, 1]), f32([10, 20])],
    want: [[[20, 0.5, -2, 10], [4]]],
  },
  {
    op: 'SparseToDense',
    known: 'last',
    feeds: [i32([0, 1, 1, 0], [2, 2]), i32([2, 2]), i32([5, 6]), i32([-1], [])],
    want: [
      [
        [-1, 5, 6, -1],
        [2, 2],
      ],
    ],
  },
  {
    op: 'SparseToDense',
    known: 'last',
    what: 'of one value',
    feeds: [i32([2, 0]), i32([4]), f32([5], []), f32([0.5], [])],
    want: [[[5, 0.5, 5, 0.5], [4]]],
  },
  {
    op: 'Where',
    feeds: [bool([1, 0, 0, 1, 1, 0], [2, 3])],
    want: [
      [
        [0, 0, 1, 0, 1, 1],
        [3, 2],
      ],
    ],
  },
  // By hand, those of segments that tfjs does not have.
  {
    op: 'SegmentSum',
    feeds: [floats(4, 2), i32([0, 0, 2, 2])],
    want: [
      [
        [-3.25, 0.25, 0, 0, 2.25, -2.75],
        [3, 2],
      ],
    ],
  },
  {
    op: 'SegmentMean',
    feeds: [floats(4, 2), i32([0, 0, 2, 2])],
    want: [
      [
        [-1.625, 0.125, 0, 0, 1.125, -1.375],
        [3, 2],
      ],
    ],
  },
  {
    op: 'SparseSegmentSum',
    feeds: [floats(4, 2), i32([3, 0, 3]), i32([0, 1, 1])],
    want: [
      [
        [0.75, -1.75, -0.5, -1.25],
        [2, 2],
      ],
    ],
  },
  {
    op: 'SparseSegmentMean',
    feeds: [floats(4, 2), i32([3, 0, 3]), i32([0, 1, 1])],
    want: [
      [
        [0.75, -1.75, -0.25, -0.625],
        [2, 2],
      ],
    ],
  },
  {
    op: 'SparseSegmentSqrtN',
    feeds: [floats(4, 2), i32([3, 0, 3]), i32([0, 1, 1])],
    want: [
      [
        [0.75, -1.75, -0.35355339, -0.88388348],
        [2, 2],
      ],
    ],
  },
  {
    op: 'UnsortedSegmentSum',
    feeds: [floats(4, 2), i32([2, -1, 0, 2]), i32([3], [])],
    want: [
      [
        [1.5, -1, 0, 0, -0.5, -1.25],
        [3, 2],
      ],
    ],
  },
  {
    op: 'UnsortedSegmentSum',
    what: 'with ids of two axes',
    feeds: [floats(2, 2, 2), i32([1, 0, 1, 1], [2, 2]), i32([2], [])],
    want: [
      [
        [-2, -0.25, 1, -2.25],
        [2, 2],
      ],
    ],
  },
  {
    op: 'SparseReshape',
    known: 'last',
    feeds: [i32([0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 2, 3], [5, 3]), i32([2, 3, 6]), i32([9, -1])],
    want: [
      [
        [0, 0, 0, 1, 1, 2, 4, 2, 8, 1],
        [5, 2],
      ],
      [[9, 4], [2]],
    ],
  },
  {
    op: 'OneHot',
    what: 'with an index outside',
    feeds: [i32([1, -1, 2])],
    constants: [i32([3], []), f32([5], []), f32([1], [])],
    attrs: { axis: attr.int(-1) },
    want: [
      [
        [1, 5, 1, 1, 1, 1, 1, 1, 5],
        [3, 3],
      ],
    ],
  },
  // By hand: tfjs takes no notice of the axis.
  {
    op: 'OneHot',
    what: 'along the first axis',
    feeds: [i32([1, 0])],
    constants: [i32([3], []), f32([1], []), f32([0], [])],
    attrs: { axis: attr.int(0) },
    want: [
      [
        [0, 1, 1, 0, 0, 0],
        [3, 2],
      ],
    ],
  },
  { op: 'Mean', feeds: [floats(2, 3)], constants: [i32([-1])], want: [[[-0.91666669, 0.083333321], [2]]] },
  { op: 'Prod', feeds: [floats(2, 3)], constants: [i32([-1])], want: [[[1.25, 0.375], [2]]] },
  { op: 'Max', feeds: [floats(2, 3)], constants: [i32([-1])], want: [[[0.5, 1.5], [2]]] },
  { op: 'Min', feeds: [floats(2, 3)], constants: [i32([-1])], want: [[[-2, -1], [2]]] },
  {
    op: 'Sum',
    what: 'over all axes, kept',
    feeds: [floats(2, 3)],
    constants: [i32([0, 1])],
    attrs: keep,
    want: [[[-2.5], [1, 1]]],
  },
  {
    op: 'Mean',
    what: 'over one axis, a scalar',
    feeds: [floats(2, 3)],
    constants: [i32([0], [])],
    attrs: keep,
    want: [
      [
        [-0.75, 1, -1.5],
        [1, 3],
      ],
    ],
  },
  { op: 'Max', what: 'over no axis', feeds: [floats(2)], constants: [i32([], [0])], want: [[[-1.25, 0.5], [2]]] },
  { op: 'EuclideanNorm', feeds: [f32([3, 4, 0, 2], [2, 2])], constants: [i32([1])], want: [[[5, 2], [2]]] },
  { op: 'All', feeds: [bool([1, 1, 0, 1], [2, 2])], constants: [i32([1])], want: [[[1, 0], [2]]] },
  { op: 'Any', feeds: [bool([1, 1, 0, 1], [2, 2])], constants: [i32([1])], want: [[[1, 1], [2]]] },
  { op: 'ArgMax', feeds: [f32([1, 5, 5, 2, 0, -1], [2, 3])], constants: [i32([-1], [])], want: [[[1, 0], [2]]] },
  { op: 'ArgMin', feeds: [f32([1, 5, 5, 2, 0, -1], [2, 3])], constants: [i32([0], [])], want: [[[0, 1, 1], [3]]] },
  {
    op: 'Cumsum',
    feeds: [floats(2, 3)],
    constants: [i32([1], [])],
    attrs: { exclusive: attr.bool(true), reverse: attr.bool(true) },
    want: [
      [
        [-1.5, -2, 0, 0.5, -1, 0],
        [2, 3],
      ],
    ],
  },
  {
    op: 'ResizeBilinear',
    feeds: [floats(1, 3, 2, 1)],
    constants: [sizes(5, 3)],
    attrs: { half_pixel_centers: attr.bool(false), align_corners: attr.bool(false) },
    want: [
      [
        [
          -1.25, -0.083333336, 0.5, -1.7, -0.53333336, 0.050000001, -1.3, -0.69999999, -0.40000001, 0.80000001,
          -0.30000001, -0.85000002, 1.5, -0.16666667, -1,
        ],
        [1, 5, 3, 1],
      ],
    ],
  },
  {
    op: 'ResizeNearestNeighbor',
    feeds: [floats(1, 3, 2, 1)],
    constants: [sizes(5, 4)],
    attrs: { half_pixel_centers: attr.bool(false), align_corners: attr.bool(false) },
    want: [
      [
        [-1.25, -1.25, 0.5, 0.5, -1.25, -1.25, 0.5, 0.5, -2, -2, -0.25, -0.25, -2, -2, -0.25, -0.25, 1.5, 1.5, -1, -1],
        [1, 5, 4, 1],
      ],
    ],
  },
  {
    op: 'ResizeBilinear',
    what: 'about centers',
    feeds: [floats(1, 3, 2, 1)],
    constants: [sizes(5, 3)],
    attrs: { half_pixel_centers: attr.bool(true), align_corners: attr.bool(false) },
    want: [
      [
        [-1.25, -0.375, 0.5, -1.55, -0.67500001, 0.2, -2, -1.125, -0.25, 0.1, -0.30000001, -0.69999999, 1.5, 0.25, -1],
        [1, 5, 3, 1],
      ],
    ],
  },
  {
    op: 'ResizeNearestNeighbor',
    what: 'about centers',
    feeds: [floats(1, 3, 2, 1)],
    constants: [sizes(5, 4)],
    attrs: { half_pixel_centers: attr.bool(true), align_corners: attr.bool(false) },
    want: [
      [
        [-1.25, -1.25, 0.5, 0.5, -1.25, -1.25, 0.5, 0.5, -2, -2, -0.25, -0.25, 1.5, 1.5, -1, -1, 1.5, 1.5, -1, -1],
        [1, 5, 4, 1],
      ],
    ],
  },
  {
    op: 'ResizeBilinear',
    what: 'with corners aligned',
    feeds: [floats(1, 3, 2, 1)],
    constants: [sizes(5, 3)],
    attrs: { half_pixel_centers: attr.bool(false), align_corners: attr.bool(true) },
    want: [
      [
        [-1.25, -0.375, 0.5, -1.625, -0.75, 0.125, -2, -1.125, -0.25, -0.25, -0.4375, -0.625, 1.5, 0.25, -1],
        [1, 5, 3, 1],
      ],
    ],
  },
  {
    op: 'ResizeNearestNeighbor',
    what: 'with corners aligned',
    feeds: [floats(1, 3, 2, 1)],
    constants: [sizes(5, 4)],
    attrs: { half_pixel_centers: attr.bool(false), align_corners: attr.bool(true) },
    want: [
      [
        [-1.25, -1.25, 0.5, 0.5, -2, -2, -0.25, -0.25, -2, -2, -0.25, -0.25, 1.5, 1.5, -1, -1, 1.5, 1.5, -1, -1],
        [1, 5, 4, 1],
      ],
    ],
  },
  {
    op: 'DepthToSpace',
    feeds: [floats(1, 1, 2, 8)],
    attrs: { block_size: attr.int(2), ...nhwc },
    want: [
      [
        [-1.25, 0.5, -2, -0.25, 0, 1.75, -0.75, 1, 1.5, -1, 0.75, -1.75, -1.5, 0.25, 2, -0.5],
        [1, 2, 4, 2],
      ],
    ],
  },
  {
    op: 'SpaceToBatchND',
    feeds: [floats(1, 3, 2, 1)],
    constants: [i32([2, 2]), i32([1, 0, 0, 0], [2, 2])],
    known: 'all',
    want: [
      [
        [0, -2, 0, -0.25, -1.25, 1.5, 0.5, -1],
        [4, 2, 1, 1],
      ],
    ],
  },
  {
    op: 'BatchToSpaceND',
    feeds: [floats(4, 2, 1, 1)],
    constants: [i32([2, 2]), i32([0, 1, 0, 0], [2, 2])],
    known: 'all',
    want: [
      [
        [-1.25, -2, 1.5, 0.75, 0.5, -0.25],
        [1, 3, 2, 1],
      ],
    ],
  },
  {
    op: 'NonMaxSuppressionV2',
    feeds: [f32([0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 2, 1, 3, 1, 1.1, 0, 0.1], [4, 4]), f32([0.5, 0.75, 0.25, 0.625])],
    constants: [i32([3], []), f32([0.5], [])],
    want: [[[1, 2], [2]]],
  },
  {
    op: 'NonMaxSuppressionV3',
    feeds: [f32([0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 2, 1, 3, 1, 1.1, 0, 0.1], [4, 4]), f32([0.5, 0.75, 0.25, 0.625])],
    constants: [i32([3], []), f32([0.5], []), f32([0.3], [])],
    want: [[[1], [1]]],
  },
  {
    op: 'NonMaxSuppressionV4',
    feeds: [f32([0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 2, 1, 3, 1, 1.1, 0, 0.1], [4, 4]), f32([0.5, 0.75, 0.25, 0.625])],
    constants: [i32([4], []), f32([0.5], []), f32([0], [])],
    attrs: { pad_to_max_output_size: attr.bool(true) },
    want: [
      [[1, 2, 0, 0], [4]],
      [[2], []],
    ],
  },
  {
    op: 'NonMaxSuppressionV5',
    feeds: [f32([0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 2, 1, 3, 1, 1.1, 0, 0.1], [4, 4]), f32([0.5, 0.75, 0.25, 0.625])],
    constants: [i32([4], []), f32([0.5], []), f32([0], []), f32([0], [])],
    want: [
      [[1, 2], [2]],
      [[0.75, 0.25], [2]],
    ],
  },
  {
    op: 'Div',
    ...pair,
    want: [
      [
        [0.5, -0.66666669, 1.5, 1.3333334],
        [2, 2],
      ],
    ],
  },
  // By hand: tfjs does not find its inputs.
  { op: 'BitwiseAnd', feeds: [i32([6, -1]), i32([3, 5])], want: [[[2, 5], [2]]] },
  {
    op: 'FusedBatchNorm',
    feeds: [floats(1, 2, 1, 2)],
    constants: [f32([1, 2]), f32([0.5, -0.5]), f32([0.25, -0.25]), f32([4, 0.25])],
    attrs: { ...nhwc, is_training: attr.bool(false), epsilon: attr.float(0.25) },
    want: [
      [
        [-0.22760688, 1.6213204, -0.59141034, -0.5],
        [1, 2, 1, 2],
      ],
    ],
  },
  // By hand: tfjs takes no notice of the data format.
  {
    op: 'FusedBatchNormV2',
    what: 'channels first',
    feeds: [floats(1, 2, 1, 2)],
    constants: [f32([1, 2]), f32([0.5, -0.5]), f32([0.25, -0.25]), f32([4, 0.25])],
    attrs: { ...nchw, is_training: attr.bool(false), epsilon: attr.float(0.25) },
    want: [
      [
        [-0.22760689, 0.62126781, -5.4497475, -0.5],
        [1, 2, 1, 2],
      ],
    ],
  },
  {
    op: 'DepthwiseConv2d',
    feeds: [floats(1, 2, 2, 1)],
    constants: [floats(2, 2, 1, 1)],
    attrs: { ...strides(1), ...valid },
    want: [[[5.875], [1, 1, 1, 1]]],
  },
  // By hand: tfjs takes no notice of the data format.
  {
    op: 'MaxPool',
    what: 'of an image channels first',
    feeds: [floats(1, 2, 3, 1)],
    attrs: { ksize: attr.ints(1, 1, 2, 1), strides: attr.ints(1, 1, 1, 1), padding: attr.string('VALID'), ...nchw },
    want: [
      [
        [0.5, 0.5, 1.5, 1.5],
        [1, 2, 2, 1],
      ],
    ],
  },
  {
    op: 'MaxPool3D',
    feeds: [floats(1, 2, 2, 2, 1)],
    attrs: {
      ksize: attr.ints(1, 2, 1, 2, 1),
      strides: attr.ints(1, 1, 1, 1, 1),
      padding: attr.string('VALID'),
      data_format: attr.string('NDHWC'),
    },
    want: [
      [
        [1.5, 0.75],
        [1, 1, 2, 1, 1],
      ],
    ],
  },
  {
    op: 'AvgPool3D',
    feeds: [floats(1, 2, 2, 2, 1)],
    attrs: {
      ksize: attr.ints(1, 2, 1, 2, 1),
      strides: attr.ints(1, 1, 1, 1, 1),
      padding: attr.string('VALID'),
      data_format: attr.string('NDHWC'),
    },
    want: [
      [
        [-0.0625, -0.8125],
        [1, 1, 2, 1, 1],
      ],
    ],
  },
  { op: 'Zeros', constants: [i32([2])], attrs: { T: attr.type('DT_INT32') }, want: [[[0, 0], [2]]] },
  { op: 'Ones', constants: [i32([2])], attrs: { T: attr.type('DT_FLOAT') }, want: [[[1, 1], [2]]] },
  {
    op: 'Gather',
    feeds: [floats(3, 2), i32([2, 0])],
    want: [
      [
        [1.5, -1, -1.25, 0.5],
        [2, 2],
      ],
    ],
  },
  { op: 'Identity', feeds: [f32([1, 2])], want: [[[1, 2], [2]]] },
  { op: 'Snapshot', feeds: [f32([1, 2])], want: [[[1, 2], [2]]] },
  { op: 'StopGradient', feeds: [f32([1, 2])], want: [[[1, 2], [2]]] },
  { op: 'Print', feeds: [f32([1, 2])], want: [[[1, 2], [2]]] },
  { op: 'EnsureShape', feeds: [f32([1, 2])], want: [[[1, 2], [2]]] },
  {
    op: 'SparseFillEmptyRows',
    feeds: [i32([0, 1, 3, 2, 3, 0, 0, 0], [4, 2]), f32([1, 2, 3, 4]), i32([6, 4])],
    constants: [f32([-1], [])],
    known: 'last',
    want: [
      [
        [0, 1, 0, 0, 1, 0, 2, 0, 3, 2, 3, 0, 4, 0, 5, 0],
        [8, 2],
      ],
      [[1, 4, -1, -1, 2, 3, -1, -1], [8]],
      [[0, 1, 1, 0, 1, 1], [6]],
      [[0, 4, 5, 1], [4]],
    ],
  },
  {
    op: 'TopKV2',
    feeds: [f32([1, 5, 3, 5, 2, 9, 9, 0], [2, 4])],
    constants: [i32([2], [])],
    attrs: { sorted: attr.bool(true) },
    want: [
      [
        [5, 5, 9, 9],
        [2, 2],
      ],
      [
        [1, 3, 1, 2],
        [2, 2],
      ],
    ],
  },
  {
    op: 'Unique',
    feeds: [i32([4, 2, 4, 1, 2])],
    want: [
      [[4, 2, 1], [3]],
      [[0, 1, 0, 2, 1], [5]],
    ],
  },
  {
    op: 'UniqueV2',
    feeds: [i32([1, 2, 1, 2, 3, 4], [3, 2])],
    constants: [i32([0])],
    want: [
      [
        [1, 2, 3, 4],
        [2, 2],
      ],
      [[0, 0, 1], [3]],
    ],
  },
  { op: 'Sum', feeds: [floats(2, 3)], constants: [i32([-1])], want: [[[-2.75, 0.25], [2]]] },
];
