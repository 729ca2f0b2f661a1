/** How ops are written here: a plain function over whole operands that says what to do, in units. */

import {
  type Attributes,
  atNode,
  type Binding,
  bindShape,
  byteLength,
  type Call,
  type DType,
  dtypes,
  type HostKernel,
  type HostOperand,
  type Phase,
  type Rejection,
  sizeOf,
  type Tensor,
  type TypedArray,
  type Work,
} from '@espalier/core';
import { narrow, widen } from './widen.ts';

/** An operand as ops see it: float16 and bfloat16 as float32 (unless `raw`), 4-bit integers as bytes. */
export interface Operand {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly size: number;
  // biome-ignore lint/suspicious/noExplicitAny: ops are written once for every element type; number and bigint do not mix in one call.
  readonly data: any;
}

export interface Operands {
  readonly inputs: readonly (Operand | undefined)[];
  readonly outputs: readonly (Operand | undefined)[];
  readonly attrs: Attributes;
  readonly at: Binding;
}

interface Row {
  readonly op: string;
  readonly domain?: string;
  /** Narrows the schema's type variables, where the op is not written for all of them. */
  readonly types?: Readonly<Record<string, readonly DType[]>>;
  /** Tells rows of one op apart in their names. */
  readonly variant?: string;
  /** Why a call of the right dtypes cannot be served. */
  reject?(call: Call): string | undefined;
  /** Multiply-adds (or element operations) for concrete shapes; the outputs' elements when absent. */
  macs?(
    inputs: readonly (readonly number[] | undefined)[],
    outputs: readonly (readonly number[] | undefined)[],
    call: Call,
  ): number;
}

/** An op whose outputs have the shapes that its schema infers. */
export interface JsOp extends Row {
  /** Element bits are moved, not computed with: half types stay as they are. */
  readonly raw?: boolean;
  compute(io: Operands): Phase | readonly Phase[];
}

/** An op whose outputs' shapes depend on data, or that handles strings. */
export interface JsDynamicOp extends Row {
  evaluate(call: Call, inputs: readonly (Tensor | undefined)[]): Generator<void, readonly Tensor[]>;
}

/** The row for an op in the backend's table. */
export function define(op: JsOp | JsDynamicOp): HostKernel {
  const row = {
    name: [op.op.toLowerCase(), op.variant, 'dense__js'].filter(Boolean).join('_'),
    op: op.op,
    ...(op.domain ? { domain: op.domain } : {}),
    ...(op.types ? { types: op.types } : {}),
    work: (call: Call, at: Binding): Work | Rejection => {
      const reason = op.reject?.(call);
      return reason === undefined ? work(op, call, at) : { reason };
    },
  };
  if ('evaluate' in op) return { ...row, evaluate: (call, inputs) => evaluate(op, call, inputs) };
  return { ...row, prepare: () => ({ resident: 0, start: (call) => start(op, call) }) };
}

function* evaluate(op: JsDynamicOp, call: Call, inputs: readonly (Tensor | undefined)[]) {
  try {
    return yield* op.evaluate(call, inputs);
  } catch (error) {
    throw atNode(call, error);
  }
}

function work(op: Row, call: Call, at: Binding): Work {
  const inputs = call.inputs.map((desc) => desc && bindShape(desc.shape, at));
  const outputs = call.outputs.map((desc) => desc && bindShape(desc.shape, at));
  let bytes = 0;
  call.inputs.forEach((desc, i) => {
    if (desc) bytes += byteLength(desc.dtype, sizeOf(inputs[i]!));
  });
  call.outputs.forEach((desc, i) => {
    if (desc) bytes += byteLength(desc.dtype, sizeOf(outputs[i]!));
  });
  const elements = outputs.reduce((sum, dims) => sum + (dims ? sizeOf(dims) : 0), 0);
  return { macs: op.macs?.(inputs, outputs, call) ?? elements, bytes, resident: 0 };
}

function start(
  op: JsOp,
  call: {
    inputs: readonly (HostOperand | undefined)[];
    outputs: readonly (HostOperand | undefined)[];
    attrs: Attributes;
    at: Binding;
  },
): readonly Phase[] {
  const before: Phase[] = [];
  const after: Phase[] = [];
  const wide = (operand: HostOperand | undefined, isOutput: boolean): Operand | undefined => {
    if (!operand) return undefined;
    const { dtype, dims } = operand;
    const size = sizeOf(dims);
    const isHalf = dtype === 'float16' || dtype === 'bfloat16';
    if (!(dtypes[dtype].bits === 4 || (isHalf && !op.raw))) return { dtype, dims, size, data: operand.data };
    const data: TypedArray = isHalf
      ? new Float32Array(size)
      : dtype === 'int4'
        ? new Int8Array(size)
        : new Uint8Array(size);
    if (isOutput) after.push(narrow(dtype, data, operand.data, size));
    else before.push(widen(dtype, operand.data, data, size));
    return { dtype, dims, size, data };
  };
  const inputs = call.inputs.map((operand) => wide(operand, false));
  const outputs = call.outputs.map((operand) => wide(operand, true));
  // Widened inputs are not there yet when phases are made, so an op may look at data only inside them.
  const phases = op.compute({ inputs, outputs, attrs: call.attrs, at: call.at });
  return [...before, ...(Array.isArray(phases) ? phases : [phases]), ...after];
}

/** One unit per element of the first output. */
export function each(size: number, run: (from: number, to: number) => void): Phase {
  return { units: size, run };
}

/** Units that are more than an element each. */
export function units(count: number, run: (unit: number) => void, sequential = false): Phase {
  const all = (from: number, to: number): void => {
    for (let unit = from; unit < to; unit++) run(unit);
  };
  return { units: count, sequential, run: all };
}

/** One unit in all: for work that is always small. */
export function once(run: () => void): Phase {
  return { units: 1, run: (from, to) => void (from < to && run()) };
}
