/** Element by element ops of float32. */

import { type Call, dim, sizeOf } from '@espalier/core';
import type { NativeKernel } from '../../kernel.ts';
import type { NativeCall, NativePhase } from '../../program.ts';
import { addressOf, elementWork, programOf, sameSize } from '../elements.ts';
import { unitElements, widths } from '../row.ts';
import { binaryArgs, emitBinary, emitUnary } from './emit.ts';
import { binaryOps, clip, type Pointwise, unaryOps } from './functions.ts';
import { walk } from './walk.ts';

type Width = (typeof widths)[number];
type Rest = Pick<NativeKernel, 'prepare'> & { reject?(call: Call): string | undefined };

function row(
  { op, cost }: Pointwise,
  { name, isWide, lanes, requires }: Width,
  { reject, prepare }: Rest,
): NativeKernel {
  return {
    name: `${op.toLowerCase()}_f32_dense_${lanes}__${name}`,
    op,
    requires,
    types: { T: ['float32'] },
    work(call, at) {
      const reason = reject?.(call);
      return reason === undefined ? elementWork(call, at, isWide, cost) : { reason };
    },
    prepare,
  };
}

const total = ({ outputs: [y] }: NativeCall): number => sizeOf(y!.dims);
const unitOf = (call: NativeCall): number => unitElements(total(call), call.threads);
const units = (call: NativeCall): number => Math.ceil(total(call) / unitOf(call));

const unaryPhase: Omit<NativePhase, 'code'> = {
  units,
  args: (call) => {
    const [x, ...scalars] = call.inputs;
    const size = sameSize('input and output', x, call.outputs[0]);
    return [size, unitOf(call), ...[call.outputs[0], x, ...scalars].map(addressOf)];
  },
};

const unary = (function_: Pointwise, width: Width, reject?: Rest['reject']): NativeKernel =>
  row(function_, width, {
    ...(reject ? { reject } : {}),
    prepare: ({ inputs: [, ...scalars], attrs }, _, engine) => {
      const given = scalars.map((desc) => desc !== undefined);
      return programOf(engine, width.isWide, (v) => emitUnary(v, function_.emit, attrs, given), unaryPhase);
    },
  });

const binaryPhase: Omit<NativePhase, 'code'> = {
  units,
  args: (call) => {
    const [[a, b], [y]] = [call.inputs, call.outputs];
    return binaryArgs(total(call), unitOf(call), [y, a, b].map(addressOf), walk(y!.dims, a!.dims, b!.dims));
  },
};

const binary = (function_: Pointwise, width: Width): NativeKernel =>
  row(function_, width, {
    reject: ({ inputs }) => (inputs.length === 2 ? undefined : `takes two inputs, not ${inputs.length}`),
    prepare: ({ attrs }, _, engine) =>
      programOf(engine, width.isWide, (v) => emitBinary(v, function_.emit, attrs), binaryPhase),
  });

const scalarBounds = ({ inputs: [, ...bounds] }: Call): string | undefined =>
  bounds.every((bound) => !bound || dim.equal(dim.product(bound.shape), 1) === true)
    ? undefined
    : 'its bounds are not known to be scalars';

export const pointwise: readonly NativeKernel[] = widths.flatMap((width) => [
  ...unaryOps.map((each) => unary(each, width)),
  unary(clip, width, scalarBounds),
  ...binaryOps.map((each) => binary(each, width)),
]);
