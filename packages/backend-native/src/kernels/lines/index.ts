/** Ops along one axis: sums so far, and where extreme elements are. */

import { bindShape, type Call, type Constants, type DType, dtypes, normalizeAxis, sizeOf } from '@espalier/core';
import { lineWalk, tensorBytes, unitElements, walkArgs } from '@espalier/lowering';
import type { NativeKernel } from '../../kernel.ts';
import type { NativeCall, NativePhase } from '../../program.ts';
import { type Cost, programOf } from '../elements.ts';
import type { Size } from '../lanes.ts';
import { widths } from '../row.ts';
import { MOST_AXES } from '../walk.ts';
import { emitCumulative, type SummedType, summedTypes } from './cumulative.ts';
import { LINE } from './emit.ts';
import { emitSearchAcross, emitSearchAlong, type Search } from './extreme.ts';

type Width = (typeof widths)[number];

const sizeOfType = (dtype: DType): Size => (dtypes[dtype].bits / 8) as Size;
const ranksBeyond = ({ inputs: [x] }: Call): string | undefined =>
  x!.shape.length > MOST_AXES ? `its rank is more than ${MOST_AXES}` : undefined;

/** How a bound call walks its lines. */
interface Layout {
  readonly axis: number;
  /** Elements of a line of the result: one, or as many as there are. */
  readonly isFolded: boolean;
  readonly areNeighbours: boolean;
  /** From the last element to the first. */
  readonly isReverse: boolean;
}

function phaseOf({ axis, isFolded, areNeighbours, isReverse }: Layout): Omit<NativePhase, 'code'> {
  const layOut = ({ inputs: [x], outputs: [y], threads }: NativeCall) => {
    const extent = isFolded ? 1 : x!.dims[axis]!;
    const bytes = [sizeOfType(y!.dtype), sizeOfType(x!.dtype)] as const;
    const lines = lineWalk(x!.dims, y!.dims, axis, extent, bytes, areNeighbours);
    const unit = Math.max(1, Math.floor(unitElements(sizeOf(x!.dims), threads) / Math.max(1, lines.length)));
    return { ...lines, unit };
  };
  return {
    units(bound) {
      const { count, length, unit } = layOut(bound);
      return length === 0 ? 0 : Math.ceil(count / unit);
    },
    args(bound) {
      const { length, steps, axes, unit } = layOut(bound);
      const [to, from] = steps.map((step) => (isReverse ? -step : step));
      const last = isReverse ? length - 1 : 0;
      const starts = [bound.outputs[0]!, bound.inputs[0]!].map(({ address }, i) => address + last * steps[i]!);
      const words = [length, to!, from!];
      return [...words, ...new Array<number>(LINE / 8 - words.length).fill(0), ...walkArgs(axes, unit, starts)];
    },
  };
}

function cumulative({ name, isWide, lanes, requires }: Width): NativeKernel {
  const cost: Cost = [9, 18];
  return {
    name: `cumsum_any_dense_${lanes}__${name}`,
    op: 'CumSum',
    requires,
    types: { T: summedTypes },
    work(call, at, constants) {
      const reason = constants[1] ? ranksBeyond(call) : 'its axis is not constant';
      if (reason !== undefined) return { reason };
      const elements = sizeOf(bindShape(call.inputs[0]!.shape, at));
      const perElement = isLast(call, axisOf(call, constants)) ? CHAIN * lanes : cost[isWide ? 0 : 1];
      return { macs: perElement * elements, bytes: tensorBytes(call, at), resident: 0 };
    },
    prepare(call, constants, engine) {
      const { inputs, attrs } = call;
      const emission = [emitCumulative, inputs[0]!.dtype as SummedType, attrs['exclusive'] === 1] as const;
      const isReverse = attrs['reverse'] === 1;
      const layout = { axis: axisOf(call, constants), isFolded: false, areNeighbours: true, isReverse };
      return programOf(engine, isWide, emission, phaseOf(layout));
    },
  };
}

/** What an addition waits for the one before, in multiply-adds. */
const CHAIN = 5;

function axisOf({ inputs: [x], attrs }: Call, constants: Constants): number {
  const axis = constants[1] ? Number(constants[1].tensor.data[0]) : (attrs['axis'] as number);
  return normalizeAxis(axis, x!.shape.length);
}

/** True where elements of a line stand together. */
const isLast = ({ inputs: [x] }: Call, axis: number): boolean =>
  x!.shape.every((extent, i) => i <= axis || extent === 1);

const searched: readonly { readonly of: string; readonly types: readonly DType[]; readonly cost: Cost }[] = [
  { of: 'f32', types: ['float32'], cost: [15, 18] },
  { of: 'int', types: ['int64', 'int32', 'int16', 'int8', 'uint32', 'uint16', 'uint8'], cost: [6, 8] },
];

const searches = (width: Width): NativeKernel[] =>
  ['ArgMax', 'ArgMin'].flatMap((op) => searched.map((each) => search(op, each, width)));

function search(
  op: string,
  { of, types, cost }: (typeof searched)[number],
  { name, isWide, lanes, requires }: Width,
): NativeKernel {
  return {
    name: `${op.toLowerCase()}_${of}_dense_${lanes / 2}__${name}`,
    op,
    requires,
    types: { T: types },
    work(call, at) {
      const reason = ranksBeyond(call);
      if (reason !== undefined) return { reason };
      const elements = sizeOf(bindShape(call.inputs[0]!.shape, at));
      return { macs: cost[isWide ? 0 : 1] * elements, bytes: tensorBytes(call, at), resident: 0 };
    },
    prepare(call, _, engine) {
      const { dtype } = call.inputs[0]!;
      const axis = axisOf(call, []);
      const along = isLast(call, axis);
      const recipe: Search = {
        dtype,
        size: sizeOfType(dtype),
        isSigned: dtypes[dtype].kind !== 'uint',
        isMost: op === 'ArgMax',
        isLast: call.attrs['select_last_index'] === 1,
      };
      const layout = { axis, isFolded: true, areNeighbours: !along, isReverse: false };
      return programOf(engine, isWide, [along ? emitSearchAlong : emitSearchAcross, recipe], phaseOf(layout));
    },
  };
}

export const lines: readonly NativeKernel[] = widths.flatMap((width) => [cumulative(width), ...searches(width)]);
