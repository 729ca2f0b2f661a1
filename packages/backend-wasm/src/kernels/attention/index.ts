/** Scaled dot-product attention of float32. */

import { type Binding, bindShape, type Call, ESPALIER, sizeOf, type Work } from '@espalier/core';
import { type AttentionGeometry, type AttentionLayout, attentionGeometry, headSizes } from '@espalier/lowering';
import { type Isa, isas, type WasmKernel } from '../../kernel.ts';
import type { WasmCall } from '../../program.ts';
import { programOf } from '../elements.ts';
import { TILE } from '../matmul/tile.ts';
import { emitAttention, operands, operandWords, plainWords } from './emit.ts';
import type { Variant } from './softmax.ts';
import { KEYS } from './turn.ts';

/** What a score takes beside the products, in multiply-adds. */
const SCORE = { relaxed: 18, simd: 27 };
/** What an element of a key takes to be turned, in multiply-adds. */
const TURN = 4;
/** Share of the calibrated multiply-adds that the products reach. */
const EFFICIENCY = 0.85;

/** Bytes of scores that stay in the second-level cache, and queries of a unit at most. */
const SCORE_BYTES = 2 ** 18;
const MOST_QUERIES = 96;

function work({ name }: Isa, { inputs, outputs, attrs }: Call, at: Binding): Work {
  const dims = [...inputs, outputs[0]].map((desc) => (desc ? bindShape(desc.shape, at) : [0]));
  const [q, k, v] = dims.slice(0, 3).map((each) => headSizes(each, attrs['layout'] as AttentionLayout));
  const scores = q!.batch * q!.heads * q!.positions * k!.positions;
  const units = Math.ceil(q!.positions / MOST_QUERIES) * q!.batch * q!.heads;
  return {
    macs: scores * (q!.size + v!.size),
    bytes: 4 * dims.reduce((sum, each) => sum + sizeOf(each), 0),
    resident: 0,
    // Beside the products.
    other: scores * SCORE[name] + units * k!.positions * q!.size * TURN,
  };
}

/** Queries of a unit: whole tiles, as many as leave every thread some. */
function queriesOf({ batch, groups, sharing, positions, keys }: AttentionGeometry, threads: number): number {
  const heads = Math.max(1, batch * groups * sharing);
  const wanted = Math.ceil((positions * heads) / (4 * threads));
  const most = Math.min(MOST_QUERIES, Math.floor(SCORE_BYTES / (4 * Math.max(1, keys))), wanted);
  return TILE.rows * Math.max(1, Math.floor(most / TILE.rows));
}

/** What follows from the sizes of a call. */
function layOut(call: Call, { inputs: [q, k, v, m], outputs: [y], threads }: Omit<WasmCall, 'scratch'>) {
  const dims = [q!, k!, v!, y!].map((operand) => operand.dims);
  const g = attentionGeometry(call.attrs['layout'] as AttentionLayout, dims, m?.dims);
  const queriesPerUnit = queriesOf(g, threads);
  const unitsPerHead = Math.ceil(g.positions / queriesPerUnit);
  const isEmpty = g.positions * g.valueSize === 0;
  const scorePitch = 4 * KEYS * Math.max(1, Math.ceil(g.keys / KEYS));
  const panel = queriesPerUnit * scorePitch;
  const tile = panel + 4 * KEYS * g.size;
  const shares = tile + 4 * KEYS * TILE.rows;
  const threadBytes = Math.ceil((shares + 4 * queriesPerUnit) / 64) * 64;
  const words = { queriesPerUnit, unitsPerHead, scorePitch, panel, tile, shares, threadBytes };
  return { g, words, units: isEmpty ? 0 : g.batch * g.groups * g.sharing * unitsPerHead };
}

const floats = new Float32Array(1);
const bits = new Int32Array(floats.buffer);
function bitsOf(value: number): number {
  floats[0] = value;
  return bits[0]!;
}

export const attention: readonly WasmKernel[] = /* @__PURE__ */ isas.map((isa): WasmKernel => {
  const name = `attention_f32_dense_${TILE.rows}x${KEYS}__${isa.name}`;
  return {
    name,
    op: 'Attention',
    domain: ESPALIER,
    requires: isa.requires,
    types: { T: ['float32'], M: ['float32', 'bool'] },
    work: (call, at) => work(isa, call, at),
    law: ({ macs, other, bytes }, rates) =>
      rates['call']! +
      Math.max((macs / EFFICIENCY + other!) / rates['fma']!, bytes / rates['bytes']!) / rates['threads']!,
    prepare(call, _constants, engine) {
      const { attrs, inputs } = call;
      const mask = inputs[3]?.dtype;
      const variant: Variant = {
        isRelaxed: isa.isRelaxed,
        mask: mask === undefined ? 'none' : mask === 'bool' ? 'bool' : 'float',
        isCausal: attrs['is_causal'] === 1,
        nanToZero: attrs['nan_to_zero'] === 1,
      };
      return programOf(
        engine,
        name,
        variant,
        emitAttention,
        {
          units: (bound) => layOut(call, bound).units,
          args(bound) {
            const { g, words } = layOut(call, bound);
            const [q, k, v, m] = bound.inputs;
            const maskBytes = mask === 'bool' ? 1 : 4;
            const values = {
              ...words,
              scratch: bound.scratch,
              groups: g.groups,
              sharing: g.sharing,
              positions: g.positions,
              keys: g.keys,
              size: g.size,
              valueSize: g.valueSize,
              scale: bitsOf((attrs['scale'] as number | undefined) ?? 1 / Math.sqrt(g.size)),
              maskStep: g.mask.key * maskBytes,
            };
            const starts = { q, k, v, y: bound.outputs[0], mask: m };
            return [
              ...plainWords.map((word) => values[word]),
              ...operands.flatMap((operand) => {
                const bytes = operand === 'mask' ? maskBytes : 4;
                // Heads of a group share keys and values.
                const isShared = operand === 'k' || operand === 'v';
                const steps = { ...g[operand], start: 0, ...(isShared ? { head: 0 } : {}) };
                return operandWords.map((word) =>
                  word === 'start' ? (starts[operand]?.address ?? 0) : bytes * steps[word],
                );
              }),
            ];
          },
        },
        { scratch: (bound) => bound.threads * layOut(call, bound).words.threadBytes },
      );
    },
  };
});
