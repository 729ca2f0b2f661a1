/** What kind of work a node is, by the names that Espalier and onnxruntime have for it. */

export const kinds = [
  'product',
  'convolution',
  'attention',
  'normalization',
  'activation',
  'quantization',
  'element by element',
  'movement',
  'other',
] as const;
export type Kind = (typeof kinds)[number];

const words: readonly (readonly [Kind, RegExp])[] = [
  ['attention', /Attention|Softmax|RotaryEmbedding/],
  ['convolution', /Conv|Pool/],
  ['product', /MatMul|Gemm|Einsum/],
  ['normalization', /Normalization|ReduceMean/],
  ['activation', /Gelu|Relu|Sigmoid|Tanh|Erf|Silu|Swish|Clip|Softplus|Elu|Mish/],
  ['quantization', /[Qq]uantize/],
  [
    'movement',
    /Transpose|Reshape|Concat|Slice|Split|Gather|Expand|Squeeze|Unsqueeze|Shape|Cast|Flatten|Reorder|Identity|Pad|Tile/,
  ],
  ['element by element', /^(Add|Sub|Mul|Div|Pow|Sqrt|Neg|Where|Equal|Less|Greater|And|Not|Sin|Cos|Min|Max|QLinear)/],
];

/** @param ranks of the inputs: products of stacks of matrices are attention's */
export function kindOf(op: string, ranks: readonly number[]): Kind {
  if (/MatMul/.test(op) && (ranks[1] ?? 0) >= 4) return 'attention';
  return words.find(([, pattern]) => pattern.test(op))?.[0] ?? 'other';
}
