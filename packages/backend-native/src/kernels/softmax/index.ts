/** Softmax and its logarithm, of float32, over any axis. */

import { type Call, normalizeAxis, sizeOf } from '@espalier/core';
import { addressOf, sameSize, unitElements, unitRows } from '@espalier/lowering';
import type { NativeKernel } from '../../kernel.ts';
import type { NativeCall, NativePhase } from '../../program.ts';
import { type Cost, elementWork, programOf } from '../elements.ts';
import { widths } from '../row.ts';
import { emitColumns } from './columns.ts';
import { emitSoftmaxRows } from './rows.ts';

const COST: Cost = [13.5, 19.5];

/** What lies before, along and behind the axis. */
function extentsOf({ inputs: [x] }: NativeCall, axis: number): [outer: number, extent: number, inner: number] {
  const { dims } = x!;
  return [sizeOf(dims.slice(0, axis)), dims[axis]!, sizeOf(dims.slice(axis + 1))];
}

const addresses = ({ inputs: [x], outputs: [y] }: NativeCall): number[] => {
  sameSize('input and output', x, y);
  return [addressOf(x), addressOf(y)];
};

function rowsPhase(axis: number): Omit<NativePhase, 'code'> {
  const sizes = (call: NativeCall): [rows: number, unit: number, columns: number] => {
    const [rows, columns] = extentsOf(call, axis);
    return [rows, unitRows(rows, columns, call.threads), columns];
  };
  return {
    units: (call) => {
      const [rows, unit, columns] = sizes(call);
      return columns === 0 ? 0 : Math.ceil(rows / unit);
    },
    args: (call) => [...sizes(call), ...addresses(call)],
  };
}

/** Units of stripes: a vector's worth of neighbours along the innermost axes, with all that is along the axis. */
function columnsPhase(axis: number, lanes: number): Omit<NativePhase, 'code'> {
  const sizes = (call: NativeCall) => {
    const [outer, extent, inner] = extentsOf(call, axis);
    const perRow = Math.ceil(inner / lanes);
    const stripes = extent > 0 ? outer * perRow : 0;
    const unit = Math.max(1, Math.floor(unitElements(stripes * extent * lanes, call.threads) / (extent * lanes)));
    return { extent, inner, perRow, stripes, unit };
  };
  return {
    units: (call) => {
      const { stripes, unit } = sizes(call);
      return Math.ceil(stripes / unit);
    },
    args: (call) => {
      const { extent, inner, perRow, stripes, unit } = sizes(call);
      return [stripes, unit, perRow, extent, inner, ...addresses(call)];
    },
  };
}

const axisOf = ({ inputs: [x], attrs }: Call): number => normalizeAxis(attrs['axis'] as number, x!.shape.length);

export const softmax: readonly NativeKernel[] = widths.flatMap(({ name, isWide, lanes, requires }) =>
  ['Softmax', 'LogSoftmax'].map((op): NativeKernel => {
    const isLog = op === 'LogSoftmax';
    return {
      name: `${op.toLowerCase()}_f32_dense_${lanes}__${name}`,
      op,
      requires,
      types: { T: ['float32'] },
      work: (call, at) => elementWork(call, at, isWide, COST),
      prepare: (call, _constants, engine) => {
        const axis = axisOf(call);
        return axis === call.inputs[0]!.shape.length - 1
          ? programOf(engine, isWide, [emitSoftmaxRows, isLog], rowsPhase(axis))
          : programOf(engine, isWide, [emitColumns, isLog], columnsPhase(axis, lanes));
      },
    };
  }),
);
