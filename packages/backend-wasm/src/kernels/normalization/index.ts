/** Layer normalisation of float32 over the last axis, alone and after the sum with a residual. */

import { type Call, dim, ESPALIER, normalizeAxis, sizeOf, type TensorDesc } from '@espalier/core';
import { addressOf, columnsOf, sameSize, unitRows } from '@espalier/lowering';
import { isas, type WasmKernel } from '../../kernel.ts';
import type { WasmCall, WasmOperand, WasmPhase } from '../../program.ts';
import { elementLaw, elementWork, programOf } from '../elements.ts';
import { emitLayerNormalization, type Pointers, pointersOf, type Variant } from './emit.ts';

interface Row {
  readonly op: string;
  readonly domain?: string;
  readonly types: NonNullable<WasmKernel['types']>;
  /** Multiply-adds of an element. */
  readonly cost: number;
  /** Operands of a call, by name. */
  operands<T>(call: {
    readonly inputs: readonly (T | undefined)[];
    readonly outputs: readonly (T | undefined)[];
  }): Pointers<T | undefined>;
}

const rows: readonly Row[] = [
  {
    op: 'LayerNormalization',
    types: { T: ['float32'], U: ['float32'] },
    cost: 8,
    operands: ({ inputs: [x, scale, bias], outputs: [y] }) => ({ x, skip: undefined, y, sum: undefined, scale, bias }),
  },
  {
    op: 'SkipLayerNormalization',
    domain: ESPALIER,
    types: { T: ['float32'] },
    cost: 10,
    operands: ({ inputs: [x, skip, scale, bias], outputs: [y, sum] }) => ({ x, skip, y, sum, scale, bias }),
  },
];

/** Why a call cannot be served. */
function rejection(
  { op, outputs, attrs }: Call,
  { x, scale, bias }: Pointers<TensorDesc | undefined>,
): string | undefined {
  const rank = x!.shape.length;
  if (normalizeAxis(attrs['axis'] as number, rank) !== rank - 1) return 'it normalises axes other than the last';
  if (op === 'LayerNormalization' && outputs.slice(1).some(Boolean)) return 'it has no mean and deviation as outputs';
  if (op === 'LayerNormalization' && attrs['stash_type'] !== 1) return 'it computes in float32 only';
  for (const vector of [scale, bias]) {
    const isVector = !vector || (vector.shape.length === 1 && dim.equal(vector.shape[0]!, x!.shape.at(-1)!) === true);
    if (!isVector) return 'its scale and bias are not known to be vectors of the last axis';
  }
  return undefined;
}

function phase(row: Row, variant: Variant): Omit<WasmPhase, 'code'> {
  const rowsOf = (call: WasmCall): number => sizeOf(call.inputs[0]!.dims.slice(0, -1));
  const unitOf = (call: WasmCall): number => unitRows(rowsOf(call), columnsOf(call), call.threads);
  return {
    units: (call) => (columnsOf(call) === 0 ? 0 : Math.ceil(rowsOf(call) / unitOf(call))),
    args: (call) => {
      const operands = row.operands<WasmOperand>(call);
      const { x, skip, y, sum, scale, bias } = operands;
      sameSize('operands', x, skip, y, sum);
      const last = { dtype: x!.dtype, address: 0, dims: [columnsOf(call)] };
      sameSize('scale, bias and the last axis', last, scale, bias);
      const { moving, fixed } = pointersOf(variant);
      return [
        rowsOf(call),
        unitOf(call),
        columnsOf(call),
        ...[...moving, ...fixed].map((name) => addressOf(operands[name])),
      ];
    },
  };
}

export const normalization: readonly WasmKernel[] = /* @__PURE__ */ isas.flatMap((isa) =>
  rows.map((row): WasmKernel => {
    const name = `${row.op.toLowerCase()}_f32_dense_4__${isa.name}`;
    return {
      name,
      op: row.op,
      ...(row.domain ? { domain: row.domain } : {}),
      requires: isa.requires,
      types: row.types,
      work(call, at) {
        const reason = rejection(call, row.operands<TensorDesc>(call));
        return reason === undefined ? elementWork(call, at, row.cost) : { reason };
      },
      law: elementLaw,
      prepare: (call, _constants, engine) => {
        const { skip, sum, bias } = row.operands<TensorDesc>(call);
        const variant: Variant = {
          isRelaxed: isa.isRelaxed,
          epsilon: call.attrs['epsilon'] as number,
          hasSkip: skip !== undefined,
          hasSum: sum !== undefined,
          hasBias: bias !== undefined,
        };
        return programOf(engine, name, variant, (_, each) => emitLayerNormalization(each), phase(row, variant));
      },
    };
  }),
);
