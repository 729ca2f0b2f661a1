/** Scaled dot-product attention of float32. */

import { type Binding, bindShape, type Call, ESPALIER, sizeOf, type Work } from '@espalier/core';
import { sharedCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import { bitsOf } from '../../math/vectors.ts';
import type { NativeCall, NativeProgram } from '../../program.ts';
import { widths } from '../row.ts';
import { emitAttention, type Variant } from './emit.ts';
import { argumentWords, KEYS, operands, operandWords, scratchLayout, VECTORS } from './frame.ts';
import { geometry, headSizes, type Layout, partition, type Sizes } from './geometry.ts';

/** Share of the processor's multiply-adds that the products reach, and what a score takes beside them, in multiply-adds of the same width. */
const EFFICIENCY = 0.9;
const SCORE = { wide: 11, narrow: 18 };
/** What an element of a query or a result takes to be turned, in multiply-adds. */
const TURN = 8;

function work({ inputs, outputs, attrs }: Call, at: Binding, isWide: boolean): Work {
  const dims = [...inputs, outputs[0]].map((desc) => (desc ? bindShape(desc.shape, at) : [0]));
  const [q, k, v] = dims.slice(0, 3).map((each) => headSizes(each, attrs['layout'] as Layout)) as [Sizes, Sizes, Sizes];
  const macs = q.size + v.size;
  // Of causal attention only what is seen: each query one key more than the one before it.
  const rising = Math.min(q.positions, k.positions);
  const seen = (rising * (rising + 1)) / 2 + (q.positions - rising) * k.positions;
  const keys = attrs['is_causal'] === 1 ? seen / Math.max(1, q.positions) : k.positions;
  const lanes = isWide ? 16 : 8;
  const queries = q.batch * k.heads * Math.ceil((q.heads * q.positions) / Math.max(1, k.heads) / lanes) * lanes;
  return {
    macs: q.batch * q.heads * q.positions * keys * macs,
    bytes: 4 * dims.reduce((sum, each) => sum + sizeOf(each), 0),
    resident: 0,
    // What the units multiply, padding included, and as much as everything else takes.
    tiled: queries * keys * (macs / EFFICIENCY + (isWide ? SCORE.wide : SCORE.narrow)) + queries * macs * TURN,
  };
}

function prepare(call: Call, isWide: boolean, { addon }: Engine): NativeProgram {
  const { attrs, inputs } = call;
  const mask = inputs[3]?.dtype;
  const variant: Variant = {
    isWide,
    mask: mask === undefined ? 'none' : mask === 'bool' ? 'bool' : 'float',
    isCausal: attrs['is_causal'] === 1,
    nanToZero: attrs['nan_to_zero'] === 1,
  };
  const code = sharedCode(addon, emitAttention, variant);
  const plan = ({ inputs: [q, k, v, m], outputs: [y], threads }: Omit<NativeCall, 'scratch' | 'at'>) => {
    const g = geometry(
      attrs['layout'] as Layout,
      [q!, k!, v!, y!].map(({ dims }) => dims),
      m?.dims,
    );
    const lanes = VECTORS * (isWide ? 16 : 8);
    return { g, cut: partition(g, lanes, threads), scratch: scratchLayout(g, isWide, m !== undefined) };
  };
  return {
    resident: code.bytes,
    phases: [
      {
        code: code.addresses[0]!,
        units: (bound) => plan(bound).cut.units,
        args: (bound) => {
          const { g, cut, scratch } = plan(bound);
          const [q, k, v, m] = bound.inputs;
          const words = {
            ...cut,
            ...scratch,
            scratch: bound.scratch,
            groups: g.groups,
            positions: g.positions,
            keys: g.keys,
            size: g.size,
            valueSize: g.valueSize,
            scale: bitsOf((attrs['scale'] as number | undefined) ?? 1 / Math.sqrt(g.size)),
            maskStep: g.mask.key * (mask === 'bool' ? 1 : 4),
            maskShared: Number(g.mask.row === 0 && (g.mask.head === 0 || g.sharing === 1)),
          };
          const starts = { q, y: bound.outputs[0], mask: m, k, v };
          return [
            ...argumentWords.map((name) => words[name]),
            ...operands.flatMap((name) => {
              const bytes = starts[name]?.dtype === 'bool' ? 1 : 4;
              const steps = { ...g[name], start: 0 };
              return operandWords.map((word) =>
                word === 'start' ? (starts[name]?.address ?? 0) : bytes * steps[word],
              );
            }),
          ];
        },
      },
    ],
    scratch: (bound) => bound.threads * plan(bound).scratch.threadBytes,
    dispose: () => code.dispose(),
  };
}

export const attention: readonly NativeKernel[] = widths.map(({ name, isWide, lanes, requires }) => ({
  name: `attention_f32_dense_${VECTORS * lanes}x${KEYS}__${name}`,
  op: 'Attention',
  domain: ESPALIER,
  requires,
  types: { T: ['float32'], M: ['float32', 'bool'] },
  work: (call, at) => work(call, at, isWide),
  law: ({ tiled, bytes }, rates) =>
    rates['call']! + Math.max(tiled! / (rates['fma']! * rates['threads']!), bytes / rates['bytes']!),
  prepare: (call, _constants, engine) => prepare(call, isWide, engine),
}));
