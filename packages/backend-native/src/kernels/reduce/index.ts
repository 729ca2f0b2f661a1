/** Reductions of float32 and int32 along any axes. */

import { bindShape, type Call, type Constants, dtypes, sizeOf } from '@espalier/core';
import { foldedAxes, foldsNeighbours, reductionWalk, tensorBytes, unitElements, walkArgs } from '@espalier/lowering';
import type { NativeKernel } from '../../kernel.ts';
import type { NativeCall } from '../../program.ts';
import { programOf } from '../elements.ts';
import { widths } from '../row.ts';
import { MOST_AXES } from '../walk.ts';
import { emitReduction, MOST_FOLDED } from './emit.ts';
import { type Reduction, reductions } from './functions.ts';

type Width = (typeof widths)[number];

/** The axes that are folded, or why they cannot be. */
function axesOf(call: Call, constants: Constants): readonly number[] | string {
  const axes = foldedAxes(call, constants);
  if (typeof axes === 'string') return axes;
  const groups = axes.filter((axis) => !axes.includes(axis - 1)).length;
  if (groups > MOST_FOLDED) return `its axes [${axes}] are more than ${MOST_FOLDED} runs`;
  return call.inputs[0]!.shape.length > MOST_AXES ? `its rank is more than ${MOST_AXES}` : axes;
}

function row(reduction: Reduction, { name, isWide, lanes, requires }: Width): NativeKernel {
  const { op, dtype, cost } = reduction;
  return {
    name: `${op.toLowerCase()}_${dtypes[dtype].short}_dense_${lanes}__${name}`,
    op,
    requires,
    types: { T: [dtype] },
    work(call, at, constants) {
      const axes = axesOf(call, constants);
      if (typeof axes === 'string') return { reason: axes };
      const [inputs, outputs] = [call.inputs[0]!, call.outputs[0]!].map(({ shape }) => sizeOf(bindShape(shape, at)));
      const ends = foldsNeighbours(call, axes) ? END * lanes * outputs! : 0;
      return { macs: cost[isWide ? 0 : 1] * inputs! + ends, bytes: tensorBytes(call, at), resident: 0 };
    },
    prepare(call, constants, engine) {
      const axes = axesOf(call, constants) as readonly number[];
      const inner = foldsNeighbours(call, axes);
      const layout = (bound: NativeCall) => layOut(bound, axes, inner);
      return programOf(engine, isWide, [emitReduction, reduction, inner], {
        units: (bound) => layout(bound).units,
        args: (bound) => layout(bound).args,
      });
    },
  };
}

/** What it takes to begin and to end a total beside its elements, in multiply-adds of a vector. */
const END = 8;

/** Units of rows end where blocks of vectors do. */
const GRAIN = 64;

function layOut(
  { inputs: [x], outputs: [y], threads }: NativeCall,
  axes: readonly number[],
  inner: boolean,
): { units: number; args: number[] } {
  const { size, count, folded, kept } = reductionWalk(x!.dims, y!.dims, axes, inner, 4);
  // What is left out, or was one, is one.
  const words = Array.from({ length: MOST_FOLDED }, (_, i) => [folded[i]?.extent ?? 1, folded[i]?.strides[1] ?? 0]);
  const share = unitElements(size * count, threads) / Math.max(1, count);
  const unit = inner ? Math.max(1, Math.floor(share)) : Math.ceil(share / GRAIN) * GRAIN;
  return {
    units: Math.ceil(size / unit),
    args: [...words.flat(), count, 0, ...walkArgs(kept, unit, [y!.address, x!.address])],
  };
}

export const reduce: readonly NativeKernel[] = widths.flatMap((width) => reductions.map((each) => row(each, width)));
