/** Softmax and its logarithm, of float32, over any axis. */

import { type Call, normalizeAxis, sizeOf } from '@espalier/core';
import { addressOf, sameSize, unitElements, unitRows } from '@espalier/lowering';
import { isas, type WasmKernel } from '../../kernel.ts';
import type { WasmCall, WasmPhase } from '../../program.ts';
import { elementLaw, elementWork, programOf } from '../elements.ts';
import { emitSoftmaxColumns, stripeWords } from './columns.ts';
import { emitSoftmaxRows } from './rows.ts';

/** Multiply-adds of an element. */
const COST = 22;

/** What lies before, along and behind the axis. */
function extentsOf({ inputs: [x] }: WasmCall, axis: number): [outer: number, extent: number, inner: number] {
  const { dims } = x!;
  return [sizeOf(dims.slice(0, axis)), dims[axis]!, sizeOf(dims.slice(axis + 1))];
}

function addresses({ inputs: [x], outputs: [y] }: WasmCall): [from: number, to: number] {
  sameSize('input and output', x, y);
  return [addressOf(x), addressOf(y)];
}

function rowsPhase(axis: number): Omit<WasmPhase, 'code'> {
  const sizes = (call: WasmCall): [rows: number, unit: number, columns: number] => {
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

/** Units of stripes: four neighbours along the innermost axes, with all that is along the axis. */
function columnsPhase(axis: number): Omit<WasmPhase, 'code'> {
  const sizes = (call: WasmCall) => {
    const [outer, extent, inner] = extentsOf(call, axis);
    const perMatrix = Math.ceil(inner / 4);
    const stripes = extent > 0 ? outer * perMatrix : 0;
    const unit = Math.max(1, Math.floor(unitElements(stripes * extent * 4, call.threads) / (extent * 4)));
    return { extent, inner, perMatrix, stripes, unit };
  };
  return {
    units: (call) => {
      const { stripes, unit } = sizes(call);
      return Math.ceil(stripes / unit);
    },
    args(call) {
      const [from, to] = addresses(call);
      const values = { ...sizes(call), from, to };
      return stripeWords.map((name) => values[name]);
    },
  };
}

const axisOf = ({ inputs: [x], attrs }: Call): number => normalizeAxis(attrs['axis'] as number, x!.shape.length);

export const softmax: readonly WasmKernel[] = /* @__PURE__ */ isas.flatMap((isa) =>
  ['Softmax', 'LogSoftmax'].map((op): WasmKernel => {
    const name = `${op.toLowerCase()}_f32_dense_4__${isa.name}`;
    const recipe = { isRelaxed: isa.isRelaxed, isLog: op === 'LogSoftmax' };
    return {
      name,
      op,
      requires: isa.requires,
      types: { T: ['float32'] },
      work: (call, at) => elementWork(call, at, COST),
      law: elementLaw,
      prepare: (call, _constants, engine) => {
        const axis = axisOf(call);
        return axis === call.inputs[0]!.shape.length - 1
          ? programOf(engine, `${name} rows`, recipe, (_, each) => emitSoftmaxRows(each), rowsPhase(axis))
          : programOf(engine, `${name} columns`, recipe, (_, each) => emitSoftmaxColumns(each), columnsPhase(axis));
      },
    };
  }),
);
