/** What is done to a convolution's result before it is stored, row by row of pixels of one channel. */

import {
  type Call,
  dim,
  type EpilogueStep,
  EspalierError,
  formatShape,
  type Rejection,
  sizeOf,
  type TensorDesc,
} from '@espalier/core';

/** An input of the node that a step reads: one element, one for each channel, or one for each of the result's. */
export interface PlaneOperand {
  readonly input: number;
  readonly per: 'tensor' | 'channel' | 'element';
}

export interface PlaneEpilogue {
  readonly steps: readonly EpilogueStep[];
  readonly operands: readonly PlaneOperand[];
}

/**
 * The bias first, where there is one, then the steps; or why their operands cannot be read.
 * @param most operands that code has room for
 */
export function planeEpilogue(
  { epilogue, inputs, outputs }: Call,
  bias?: number,
  most = Number.POSITIVE_INFINITY,
): PlaneEpilogue | Rejection {
  const hasBias = bias !== undefined && inputs[bias] !== undefined;
  const first: EpilogueStep[] = hasBias ? [{ op: 'Add', attrs: {}, inputs: [bias], position: 0 }] : [];
  const operands: PlaneOperand[] = hasBias ? [{ input: bias, per: 'channel' }] : [];
  for (const input of new Set(epilogue.flatMap((step) => step.inputs))) {
    const desc = inputs[input];
    if (!desc) continue;
    if (desc.dtype !== 'float32') return { reason: `input ${input} is ${desc.dtype}; its epilogue takes float32` };
    const per = perOf(desc, outputs[0]!);
    if (!per)
      return { reason: `cannot tell how input ${input} of [${desc.shape}] broadcasts to [${outputs[0]!.shape}]` };
    operands.push({ input, per });
  }
  if (operands.length > most) return { reason: `its epilogue reads more than ${most} tensors` };
  return { steps: [...first, ...epilogue], operands };
}

function perOf({ shape }: TensorDesc, { shape: y }: TensorDesc): PlaneOperand['per'] | undefined {
  if (shape.every((d) => d === 1)) return 'tensor';
  if (shape.length === y.length && shape.every((d, axis) => dim.equal(d, y[axis]!) === true)) return 'element';
  const channel = shape.length - y.length + 1;
  const isChannel = shape.every((d, axis) => (axis === channel ? dim.equal(d, y[1]!) === true : d === 1));
  return isChannel ? 'channel' : undefined;
}

/** @throws EspalierError `SHAPE_MISMATCH` where an operand has not the elements that are read */
export function checkPlaneOperands(
  { operands }: PlaneEpilogue,
  inputs: readonly ({ readonly dims: readonly number[] } | undefined)[],
  y: readonly number[],
): void {
  for (const { input, per } of operands) {
    const { dims } = inputs[input]!;
    const least = per === 'tensor' ? 1 : per === 'channel' ? y[1]! : sizeOf(y);
    if (sizeOf(dims) !== least)
      throw new EspalierError(
        'SHAPE_MISMATCH',
        `input ${input} of ${formatShape(dims)} has not one element per ${per} of ${formatShape(y)}`,
      );
  }
}
