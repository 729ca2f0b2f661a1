/** Reductions of float32 and int32 along any axes. */

import {
  bindShape,
  type Call,
  type Constants,
  dtypes,
  EspalierError,
  formatShape,
  reducedAxes,
  sizeOf,
  stridesOf,
} from '@espalier/core';
import { type Axis, mergeAxes } from '@espalier/lowering';
import type { NativeKernel } from '../../kernel.ts';
import type { NativeCall } from '../../program.ts';
import { programOf, tensorBytes } from '../elements.ts';
import { unitElements, widths } from '../row.ts';
import { MOST_AXES, walkArgs } from '../walk.ts';
import { emitReduction, MOST_FOLDED } from './emit.ts';
import { type Reduction, reductions } from './functions.ts';

type Width = (typeof widths)[number];

/** The axes that are folded, or why they are not known. */
function axesOf({ op, inputs: [x, given], attrs }: Call, constants: Constants): readonly number[] | string {
  if (op.startsWith('Global')) return x!.shape.flatMap((_, axis) => (axis < 2 ? [] : [axis]));
  if (given && !constants[1]) return 'its axes are not constant';
  const list = constants[1] ? Array.from(constants[1].tensor.data as BigInt64Array, Number) : [];
  const axes = reducedAxes(list, x!.shape.length, attrs['noop_with_empty_axes'] === 1);
  const groups = axes.filter((axis) => !axes.includes(axis - 1)).length;
  if (groups > MOST_FOLDED) return `its axes [${axes}] are more than ${MOST_FOLDED} runs`;
  return x!.shape.length > MOST_AXES ? `its rank is more than ${MOST_AXES}` : axes;
}

/** True where what is folded stands together: where no axis longer than 1 that stays comes last. */
function isInner({ inputs: [x] }: Call, axes: readonly number[]): boolean {
  const last = x!.shape.findLastIndex((d) => d !== 1);
  return last < 0 || axes.includes(last);
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
      const ends = isInner(call, axes) ? END * lanes * outputs! : 0;
      return { macs: cost[isWide ? 0 : 1] * inputs! + ends, bytes: tensorBytes(call, at), resident: 0 };
    },
    prepare(call, constants, engine) {
      const axes = axesOf(call, constants) as readonly number[];
      const inner = isInner(call, axes);
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
  const kept = x!.dims.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
  const [size, count] = [sizeOf(kept), sizeOf(axes.map((axis) => x!.dims[axis]!))];
  if (sizeOf(y!.dims) !== size)
    throw new EspalierError('SHAPE_MISMATCH', `${formatShape(kept)} has not the size of ${formatShape(y!.dims)}`);
  const strides = [stridesOf(kept), stridesOf(x!.dims)];
  /** What runs along some axes, with a first axis of neighbours where code counts on them. */
  const along = (isFolded: boolean): Axis[] => {
    const chosen = x!.dims.flatMap((_, axis) => (axes.includes(axis) === isFolded ? [axis] : []));
    const merged = mergeAxes(
      chosen.map((axis) => x!.dims[axis]!),
      // Along folded axes the result stays where it is; a stride of its own would keep them from being one.
      strides.map((each, i) => chosen.map((axis) => (isFolded && i === 0 ? 0 : 4 * each[axis]!))),
    );
    const isApart = isFolded === inner && merged[0]!.strides[1] !== 4;
    return isApart ? [{ extent: 1, strides: [4, 4] }, ...merged] : merged;
  };
  const folded = along(true);
  // What is left out, or was one, is one.
  const words = Array.from({ length: MOST_FOLDED }, (_, i) => [folded[i]?.extent ?? 1, folded[i]?.strides[1] ?? 0]);
  const share = unitElements(size * count, threads) / Math.max(1, count);
  const unit = inner ? Math.max(1, Math.floor(share)) : Math.ceil(share / GRAIN) * GRAIN;
  return {
    units: Math.ceil(size / unit),
    args: [...words.flat(), count, 0, ...walkArgs(along(false), unit, [y!.address, x!.address])],
  };
}

export const reduce: readonly NativeKernel[] = widths.flatMap((width) => reductions.map((each) => row(each, width)));
