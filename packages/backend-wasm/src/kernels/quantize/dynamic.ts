/** DynamicQuantizeLinear: the extremes of all elements, unit by unit; the scale and zero point that they ask for; then every element. */

import type { Call } from '@espalier/core';
import { addressOf, sameSize, unitElements } from '@espalier/lowering';
import type { Emit } from '../../code.ts';
import { type Isa, isas, type WasmKernel } from '../../kernel.ts';
import type { WasmCall, WasmOperand } from '../../program.ts';
import { Vectors } from '../../vectors.ts';
import { advance, keep, limit, repeat, wordsAt } from '../arguments.ts';
import { bySizes } from '../bysizes.ts';
import { elementLaw, elementWork } from '../elements.ts';
import { pointwiseRow } from '../pointwise/index.ts';
import { levelOps } from '../pointwise/levels.ts';
import { accumulators, emitPass, fold } from '../row.ts';

const extremeWords = ['x', 'total', 'unit', 'extremes'] as const;
/** Bytes of a unit's least and greatest element. */
const EXTREMES = 8;
const MOST_LEVEL = 255;

/** Zero is among the elements, whatever they are. */
const emitExtremes: Emit<object> = () => (f, args, unit) => {
  const v = new Vectors(f, false);
  const word = wordsAt(f, args, extremeWords);
  const first = keep(f, f.i32_mul(unit.get(), word('unit')));
  const count = keep(f, f.i32_sub(word('total'), first.get()));
  limit(f, count, keep(f, word('unit')));
  const x = keep(f, f.i32_add(word('x'), f.i32_shl(first.get(), f.i32_const(2))));
  const [least, most] = [accumulators(v, 0), accumulators(v, 0)];
  emitPass(v, count, [x], (block, at) => {
    const element = v.keep(block.load(at(x)));
    const [low, high] = [least[block.index]!, most[block.index]!];
    v.set(low, v.bin('f32x4_pmin', low, element));
    v.set(high, v.bin('f32x4_pmax', high, element));
  });
  const to = keep(f, f.i32_add(word('extremes'), f.i32_mul(unit.get(), f.i32_const(EXTREMES))));
  for (const [i, all] of [fold(v, least, 'f32x4_pmin'), fold(v, most, 'f32x4_pmax')].entries())
    f.v128_store32_lane(to.get(), all.get(), 0, 4 * i);
};

const scaleWords = ['extremes', 'units', 'scale', 'zero'] as const;

const emitScale: Emit<object> = () => (f, args) => {
  const v = new Vectors(f, false);
  const word = wordsAt(f, args, scaleWords);
  const from = keep(f, word('extremes'));
  const left = keep(f, word('units'));
  const [least, most] = [v.keep(0), v.keep(0)];
  repeat(f, left, 1, () => {
    v.set(
      least,
      v.bin('f32x4_min', least, () => f.v128_load32_splat(from.get())),
    );
    v.set(
      most,
      v.bin('f32x4_max', most, () => f.v128_load32_splat(from.get(), 4)),
    );
    advance(f, from, EXTREMES);
  });
  const range = v.keep(v.sub(most, least));
  // Where all elements are zero any scale serves, but 0 would make NaN of them.
  const scale = v.keep(v.select(v.bin('f32x4_gt', range, 0), v.div(range, MOST_LEVEL), 1));
  const level = v.un('f32x4_nearest', v.div(v.un('f32x4_neg', least), scale));
  const zero = v.keep(v.un('i32x4_trunc_sat_f32x4_s', v.atMost(v.atLeast(level, 0), MOST_LEVEL)));
  f.v128_store32_lane(word('scale'), scale.get(), 0);
  f.v128_store8_lane(word('zero'), zero.get(), 0);
};

/** The call that makes levels, once the scale is known. */
const levelsCall = ({ inputs: [x], outputs: [y] }: Call): Call => ({
  ...{ node: 'levels', op: 'QuantizeLinear', domain: '', attrs: { axis: 1, block_size: 0 }, epilogue: [] },
  inputs: [x, { dtype: 'float32', shape: [] }, { dtype: 'uint8', shape: [] }],
  outputs: [y],
});

/** Of scratch memory, before the extremes: a scale and a zero point for calls that do not want them. */
const PARAMETERS = 64;

function row(isa: Isa): WasmKernel {
  const quantize = pointwiseRow(levelOps().find(({ op }) => op === 'QuantizeLinear')!, isa);
  return {
    name: `dynamicquantizelinear_f32u8_dense_4__${isa.name}`,
    op: 'DynamicQuantizeLinear',
    requires: isa.requires,
    types: { T1: ['float32'], T2: ['uint8'] },
    work: (call, at) => elementWork(call, at, 16),
    law: elementLaw,
    async prepare(call, _constants, engine) {
      const { code } = engine;
      const extremes = await code.load('extremes', {}, emitExtremes);
      const parameters = await code.load('scale_of_extremes', {}, emitScale);
      const levels = call.outputs[0] ? await quantize.prepare(levelsCall(call), [], engine) : undefined;
      const layout = bySizes(({ inputs: [x], outputs: [y], threads }) => {
        const total = sameSize('input and output', x, y);
        const unit = unitElements(total, threads);
        const units = Math.ceil(total / unit);
        return { total, unit, units, levelsAt: PARAMETERS + 64 * Math.ceil((EXTREMES * units) / 64) };
      });
      const places = ({ outputs: [, scale, zero], scratch }: WasmCall) => ({
        scale: addressOf(scale) || scratch,
        zero: addressOf(zero) || scratch + 4,
        extremes: scratch + PARAMETERS,
      });
      const levelsOf = (bound: WasmCall): WasmCall => {
        const { scale, zero } = places(bound);
        const number = (dtype: WasmOperand['dtype'], address: number): WasmOperand => ({ dtype, dims: [], address });
        return {
          ...bound,
          inputs: [bound.inputs[0], number('float32', scale), number('uint8', zero)],
          outputs: [bound.outputs[0]],
          scratch: bound.scratch + layout(bound).levelsAt,
        };
      };
      return {
        resident: extremes.bytes + parameters.bytes + (levels?.resident ?? 0),
        scratch: (bound) => layout(bound).levelsAt + (levels?.scratch?.(bound) ?? 0),
        phases: [
          {
            code: extremes,
            units: (bound) => layout(bound).units,
            args(bound) {
              const words = { ...layout(bound), ...places(bound), x: bound.inputs[0]!.address };
              return extremeWords.map((word) => words[word]);
            },
          },
          {
            code: parameters,
            units: () => 1,
            args(bound) {
              const words = { ...layout(bound), ...places(bound) };
              return scaleWords.map((word) => words[word]);
            },
          },
          ...(levels?.phases ?? []).map((phase) => ({
            code: phase.code,
            units: (bound: WasmCall) => phase.units(levelsOf(bound)),
            args: (bound: WasmCall) => phase.args(levelsOf(bound)),
          })),
        ],
        dispose() {
          extremes.release();
          parameters.release();
          levels?.dispose?.();
        },
      };
    },
  };
}

export const dynamicQuantization: readonly WasmKernel[] = /* @__PURE__ */ isas.map(row);
