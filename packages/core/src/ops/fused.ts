/** The ops that Espalier adds to ONNX's: what its graph passes make of chains of ONNX nodes, so that one kernel can do them. */

import { dim } from '../dim.ts';
import { floats } from '../dtype.ts';
import { ESPALIER } from '../graph.ts';
import type { Inference, OpSchema } from '../schema.ts';
import { broadcastShapes, formatShape, normalizeAxis } from '../shape.ts';
import { agree, oneOf, ranked, shaped, single, vector } from './check.ts';
import { attr, op, params, schemas } from './define.ts';
import { matmulShape } from './matmul.ts';

type Rest = Parameters<typeof op>[2];
const fusedOp = (name: string, rest: Rest): OpSchema => op(name, [1], { domain: ESPALIER, ...rest });

/**
 * Scaled dot-product attention, ONNX's Attention-23 without past, present and softcap: `softmax(Q K^T * scale + mask) V`.
 * `layout` BHSD: Q `[B,H,Sq,D]`, K `[B,Hkv,Skv,D]`, V `[B,Hkv,Skv,Dv]`; BSHD: heads after positions. H is a multiple of Hkv:
 * each key-value head serves H/Hkv query heads in a row. `attn_mask` broadcasts to `[B,H,Sq,Skv]` and is added; a bool
 * mask says where to look. `is_causal` hides keys after the query's own position. With `nan_to_zero` a query that sees no key gives 0.
 */
function attention(c: Inference): void {
  const isHeadsFirst = oneOf(c, 'layout', ['BHSD', 'BSHD']) === 'BHSD';
  const [heads, positions] = isHeadsFirst ? [1, 2] : [2, 1];
  const [q, k, v] = [ranked(c, 0, 4), ranked(c, 1, 4), ranked(c, 2, 4)];
  agree(c, q[0], k[0], 'batches of Q and K');
  agree(c, q[0], v[0], 'batches of Q and V');
  agree(c, q[3], k[3], 'head sizes of Q and K');
  agree(c, k[heads], v[heads], 'heads of K and V');
  agree(c, k[positions], v[positions], 'positions of K and V');
  if (k[heads] === 0) c.fail('has no heads in K');
  agree(c, dim.mod(q[heads], k[heads]), 0, `${q[heads]} query heads for ${k[heads]} key heads`);
  if (c.has(3)) {
    const scores = [q[0], q[heads], q[positions], k[positions]];
    const mask = broadcastShapes(c.shape(3), scores);
    if (mask.length > 4) c.fail(`its mask is ${formatShape(c.shape(3))}`);
    mask.forEach((d, i) => {
      agree(c, d, scores[i], `axis ${i} of its mask`);
    });
  }
  const shape = [...q];
  shape[3] = v[3];
  c.output(0, shape);
}

const weights = ['int8', 'uint8'] as const;

export const fused = schemas(() => [
  fusedOp('Attention', {
    types: { T: floats, M: [...floats, 'bool'] },
    inputs: params('Q:T', 'K:T', 'V:T', 'attn_mask?:M'),
    attributes: {
      is_causal: attr.int(0),
      layout: attr.string('BHSD'),
      nan_to_zero: attr.int(0),
      scale: attr.float(),
    },
    infer: attention,
  }),
  /** `sum = X + skip`, `Y = LayerNormalization(sum, scale, bias)` along the last axis. */
  fusedOp('SkipLayerNormalization', {
    types: { T: floats },
    inputs: params('X:T', 'skip:T', 'scale:T', 'bias?:T'),
    outputs: params('Y:T', 'sum?:T'),
    attributes: { axis: attr.int(-1), epsilon: attr.float(Math.fround(1e-5)) },
    infer: (c) => {
      const shape = ranked(c, 0, 1, true);
      const axis = normalizeAxis(c.int('axis'), shape.length);
      if (axis !== shape.length - 1) c.unsupported('normalises axes other than the last');
      shaped(c, 1, shape);
      vector(c, 2, shape[axis]);
      vector(c, 3, shape[axis]);
      c.output(0, shape);
      c.output(1, shape);
    },
  }),
  /**
   * The product of two dequantised operands in float32: `Y = (A - a_zero_point)(B - b_zero_point) * (a_scale * b_scale)`, the sums
   * exact integers. `a_scale` is one number, `b_scale` one or one for each column; zero points lie alike, and are 0 where left out.
   */
  fusedOp('QuantizedMatMul', {
    types: { T: ['float32'], T1: weights, T2: weights },
    inputs: params('A:T1', 'a_scale:T', 'a_zero_point?:T1', 'B:T2', 'b_scale:T', 'b_zero_point?:T2'),
    outputs: params('Y:T'),
    infer: (c) => {
      for (const index of [1, 2]) single(c, index);
      const shape = matmulShape(c, c.shape(0), c.shape(3));
      const columns = c.shape(3).length > 1 ? c.shape(3).at(-1)! : 1;
      for (const index of [4, 5])
        if (c.has(index) && dim.equal(dim.product(c.shape(index)), 1) !== true) vector(c, index, columns);
      c.output(0, shape);
    },
  }),
  /** `A` times Cast(`B`): weights stay in 16 bits in memory. */
  fusedOp('CastMatMul', {
    types: { T: ['float32'], W: ['float16', 'bfloat16'] },
    inputs: params('A:T', 'B:W'),
    infer: (c) => c.output(0, matmulShape(c, c.shape(0), ranked(c, 1, 2))),
  }),
  /**
   * `A` times DequantizeLinear(`B`): weights stay small in memory and are widened on the way. With `sparse_input` many elements of `A` are
   * expected to be zero, and their rows of `B` need not be read.
   */
  fusedOp('DequantizeMatMul', {
    types: { T: floats, W: [...weights, 'int4', 'uint4'] },
    inputs: params('A:T', 'B:W', 'b_scale:T', 'b_zero_point?:W'),
    attributes: { axis: attr.int(1), block_size: attr.int(0), sparse_input: attr.int(0) },
    infer: (c) => {
      const shape = matmulShape(c, c.shape(0), ranked(c, 1, 2));
      const scale = c.shape(2);
      const axis = normalizeAxis(c.int('axis'), 2);
      const block = c.int('block_size');
      const weight = c.shape(1);
      if (block > 0) {
        const blocks = weight.map((d, i) => (i === axis ? dim.ceilDiv(d, block) : d));
        shaped(c, 2, blocks);
      } else if (dim.equal(dim.product(scale), 1) !== true) vector(c, 2, weight[axis]);
      shaped(c, 3, scale);
      c.output(0, shape);
    },
  }),
]);
