/** What is done to a product before it is stored: which steps there are, and their code. */

import { type Call, type DType, dim, type EpilogueOp, type EpilogueStep, type Rejection } from '@espalier/core';
import type { Address, Assembler, Vector } from '@espalier/x64';
import { Vectors } from '../../math/index.ts';
import { ACTIVATION_TEMPORARIES, activations } from '../activations.ts';
import { emitLevel, type LevelType, loadLevels, loadZeroPoint } from '../levels.ts';
import { avx512, type Isa } from './isa.ts';

/** An input of the node that a step reads: one element for each column, or one for all columns of a row. */
export interface EpilogueOperand {
  readonly input: number;
  readonly dtype: DType;
  readonly perColumn: boolean;
}

export interface Epilogue {
  readonly steps: readonly EpilogueStep[];
  readonly operands: readonly EpilogueOperand[];
}

/** A register for the address of each. */
export const MOST_OPERANDS = 10;

/**
 * The epilogue of a product, or why its own operands cannot be read.
 * @param weights the shape of its second operand, columns last
 */
export function epilogueOf({ epilogue, inputs }: Call, weights = inputs[1]!.shape): Epilogue | Rejection {
  const operands: EpilogueOperand[] = [];
  const isVector = weights.length === 1;
  const n = isVector ? 1 : weights.at(-1)!;
  const levels = epilogue.filter(isLevels);
  for (const { op, attrs, inputs: own } of levels) {
    if (parametersOf(op, own).some((input) => inputs[input] && dim.equal(dim.product(inputs[input].shape), 1) !== true))
      return { reason: `its ${op} has more than one scale` };
    if (op === 'QuantizeLinear' && attrs['output_dtype'] && own[1] === undefined)
      return { reason: 'its QuantizeLinear has no zero point to tell its dtype' };
  }
  const bytes = new Set(
    levels.flatMap(({ op, inputs: own }) => (op === 'DequantizeAdd' ? [own[0], own[2]] : [own[1]])),
  );
  for (const input of new Set(epilogue.flatMap((step) => step.inputs))) {
    const desc = inputs[input];
    if (!desc) continue;
    const { dtype } = desc;
    const isByte = dtype === 'uint8' || dtype === 'int8';
    if (dtype !== 'float32' && !(isByte && bytes.has(input)))
      return { reason: `input ${input} is ${dtype}; its epilogue takes float32` };
    // Of a vector the result has no columns, so that its operands have none either.
    const last = isVector ? 1 : (desc.shape.at(-1) ?? 1);
    if (last !== 1 && dim.equal(last, n) !== true)
      return { reason: `cannot tell whether the ${last} columns of input ${input} are the ${n} of the result` };
    operands.push({ input, dtype, perColumn: last !== 1 });
  }
  if (operands.length > MOST_OPERANDS) return { reason: `its epilogue reads more than ${MOST_OPERANDS} tensors` };
  return { steps: epilogue, operands };
}

/** True for what rounds to a few levels, or comes back from them. */
const isLevels = ({ op }: EpilogueStep): boolean =>
  op === 'QuantizeLinear' || op === 'DequantizeLinear' || op === 'DequantizeAdd';

/** The step's scale and zero point. */
const parametersOf = (op: EpilogueOp, inputs: readonly number[]): readonly number[] =>
  op === 'DequantizeAdd' ? inputs.slice(1) : inputs;

/** The dtype of what QuantizeLinear as the last step makes. */
export function quantizedType({ steps, operands }: Epilogue): LevelType | undefined {
  const last = steps.at(-1);
  return last?.op === 'QuantizeLinear' ? levelType(operands, last) : undefined;
}

const levelType = (operands: readonly EpilogueOperand[], { op, inputs }: EpilogueStep): LevelType => {
  const of = op === 'DequantizeAdd' ? inputs[0] : inputs[1];
  return operands.find(({ input }) => input === of)?.dtype === 'int8' ? 'int8' : 'uint8';
};

const arithmetic = { Add: 'vaddps', Sub: 'vsubps', Mul: 'vmulps', Div: 'vdivps' } as const;

/** The steps that a product can do. */
export const fuses: readonly EpilogueOp[] = [
  ...(Object.keys(arithmetic) as (keyof typeof arithmetic)[]),
  'Clip',
  ...(Object.keys(activations) as EpilogueOp[]),
];

/**
 * Does the steps to registers 0 to `vectors` - 1, which hold neighbouring columns. `addresses` are those of the operands for
 * the first of them; `masked` has the last register's operands loaded by the mask.
 */
export function emitSteps(
  a: Assembler,
  isa: Isa,
  { steps, operands }: Epilogue,
  addresses: readonly Address[],
  vectors: number,
  masked: boolean,
): void {
  const math = new Vectors(a, isa === avx512);
  const t = Array.from({ length: ACTIVATION_TEMPORARIES }, (_, i) => isa.register(vectors + i));
  const [other] = t as [Vector];
  for (let v = 0; v < vectors; v++) {
    const x = isa.register(v);
    /** Loads a step's operand for the columns of `x`; false where it was left out. */
    const load = (input: number | undefined): boolean => {
      const at = operands.findIndex((operand) => operand.input === input);
      if (at < 0) return false;
      if (operands[at]!.perColumn) isa.load(a, other, addresses[at]!, v * isa.lanes * 4, masked && v === vectors - 1);
      else a.vbroadcastss(other, addresses[at]!);
      return true;
    };
    for (const step of steps) {
      const { op, attrs, inputs, position } = step;
      if (isLevels(step)) {
        const [scale, zeroPoint] = parametersOf(op, inputs);
        const zero = operands.findIndex(({ input }) => input === zeroPoint);
        const level = t[1]!;
        if (zero >= 0) loadZeroPoint(math, level, addresses[zero]!, levelType(operands, step));
        const offset = zero >= 0 ? level : undefined;
        load(scale);
        if (op === 'QuantizeLinear') {
          a.vdivps(x, x, other);
          emitLevel(math, x, offset, levelType(operands, step));
          continue;
        }
        const levels = op === 'DequantizeAdd' ? t[2]! : x;
        if (op === 'DequantizeAdd') {
          const at = operands.findIndex(({ input }) => input === inputs[0]);
          const { perColumn, dtype } = operands[at]!;
          if (perColumn)
            loadLevels(math, levels, addresses[at]!, v * isa.lanes, dtype as LevelType, masked && v === vectors - 1);
          else loadZeroPoint(math, levels, addresses[at]!, dtype as LevelType);
        }
        if (offset !== undefined) a.vsubps(levels, levels, offset);
        a.vmulps(levels, levels, other);
        if (op === 'DequantizeAdd') a.vaddps(x, x, levels);
      } else if (op in arithmetic) {
        load(inputs[0]);
        const [left, right] = position === 0 ? [x, other] : [other, x];
        a[arithmetic[op as keyof typeof arithmetic]](x, left, right);
      } else if (op === 'Clip') {
        // The processor's minimum and maximum give their second operand where one is NaN.
        if (load(inputs[0])) a.vmaxps(x, other, x);
        if (load(inputs[1])) a.vminps(x, other, x);
      } else {
        activations[op]!(math, x, t, attrs);
      }
    }
  }
}
