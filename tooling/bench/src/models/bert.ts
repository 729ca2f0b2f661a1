/** Encoders of BERT's kind, node by node as torch.onnx exports those of Hugging Face's transformers (opset 17, open sizes). */

import { dtypes, type Graph } from '@espalier/core';
import { GraphBuilder } from './builder.ts';

export interface BertShape {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly feedForward: number;
  readonly vocabulary: number;
  readonly positions: number;
}

export const bertBase: BertShape = {
  layers: 12,
  hidden: 768,
  heads: 12,
  feedForward: 3072,
  vocabulary: 30522,
  positions: 512,
};

export const miniLm: BertShape = { ...bertBase, layers: 6, hidden: 384, feedForward: 1536 };

export function bert(name: string, shape: BertShape): Graph {
  const { layers, hidden, heads, feedForward, vocabulary, positions } = shape;
  const b = new GraphBuilder(name);
  const ids = b.input('input_ids', 'int64', ['batch', 'seq']);
  const mask = b.input('attention_mask', 'int64', ['batch', 'seq']);
  const types = b.input('token_type_ids', 'int64', ['batch', 'seq']);

  const size = (value: string, axis: number): string =>
    b.op('Unsqueeze', [b.op('Gather', [b.op('Shape', [value]), b.ints(axis)], { axis: 0 }), b.ints([0])]);
  const linear = (x: string, key: string, from: number, to: number): string => {
    // Somewhat more than what keeps the scale, so that attention has something to choose.
    const weight = b.weight(`${key}.weight`, [from, to], 1.5 / Math.sqrt(from));
    return b.op('Add', [b.op('MatMul', [x, weight]), b.weight(`${key}.bias`, [to], 0.02)]);
  };
  const normalize = (x: string, key: string): string =>
    b.op(
      'LayerNormalization',
      [x, b.weight(`${key}.weight`, [hidden], 0.1, 1), b.weight(`${key}.bias`, [hidden], 0.1)],
      { axis: -1, epsilon: 1e-12 },
    );
  const reshape = (x: string, tail: readonly number[]): string => {
    const dims = [size(x, 0), size(x, 1), ...tail.map((extent) => b.ints([extent]))];
    return b.op('Reshape', [x, b.op('Concat', dims, { axis: 0 })]);
  };
  const split = (x: string, perm: readonly number[]): string =>
    b.op('Transpose', [reshape(x, [heads, hidden / heads])], { perm });

  const table = (key: string, rows: number): string => b.weight(`embeddings.${key}.weight`, [rows, hidden], 1);
  const words = b.op('Gather', [table('word_embeddings', vocabulary), ids]);
  const segments = b.op('Gather', [table('token_type_embeddings', 2), types]);
  const all = b.constant(
    'embeddings.position_ids',
    'int64',
    BigInt64Array.from({ length: positions }, (_, i) => BigInt(i)),
    [1, positions],
  );
  const used = b.op('Slice', [all, b.ints([0]), size(ids, 1), b.ints([1]), b.ints([1])]);
  const places = b.op('Gather', [table('position_embeddings', positions), used]);
  let x = normalize(b.op('Add', [b.op('Add', [words, segments]), places]), 'embeddings.LayerNorm');

  const open = b.op('Unsqueeze', [b.op('Unsqueeze', [mask, b.ints([1])]), b.ints([2])]);
  const closed = b.op('Sub', [b.float(1), b.op('Cast', [open], { to: dtypes.float32.onnx })]);
  const bias = b.op('Mul', [closed, b.float(-10000)]);

  for (let layer = 0; layer < layers; layer++) {
    const key = (part: string): string => `encoder.layer.${layer}.${part}`;
    const project = (part: string): string => linear(x, key(`attention.self.${part}`), hidden, hidden);
    const query = split(project('query'), [0, 2, 1, 3]);
    const keys = split(project('key'), [0, 2, 3, 1]);
    const values = split(project('value'), [0, 2, 1, 3]);
    const scores = b.op('Div', [b.op('MatMul', [query, keys]), b.float(Math.sqrt(hidden / heads))]);
    const weights = b.op('Softmax', [b.op('Add', [scores, bias])], { axis: -1 });
    const context = b.op('Transpose', [b.op('MatMul', [weights, values])], { perm: [0, 2, 1, 3] });
    const attended = linear(reshape(context, [hidden]), key('attention.output.dense'), hidden, hidden);
    x = normalize(b.op('Add', [attended, x]), key('attention.output.LayerNorm'));
    const inner = linear(x, key('intermediate.dense'), hidden, feedForward);
    const erf = b.op('Erf', [b.op('Div', [inner, b.float(Math.SQRT2)])]);
    const gelu = b.op('Mul', [b.op('Mul', [inner, b.op('Add', [erf, b.float(1)])]), b.float(0.5)]);
    x = normalize(b.op('Add', [linear(gelu, key('output.dense'), feedForward, hidden), x]), key('output.LayerNorm'));
  }
  b.output('last_hidden_state', x);
  return b.finish();
}
