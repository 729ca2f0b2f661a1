/** What is done to a product before it is stored: which steps there are, and their code. */

import { type Call, dim, type EpilogueOp, type EpilogueStep, type Rejection } from '@espalier/core';
import type { Address, Assembler, Vector } from '@espalier/x64';
import { Vectors } from '../../math/index.ts';
import { ACTIVATION_TEMPORARIES, activations } from '../activations.ts';
import { avx512, type Isa } from './isa.ts';

/** An input of the node that a step reads: one element for each column, or one for all columns of a row. */
export interface EpilogueOperand {
  readonly input: number;
  readonly perColumn: boolean;
}

export interface Epilogue {
  readonly steps: readonly EpilogueStep[];
  readonly operands: readonly EpilogueOperand[];
}

/** A register for the address of each. */
export const MOST_OPERANDS = 10;

/** The epilogue of a product with `n` columns, or why its operands cannot be read. */
export function epilogueOf({ epilogue, inputs }: Call): Epilogue | Rejection {
  const operands: EpilogueOperand[] = [];
  const isVector = inputs[1]!.shape.length === 1;
  const n = isVector ? 1 : inputs[1]!.shape.at(-1)!;
  for (const input of new Set(epilogue.flatMap((step) => step.inputs))) {
    const desc = inputs[input];
    if (!desc) continue;
    if (desc.dtype !== 'float32') return { reason: `input ${input} is ${desc.dtype}; its epilogue takes float32` };
    // Of a vector the result has no columns, so that its operands have none either.
    const last = isVector ? 1 : (desc.shape.at(-1) ?? 1);
    if (last !== 1 && dim.equal(last, n) !== true)
      return { reason: `cannot tell whether the ${last} columns of input ${input} are the ${n} of the result` };
    operands.push({ input, perColumn: last !== 1 });
  }
  if (operands.length > MOST_OPERANDS) return { reason: `its epilogue reads more than ${MOST_OPERANDS} tensors` };
  return { steps: epilogue, operands };
}

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
    for (const { op, attrs, inputs, position } of steps) {
      if (op in arithmetic) {
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
