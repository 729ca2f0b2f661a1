/** The ops of Espalier's own domain: what they mean, for backends that have them as one kernel to be compared with. */

import { broadcastStrides, ESPALIER, type HostKernel, type Phase, sizeOf } from '@espalier/core';
import { agree } from '../agree.ts';
import { broadcast } from '../broadcast.ts';
import { define, each, type Operand, type Operands, units } from '../define.ts';
import { type Floats, floatsLike } from '../float.ts';
import { multiply } from '../product.ts';
import { centred, layout, matmulPhase, perColumn } from './matmul.ts';
import { layerNormalization } from './normalization.ts';
import { dequantize } from './quantize.ts';

/** Queries of one unit. */
const QUERIES = 2;

/** Where the heads and positions of `[B,H,S,D]` or `[B,S,H,D]` are. */
function headsOf(x: Operand, isHeadsFirst: boolean) {
  const [batch, first, second, size] = x.dims;
  const [heads, positions] = isHeadsFirst ? [first, second] : [second, first];
  const row = isHeadsFirst ? size : heads * size;
  const begin = (b: number, head: number, position: number): number =>
    b * heads * positions * size + head * (isHeadsFirst ? positions * size : size) + position * row;
  return { data: x.data as Floats, batch, heads, positions, size, row, begin };
}

function attention({ inputs: [qIn, kIn, vIn, mask], outputs: [yOut], attrs }: Operands): Phase {
  const [q, k, v, y] = [qIn, kIn, vIn, yOut].map((x) => headsOf(x!, attrs['layout'] === 'BHSD'));
  agree(k.size, q.size, 'head sizes of Q and K');
  agree(v.positions, k.positions, 'positions of K and V');
  agree(v.heads, k.heads, 'heads of K and V');
  agree(q.heads % k.heads, 0, 'query heads left over');
  for (const x of [k, v]) agree(x.batch, q.batch, 'batches');
  const [keys, perKey] = [k.positions, q.heads / k.heads];
  const scale = (attrs['scale'] as number | undefined) ?? 1 / Math.sqrt(q.size);
  const [isCausal, isNanZero] = [attrs['is_causal'] === 1, attrs['nan_to_zero'] === 1];
  const shape = [q.batch, q.heads, q.positions, keys];
  // Throws where the mask does not fit.
  if (mask) broadcast(shape, mask.dims);
  const maskSteps = broadcastStrides(mask?.dims ?? [], shape);
  const isBool = mask?.dtype === 'bool';
  const scores = floatsLike(qIn!, QUERIES * keys);

  /** Scores of the query at `position` become its weights. */
  const softmax = (at: number, b: number, head: number, position: number): void => {
    const m = b * maskSteps[0] + head * maskSteps[1] + position * maskSteps[2];
    let top = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < keys; j++) {
      let score = scores[at + j] * scale;
      const given = mask ? mask.data[m + j * maskSteps[3]] : 0;
      if ((isCausal && j > position) || (isBool && !given)) score = Number.NEGATIVE_INFINITY;
      else if (!isBool) score += given;
      scores[at + j] = score;
      top = Math.max(top, score);
    }
    let sum = 0;
    for (let j = 0; j < keys; j++) {
      scores[at + j] = Math.exp(scores[at + j] - top);
      sum += scores[at + j];
    }
    if (isNanZero && Number.isNaN(sum)) scores.fill(0, at, at + keys);
    else for (let j = 0; j < keys; j++) scores[at + j] /= sum;
  };

  const blocks = Math.ceil(q.positions / QUERIES);
  const run = (unit: number): void => {
    const image = Math.floor(unit / blocks);
    const first = (unit - image * blocks) * QUERIES;
    const count = Math.min(QUERIES, q.positions - first);
    const b = Math.floor(image / q.heads);
    const head = image - b * q.heads;
    const from = Math.floor(head / perKey);
    multiply(
      {
        m: count,
        n: keys,
        k: q.size,
        a: { data: q.data, row: q.row, column: 1 },
        b: { data: k.data, row: 1, column: k.row },
        c: { data: scores, row: keys, column: 1 },
      },
      [q.begin(b, head, first), k.begin(b, from, 0), 0],
    );
    for (let i = 0; i < count; i++) softmax(i * keys, b, head, first + i);
    multiply(
      {
        m: count,
        n: v.size,
        k: keys,
        a: { data: scores, row: keys, column: 1 },
        b: { data: v.data, row: v.row, column: 1 },
        c: { data: y.data, row: y.row, column: 1 },
      },
      [0, v.begin(b, from, 0), y.begin(b, head, first)],
    );
  };
  return units(q.batch * q.heads * blocks, run);
}

/** Memory for an intermediate result. */
const temporary = (dtype: Operand['dtype'], dims: readonly number[], data: Operand['data']): Operand => ({
  dtype,
  dims,
  size: sizeOf(dims),
  data,
});

function quantizedMatMul({ inputs: [a, aScale, aZero, b, bScale, bZero], outputs: [y] }: Operands): Phase[] {
  const [left, centreA] = centred(a!, aZero, perColumn);
  const [right, centreB] = centred(b!, bZero, perColumn);
  const sums = new Int32Array(y!.size);
  const walk = broadcast(y!.dims, b!.dims.length > 1 ? perColumn(bScale!) : []);
  const [step] = walk.steps;
  const finish = each(y!.size, (from, to) => {
    walk.rows(from, to, (at, count, [s]) => {
      for (let i = at; i < at + count; i++, s += step)
        y!.data[i] = Math.fround(sums[i]) * Math.fround(aScale!.data[0] * bScale!.data[s]);
    });
  });
  return [centreA, centreB, matmulPhase(layout(a!.dims, b!.dims, y!.dims), left, right, sums), finish];
}

const macsOf = (
  [a, b]: readonly (readonly number[] | undefined)[],
  [y]: readonly (readonly number[] | undefined)[],
): number => sizeOf(y!) * Math.max(a!.at(-1)!, b![0]);

export const fused: readonly HostKernel[] = [
  define({
    op: 'Attention',
    domain: ESPALIER,
    macs: ([q, k, v], _outputs, { attrs }) => {
      const keys = k![attrs['layout'] === 'BHSD' ? 2 : 1];
      return (sizeOf(q!) / Math.max(1, q![3])) * keys * (q![3] + v![3]);
    },
    compute: attention,
  }),
  define({
    op: 'SkipLayerNormalization',
    domain: ESPALIER,
    compute: ({ inputs: [x, skip, scale, bias], outputs: [y, sum], attrs }) => {
      agree(skip!.size, x!.size, 'elements of X and skip');
      const total: Floats = sum?.data ?? floatsLike(x!, x!.size);
      const add = each(x!.size, (from, to) => {
        for (let i = from; i < to; i++) total[i] = x!.data[i] + skip!.data[i];
      });
      return [
        add,
        ...layerNormalization(x!, total, scale!, bias, attrs['axis'] as number, attrs['epsilon'] as number, [y]),
      ];
    },
  }),
  define({
    op: 'QuantizedMatMul',
    domain: ESPALIER,
    macs: ([a, , , b], outputs) => macsOf([a, b], outputs),
    compute: quantizedMatMul,
  }),
  define({
    op: 'CastMatMul',
    domain: ESPALIER,
    macs: macsOf,
    // Operands of 16 bits are widened for every op.
    compute: ({ inputs: [a, b], outputs: [y] }) => [
      matmulPhase(layout(a!.dims, b!.dims, y!.dims), a!.data, b!.data, y!.data),
    ],
  }),
  define({
    op: 'DequantizeMatMul',
    domain: ESPALIER,
    macs: macsOf,
    compute: ({ inputs: [a, b, scale, zero], outputs: [y], attrs }) => {
      const weights = temporary(a!.dtype, b!.dims, floatsLike(a!, b!.size));
      return [
        dequantize({ inputs: [b, scale, zero], outputs: [weights], attrs }),
        matmulPhase(layout(a!.dims, b!.dims, y!.dims), a!.data, weights.data, y!.data),
      ];
    },
  }),
];
