/** Ops that move elements, whatever they are: copies, gathers and scatters, and small tensors made of sizes. */

import {
  type Binding,
  type Call,
  type Constants,
  type DType,
  dtypes,
  type EspalierError,
  type Rejection,
  sizeOf,
  type Tensor,
  type Work,
} from '@espalier/core';
import {
  bytesOf,
  copied,
  filled,
  gatherNDRows,
  gatherRows,
  type IndexedRows,
  indexedWords,
  movedBytes,
  outOfRange,
  type Rearrangement,
  rearrangements,
  type SizeValues,
  scatterNDRows,
  sizeValues,
  tensorBytes,
  unitRows,
} from '@espalier/lowering';
import type { Engine } from '../../engine.ts';
import type { WasmKernel } from '../../kernel.ts';
import type { WasmCall, WasmPhase, WasmProgram } from '../../program.ts';
import { elementLaw, programOf } from '../elements.ts';
import type { Size } from '../lanes.ts';
import { emitIndexed, type Indexed } from './indexed.ts';
import { copyProgram } from './program.ts';
import { emitCount, emitWords } from './values.ts';

/** All that whole bytes hold. */
const types = /* @__PURE__ */ (Object.keys(dtypes) as DType[]).filter((dtype) => dtypes[dtype].bits >= 8);
const sizeIn = ({ dtype }: { readonly dtype: DType }): Size => (dtypes[dtype].bits / 8) as Size;

interface Row {
  readonly op: string;
  readonly domain?: string;
  readonly types?: WasmKernel['types'];
  reject?(call: Call, constants: Constants): string | undefined;
  /** Bytes that are read and written. */
  bytes(call: Call, at: Binding): number;
  program(call: Call, constants: Constants, engine: Engine): Promise<WasmProgram>;
}

/** The same for engines with relaxed SIMD and without. */
const row = ({ op, domain, types: given, reject, bytes, program }: Row): WasmKernel => ({
  name: `${op.toLowerCase()}_any_dense_16__wasm`,
  op,
  ...(domain ? { domain } : {}),
  requires: ['simd'],
  types: given ?? { T: types },
  work(call, at, constants): Work | Rejection {
    const reason = reject?.(call, constants);
    return reason === undefined ? { macs: 0, bytes: bytes(call, at), resident: 0 } : { reason };
  },
  law: elementLaw,
  prepare: program,
});

const rearrangement = ({ op, reject, pieces }: Rearrangement): Row => ({
  op,
  types: op === 'Identity' ? { V: types } : { T: types },
  ...(reject ? { reject } : {}),
  bytes: movedBytes,
  program(call, constants, engine) {
    const size = sizeIn(call.inputs[0]!);
    return copyProgram(engine, size, op === 'Pad' ? new Uint8Array(size) : undefined, (bound, zero) =>
      pieces(bound, call, constants, size, zero),
    );
  },
});

const constantOfShape: Row = {
  op: 'ConstantOfShape',
  types: { T2: types },
  bytes: (call, at) => bytesOf(call.outputs[0]!, at),
  program({ attrs, outputs }, _, engine) {
    const size = sizeIn(outputs[0]!);
    const value = (attrs['value'] as Tensor | undefined)?.bytes ?? new Uint8Array(size);
    return copyProgram(engine, size, value, filled);
  },
};

function indexedPhase(argsOf: (bound: WasmCall) => IndexedRows, isSequential: boolean): Omit<WasmPhase, 'code'> {
  const unitOf = ({ rows, row }: IndexedRows, { threads }: WasmCall): number =>
    isSequential ? Math.max(1, rows) : unitRows(rows, Math.ceil(row / 16), threads);
  return {
    units(bound) {
      const args = argsOf(bound);
      return Math.ceil(args.rows / unitOf(args, bound));
    },
    args(bound) {
      const args = argsOf(bound);
      const words = { ...args, unit: unitOf(args, bound), status: bound.status };
      const axes = args.axes.flatMap(({ axis, extent, stride }) => [extent, stride, axis]);
      return [...indexedWords.map((name) => words[name]), ...axes];
    },
  };
}

const failure = (kind: number, found: bigint, extent: number): EspalierError => outOfRange(kind - 1, extent, found);

const indexedProgram = (
  engine: Engine,
  indexed: Indexed,
  argsOf: (bound: WasmCall) => IndexedRows,
): Promise<WasmProgram> =>
  programOf(engine, 'indexed', indexed, emitIndexed, indexedPhase(argsOf, indexed.way === 'scatter'), {
    failure,
  });

const gathering = (op: string, given: WasmKernel['types'], rowsOf: typeof gatherRows): Row => ({
  op,
  types: given,
  bytes: (call, at) => movedBytes(call, at) + bytesOf(call.inputs[1]!, at),
  program: (call, _, engine) => {
    const indexed: Indexed = { size: sizeIn(call.inputs[1]!) as 4 | 8, way: 'gather' };
    return indexedProgram(engine, indexed, (bound) => rowsOf(call, bound));
  },
});

const scatterND: Row = {
  op: 'ScatterND',
  reject: ({ attrs }) => (attrs['reduction'] === 'none' ? undefined : `it reduces by ${attrs['reduction']}`),
  bytes: tensorBytes,
  async program(call, _, engine) {
    const copy = await copyProgram(engine, sizeIn(call.inputs[0]!), undefined, copied);
    // In order, so that of updates of one place the last stays.
    const write = await indexedProgram(engine, { size: 8, way: 'scatter' }, (bound) => scatterNDRows(call, bound));
    return {
      resident: copy.resident + write.resident,
      phases: [...copy.phases, ...write.phases],
      failure,
      dispose() {
        copy.dispose!();
        write.dispose!();
      },
    };
  },
};

/** The two words of an integer. */
const halves = (value: number): number[] => [value | 0, Math.floor(value / 2 ** 32)];

/** A few integers that a bound call tells. */
const sizes = ({ values, ...each }: SizeValues): Row => ({
  ...each,
  bytes: (call, at) => bytesOf(call.outputs[0]!, at),
  program: (call, _, engine) =>
    programOf(engine, 'words', sizeIn(call.outputs[0]!) as 4 | 8, (_module, size) => emitWords(size), {
      units: (bound) => Math.min(1, sizeOf(bound.outputs[0]!.dims)),
      args(bound) {
        const found = values(call, bound);
        return [found.length, bound.outputs[0]!.address, ...found.flatMap(halves)];
      },
    }),
});

const range: Row = {
  op: 'Range',
  types: { T: ['int64', 'int32'] },
  bytes: (call, at) => bytesOf(call.outputs[0]!, at),
  program: ({ outputs: [out] }, _, engine) =>
    programOf(engine, 'count', sizeIn(out!) as 4 | 8, (_module, size) => emitCount(size), {
      units: ({ outputs: [y] }) => Math.min(1, sizeOf(y!.dims)),
      args: ({ inputs: [start, , delta], outputs: [y] }) => [
        sizeOf(y!.dims),
        y!.address,
        start!.address,
        delta!.address,
      ],
    }),
};

export const movement: readonly WasmKernel[] = /* @__PURE__ */ kernels();

function kernels(): WasmKernel[] {
  return [
    ...rearrangements().map(rearrangement),
    constantOfShape,
    gathering('Gather', { T: types }, gatherRows),
    gathering('GatherND', undefined, gatherNDRows),
    scatterND,
    ...sizeValues().map(sizes),
    range,
  ].map(row);
}
