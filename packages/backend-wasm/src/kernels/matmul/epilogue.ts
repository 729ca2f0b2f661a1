/** What is done to a product before it is stored: which operands its steps read. */

import { type Call, dim, type EpilogueStep, type Rejection } from '@espalier/core';
import { plainSteps } from '../epilogue.ts';

/** An input of the node that a step reads: one element for each column, or one for all columns of a row. */
export interface EpilogueOperand {
  readonly input: number;
  readonly perColumn: boolean;
}

export interface Epilogue {
  readonly steps: readonly EpilogueStep[];
  readonly operands: readonly EpilogueOperand[];
}

/** The epilogue of a product whose second operand is input `weights`, or why its own operands cannot be read. */
export function epilogueOf({ epilogue, inputs }: Call, weights = 1): Epilogue | Rejection {
  const operands: EpilogueOperand[] = [];
  const isVector = inputs[weights]!.shape.length === 1;
  const n = isVector ? 1 : inputs[weights]!.shape.at(-1)!;
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
  return { steps: plainSteps(epilogue), operands };
}
