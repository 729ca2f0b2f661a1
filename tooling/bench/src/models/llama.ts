/**
 * Decoder layers of Llama's kind over keys and values of the tokens before, node by node as torch.onnx exports those of
 * Hugging Face's transformers (opset 18, open sizes). Embeddings and vocabulary are left out: they are other models' too.
 */

import { dtypes, type Graph } from '@espalier/core';
import { GraphBuilder } from './builder.ts';

export interface LlamaShape {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly feedForward: number;
}

/** TinyLlama-1.1B has 22 such layers; four of them are 704 MB. */
export const tinyLlama: LlamaShape = { layers: 4, hidden: 2048, heads: 32, keyHeads: 4, feedForward: 5632 };

const LOWEST = -3.4028234663852886e38;
const END = 2 ** 31 - 1;

export function llama(name: string, { layers, hidden, heads, keyHeads, feedForward }: LlamaShape): Graph {
  const b = new GraphBuilder(name);
  const width = hidden / heads;
  let x = b.input('inputs_embeds', 'float32', ['batch', 'seq', hidden]);
  const positions = b.input('position_ids', 'int64', ['batch', 'seq']);
  const past = Array.from({ length: layers }, (_, layer) =>
    ['key', 'value'].map((part) =>
      b.input(`past_key_values.${layer}.${part}`, 'float32', ['batch', keyHeads, 'past', width]),
    ),
  );
  const present: string[][] = [];

  const size = (value: string, axis: number): string =>
    b.op('Unsqueeze', [b.op('Gather', [b.op('Shape', [value]), b.ints(axis)], { axis: 0 }), b.ints([0])]);
  const reshape = (value: string, tail: readonly number[]): string => {
    const dims = [size(value, 0), size(value, 1), ...tail.map((extent) => b.ints([extent]))];
    return b.op('Reshape', [value, b.op('Concat', dims, { axis: 0 })]);
  };
  const linear = (value: string, key: string, from: number, to: number): string =>
    b.op('MatMul', [value, b.weight(`${key}.weight`, [from, to], 1 / Math.sqrt(from))]);
  const normalize = (value: string, key: string): string => {
    const mean = b.op('ReduceMean', [b.op('Pow', [value, b.float(2)]), b.ints([-1])], { keepdims: 1 });
    const scale = b.op('Div', [b.float(1), b.op('Sqrt', [b.op('Add', [mean, b.float(1e-5)])])]);
    return b.op('Mul', [b.weight(`${key}.weight`, [hidden], 0.1, 1), b.op('Mul', [value, scale])]);
  };
  const part = (value: string, from: number, to: number): string =>
    b.op('Slice', [value, b.ints([from]), b.ints([to]), b.ints([3]), b.ints([1])]);

  // Angles of the rotary embedding: [batch, 1, seq, width].
  const frequencies = Float32Array.from({ length: width / 2 }, (_, i) => 10000 ** ((-2 * i) / width));
  const inverse = b.constant('rotary_emb.inv_freq', 'float32', frequencies, [1, width / 2, 1]);
  const times = b.op('Cast', [b.op('Unsqueeze', [positions, b.ints([1])])], { to: dtypes.float32.onnx });
  const half = b.op('Transpose', [b.op('MatMul', [inverse, times])], { perm: [0, 2, 1] });
  const angles = b.op('Concat', [half, half], { axis: -1 });
  const [cos, sin] = ['Cos', 'Sin'].map((op) => b.op('Unsqueeze', [b.op(op, [angles]), b.ints([1])]));
  const rotate = (value: string): string => {
    const turned = b.op('Concat', [b.op('Neg', [part(value, width / 2, END)]), part(value, 0, width / 2)], {
      axis: -1,
    });
    return b.op('Add', [b.op('Mul', [value, cos!]), b.op('Mul', [turned, sin!])]);
  };

  // What lies ahead is masked: [batch, 1, seq, past + seq].
  const before = b.op('Gather', [b.op('Shape', [past[0]![0]!]), b.ints(2)], { axis: 0 });
  const now = b.op('Gather', [b.op('Shape', [x]), b.ints(1)], { axis: 0 });
  const places = b.op('Range', [b.ints(0), b.op('Add', [before, now]), b.ints(1)]);
  const isSeen = b.op('LessOrEqual', [
    b.op('Unsqueeze', [places, b.ints([0, 1, 2])]),
    b.op('Unsqueeze', [positions, b.ints([1, 3])]),
  ]);
  const mask = b.op('Where', [isSeen, b.float(0), b.float(LOWEST)]);

  /** Each key head for the query heads that share it. */
  const repeat = (value: string): string => {
    const group = b.op('Unsqueeze', [value, b.ints([2])]);
    const [batch, length] = [size(value, 0), size(value, 2)];
    const wide = [batch, b.ints([keyHeads]), b.ints([heads / keyHeads]), length, b.ints([width])];
    const flat = [batch, b.ints([heads]), length, b.ints([width])];
    const expanded = b.op('Expand', [group, b.op('Concat', wide, { axis: 0 })]);
    return b.op('Reshape', [expanded, b.op('Concat', flat, { axis: 0 })]);
  };

  for (let layer = 0; layer < layers; layer++) {
    const key = (name: string): string => `model.layers.${layer}.${name}`;
    const normal = normalize(x, key('input_layernorm'));
    const project = (name: string, count: number): string => {
      const all = linear(normal, key(`self_attn.${name}`), hidden, count * width);
      return b.op('Transpose', [reshape(all, [count, width])], { perm: [0, 2, 1, 3] });
    };
    const query = rotate(project('q_proj', heads));
    const keys = b.op('Concat', [past[layer]![0]!, rotate(project('k_proj', keyHeads))], { axis: 2 });
    const values = b.op('Concat', [past[layer]![1]!, project('v_proj', keyHeads)], { axis: 2 });
    present.push([keys, values]);
    const turned = b.op('Transpose', [repeat(keys)], { perm: [0, 1, 3, 2] });
    const scores = b.op('Div', [b.op('MatMul', [query, turned]), b.float(Math.sqrt(width))]);
    const weights = b.op('Softmax', [b.op('Add', [scores, mask])], { axis: -1 });
    const context = b.op('Transpose', [b.op('MatMul', [weights, repeat(values)])], { perm: [0, 2, 1, 3] });
    x = b.op('Add', [x, linear(reshape(context, [hidden]), key('self_attn.o_proj'), hidden, hidden)]);
    const inner = normalize(x, key('post_attention_layernorm'));
    const gate = linear(inner, key('mlp.gate_proj'), hidden, feedForward);
    const silu = b.op('Mul', [gate, b.op('Sigmoid', [gate])]);
    const gated = b.op('Mul', [silu, linear(inner, key('mlp.up_proj'), hidden, feedForward)]);
    x = b.op('Add', [x, linear(gated, key('mlp.down_proj'), feedForward, hidden)]);
  }
  b.output('last_hidden_state', normalize(x, 'model.norm'));
  present.forEach(([keys, values], layer) => {
    b.output(`present.${layer}.key`, keys!);
    b.output(`present.${layer}.value`, values!);
  });
  return b.finish();
}
