/** Scaled dot-product attention of float32; its products in bfloat16 for those who ask for that precision. */

import { type Binding, bindShape, type Call, ESPALIER, sizeOf, type Work } from '@espalier/core';
import { sharedCode } from '../../code.ts';
import type { NativeFeature } from '../../cpu.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import { bitsOf } from '../../math/vectors.ts';
import type { NativeCall, NativePhase, NativeProgram } from '../../program.ts';
import { widths } from '../row.ts';
import { emitAttention, type Variant } from './emit.ts';
import {
  argumentWords,
  KEYS,
  type OperandName,
  operands,
  operandWords,
  type Place,
  scratchLayout,
  type Unit,
  VECTORS,
} from './frame.ts';
import { geometry, headSizes, type Layout, partition, type Sizes } from './geometry.ts';
import { emitRounding, roundArgs, roundedLayout, roundedPlaces } from './round.ts';

/** Share of the processor's multiply-adds that the products reach, and what a score takes beside them, in multiply-adds of float32. */
const EFFICIENCY = { float32: 0.9, rounded: 0.84 };
const SCORE = { wide: 11, narrow: 18 };
/** What an element of a query or a result takes to be turned, in multiply-adds. */
const TURN = 8;
/** What an element of a key or a value takes to be rounded, in multiply-adds. */
const ROUND = 3;

function work({ inputs, outputs, attrs }: Call, at: Binding, { isWide, isRounded }: Unit): Work {
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
    // What the units multiply, padding included, and what everything else takes.
    tiled: queries * keys * macs,
    around:
      queries * (keys * (isWide ? SCORE.wide : SCORE.narrow) + macs * TURN) +
      (isRounded ? q.batch * k.heads * k.positions * macs * ROUND : 0),
  };
}

function prepare(call: Call, unit: Unit, { addon }: Engine): NativeProgram {
  const { attrs, inputs } = call;
  const mask = inputs[3]?.dtype;
  const variant: Variant = {
    ...unit,
    mask: mask === undefined ? 'none' : mask === 'bool' ? 'bool' : 'float',
    isCausal: attrs['is_causal'] === 1,
    nanToZero: attrs['nan_to_zero'] === 1,
  };
  const code = sharedCode(addon, emitAttention, variant);
  const rounding = unit.isRounded ? sharedCode(addon, emitRounding) : undefined;
  const plan = ({ inputs: [q, k, v, m], outputs: [y], threads }: Omit<NativeCall, 'scratch' | 'at'>) => {
    const g = geometry(
      attrs['layout'] as Layout,
      [q!, k!, v!, y!].map(({ dims }) => dims),
      m?.dims,
    );
    const lanes = VECTORS * (unit.isWide ? 16 : 8);
    const scratch = scratchLayout(g, unit, m !== undefined);
    const rounded = unit.isRounded ? roundedLayout(g) : undefined;
    return { g, cut: partition(g, lanes, threads), scratch, rounded, roundedAt: threads * scratch.threadBytes };
  };
  const roundingPhase: Omit<NativePhase, 'code'> = {
    units: (bound) => plan(bound).rounded!.units,
    args: (bound) => {
      const { g, rounded, roundedAt } = plan(bound);
      const [, k, v] = bound.inputs;
      return roundArgs(g, rounded!, [k!.address, v!.address], bound.scratch + roundedAt);
    },
  };
  return {
    resident: code.bytes + (rounding?.bytes ?? 0),
    phases: [
      ...(rounding ? [{ ...roundingPhase, code: rounding.addresses[0]! }] : []),
      {
        code: code.addresses[0]!,
        units: (bound) => plan(bound).cut.units,
        args: (bound) => {
          const { g, cut, scratch, rounded, roundedAt } = plan(bound);
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
            sizeSteps: unit.isRounded ? Math.ceil(g.size / 2) : g.size,
            scale: bitsOf((attrs['scale'] as number | undefined) ?? 1 / Math.sqrt(g.size)),
            maskStep: g.mask.key * (mask === 'bool' ? 1 : 4),
            maskShared: Number(g.mask.row === 0 && (g.mask.head === 0 || g.sharing === 1)),
          };
          const starts = { q, y: bound.outputs[0], mask: m, k, v };
          const moved: Partial<Record<OperandName, Place>> = rounded
            ? roundedPlaces(g, rounded, bound.scratch + roundedAt)
            : {};
          return [
            ...argumentWords.map((name) => words[name]),
            ...operands.flatMap((name) => {
              const bytes = starts[name]?.dtype === 'bool' ? 1 : 4;
              const steps = { ...g[name], start: 0 };
              return operandWords.map(
                (word) =>
                  moved[name]?.[word] ?? (word === 'start' ? (starts[name]?.address ?? 0) : bytes * steps[word]),
              );
            }),
          ];
        },
      },
    ],
    scratch: (bound) => {
      const { rounded, roundedAt } = plan(bound);
      return roundedAt + (rounded?.bytes ?? 0);
    },
    dispose() {
      code.dispose();
      rounding?.dispose();
    },
  };
}

interface Row extends Unit {
  readonly types: string;
  readonly isa: string;
  readonly requires: readonly NativeFeature[];
  /** Multiply-adds in a second of one thread. */
  rate(rates: Readonly<Record<string, number>>): number;
}

const kernel = ({ types, isa, requires, rate, ...unit }: Row): NativeKernel => ({
  name: `attention_${types}_dense_${VECTORS * (unit.isWide ? 16 : 8)}x${KEYS}__${isa}`,
  op: 'Attention',
  domain: ESPALIER,
  requires,
  types: { T: ['float32'], M: ['float32', 'bool'] },
  work: (call, at) => work(call, at, unit),
  law({ tiled, around, bytes }, rates) {
    const efficiency = unit.isRounded ? EFFICIENCY.rounded : EFFICIENCY.float32;
    const computed = tiled! / (efficiency * rate(rates)) + around! / rates['fma']!;
    return rates['call']! + Math.max(computed / rates['threads']!, bytes / rates['bytes']!);
  },
  prepare: (call, _constants, engine) => prepare(call, unit, engine),
});

export const attention: readonly NativeKernel[] = widths.map(({ name, isWide, requires }) =>
  kernel({ types: 'f32', isa: name, isWide, isRounded: false, requires, rate: ({ fma }) => fma! }),
);

/** Asked for only. */
export const attentionBf16: readonly NativeKernel[] = [
  kernel({
    ...{ types: 'f32bf16', isa: 'avx512bf16', isWide: true, isRounded: true },
    ...{ requires: ['avx512', 'avx512-bf16'], rate: ({ bf16 }) => bf16! },
  }),
];
