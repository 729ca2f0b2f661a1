/** Epilogues to try a kernel with: sequences of the steps that its row says it fuses, and their operands. */

import { type Attributes, type Dim, dtypes, type EpilogueOp, type EpilogueStep, type TensorDesc } from '@espalier/core';
import fc from 'fast-check';
import type { CaseInput } from './cases/define.ts';
import { awayFromZero, ordinary, uniform, type Values } from './values.ts';

/** The longest epilogue that is tried. */
const LONGEST = 3;

/** How an operand of a step broadcasts into the running value. */
const spreads = {
  scalar: () => [],
  one: () => [1],
  last: (shape) => shape.slice(-1),
  rows: (shape) => (shape.length < 2 ? [] : [shape.at(-2)!, 1]),
  channels: (shape) => (shape.length < 3 ? [] : [shape[1]!, ...shape.slice(2).map(() => 1)]),
  whole: (shape) => shape,
} satisfies Record<string, (shape: readonly Dim[]) => readonly Dim[]>;

/** One step before the running value's shape is known. */
export interface EpilogueChoice {
  readonly op: EpilogueOp;
  readonly spread: keyof typeof spreads;
  readonly second: boolean;
  readonly pick: number;
}

interface StepRule {
  /** Values of the other operands; scalars unless `spreads`. */
  readonly operands?: readonly Values[];
  readonly spreads?: boolean;
  readonly commutes?: boolean;
  readonly attrs?: readonly Attributes[];
}

const rules: Readonly<Record<EpilogueOp, StepRule>> = {
  Add: { operands: [ordinary], spreads: true, commutes: true },
  Sub: { operands: [ordinary], spreads: true },
  Mul: { operands: [ordinary], spreads: true, commutes: true },
  Div: { operands: [awayFromZero(1, 4)], spreads: true },
  Relu: {},
  Gelu: { attrs: [{ approximate: 'none' }, { approximate: 'tanh' }] },
  Sigmoid: {},
  Tanh: {},
  HardSigmoid: { attrs: [{}, { alpha: 0.25, beta: 0.375 }] },
  HardSwish: {},
  LeakyRelu: { attrs: [{}, { alpha: 0.125 }, { alpha: -0.5 }] },
  Elu: { attrs: [{}, { alpha: 0.5 }] },
  Clip: { operands: [uniform(-3, 0), uniform(0, 3)] },
  Erf: {},
  Mish: {},
  Softplus: {},
  QuantizeLinear: { operands: [uniform(1 / 64, 1 / 8), uniform(0, 9)] },
  DequantizeLinear: { operands: [uniform(1 / 64, 1 / 8), uniform(0, 9)] },
  DequantizeAdd: { operands: [uniform(0, 127), uniform(1 / 64, 1 / 8), uniform(0, 9)], spreads: true },
};

/** Which operand of a step is a zero point, and which is of its dtype. */
const zeroPoints: Readonly<Partial<Record<EpilogueOp, readonly number[]>>> = {
  QuantizeLinear: [1],
  DequantizeLinear: [1],
  DequantizeAdd: [0, 2],
};

/** Sequences of up to {@link LONGEST} of `fuses` in any order; what is quantised stays so, or is dequantised at once. */
export function epilogues(fuses: readonly EpilogueOp[]): fc.Arbitrary<readonly EpilogueChoice[]> {
  const choice = fc.record({
    op: fc.constantFrom(...fuses),
    spread: fc.constantFrom(...(Object.keys(spreads) as (keyof typeof spreads)[])),
    second: fc.boolean(),
    pick: fc.nat(5),
  });
  return fc
    .array(choice, { minLength: 1, maxLength: LONGEST })
    .map((steps) => steps.filter(({ op }) => op !== 'DequantizeLinear').flatMap(dequantized))
    .filter((steps) => steps.length > 0);

  function dequantized(step: EpilogueChoice, i: number, { length }: readonly EpilogueChoice[]): EpilogueChoice[] {
    if (step.op !== 'QuantizeLinear' || i === length - 1) return [step];
    return fuses.includes('DequantizeLinear') ? [step, { ...step, op: 'DequantizeLinear' }] : [];
  }
}

/** The steps for a kernel whose result is `output`; their inputs are numbered from `first` on, and follow. */
export function epilogueFor(
  choices: readonly EpilogueChoice[],
  output: TensorDesc,
  first: number,
): { readonly steps: readonly EpilogueStep[]; readonly inputs: readonly CaseInput[] } {
  const inputs: CaseInput[] = [];
  const steps = choices.map(({ op, spread, second, pick }): EpilogueStep => {
    const { operands = [], attrs = [{}], commutes, spreads: hasShape } = rules[op];
    const from = first + inputs.length;
    // A second bound may be left out.
    const given = op === 'Clip' && second ? operands.slice(0, 1) : operands;
    given.forEach((values, i) => {
      const isByte = zeroPoints[op]?.includes(i);
      const dtype = isByte ? (pick % 2 ? 'int8' : 'uint8') : output.dtype;
      const shape = hasShape && !(op === 'DequantizeAdd' && i > 0) ? spreads[spread](output.shape) : [];
      const isInteger = dtypes[dtype].kind !== 'float';
      inputs.push({ dtype, shape, values: isInteger && op === 'Div' ? uniform(1, 4) : values });
    });
    return {
      op,
      attrs: attrs[pick % attrs.length]!,
      inputs: given.map((_, i) => from + i),
      position: hasShape && operands.length === 1 && !commutes && second ? 1 : 0,
    };
  });
  return { steps, inputs };
}
