/** Ops that move elements, whatever they are: copies, gathers and scatters, and small tensors made of sizes. */

import {
  type Binding,
  bindShape,
  type Call,
  type Constants,
  type DType,
  dtypes,
  type EspalierError,
  normalizeAxis,
  type Rejection,
  sizeOf,
  type Tensor,
  type TensorDesc,
  type Work,
} from '@espalier/core';
import {
  agree,
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
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeCall, NativePhase, NativeProgram } from '../../program.ts';
import type { Size } from '../lanes.ts';
import { scattered } from '../reduce/functions.ts';
import { widths } from '../row.ts';
import { MOST_AXES } from '../walk.ts';
import { type MovementCode, movementCode } from './code.ts';
import { type Copy, copyOf, costOf, type Piece } from './pieces.ts';

type Width = (typeof widths)[number];

/** All that whole bytes hold. */
const types = (Object.keys(dtypes) as DType[]).filter((dtype) => dtypes[dtype].bits >= 8);
const sizeIn = ({ dtype }: { readonly dtype: DType }): Size => (dtypes[dtype].bits / 8) as Size;

interface Row {
  readonly op: string;
  readonly domain?: string;
  readonly types?: NativeKernel['types'];
  reject?(call: Call, constants: Constants): string | undefined;
  /** Bytes that are read and written. */
  bytes(call: Call, at: Binding): number;
  /** What an element of the result takes beside them, in multiply-adds of a vector's element; nothing when absent. */
  cost?(call: Call, at: Binding, isWide: boolean): number;
  program(call: Call, constants: Constants, engine: Engine, code: MovementCode): NativeProgram;
}

/** What is left of a program when its code is shared. */
function row(
  { op, domain, types: given, reject, bytes, cost, program }: Row,
  { name, isWide, requires }: Width,
): NativeKernel {
  return {
    name: `${op.toLowerCase()}_any_dense_${isWide ? 64 : 32}__${name}`,
    op,
    ...(domain ? { domain } : {}),
    requires,
    types: given ?? { T: types },
    work(call, at, constants): Work | Rejection {
      const reason = [...call.inputs, ...call.outputs].some((desc) => desc && desc.shape.length > MOST_AXES / 2)
        ? `a rank is more than ${MOST_AXES / 2}`
        : reject?.(call, constants);
      if (reason !== undefined) return { reason };
      const elements = sizeOf(bindShape(call.outputs[0]?.shape ?? [], at));
      return { macs: (cost?.(call, at, isWide) ?? 0) * elements, bytes: bytes(call, at), resident: 0 };
    },
    prepare(call, constants, engine) {
      const code = movementCode(engine, isWide);
      const made = program(call, constants, engine, code);
      return {
        ...made,
        dispose() {
          made.dispose?.();
          code.release();
        },
      };
    },
  };
}

/** Copies whose pieces follow from a bound call. */
function copyPhase(code: MovementCode, size: Size, pieces: (bound: NativeCall) => readonly Piece[]): NativePhase {
  let last: { readonly bound: NativeCall; readonly copy: Copy } | undefined;
  const copy = (bound: NativeCall): Copy => {
    if (last?.bound !== bound) last = { bound, copy: copyOf(pieces(bound), size, code, bound.threads) };
    return last.copy;
  };
  return {
    code: code.entries.get('dispatch')!,
    units: (bound) => copy(bound).units,
    args: (bound) => copy(bound).args,
  };
}

/** An element in memory of its own. */
function element({ memory }: Engine, bytes: Uint8Array): { readonly address: number; dispose(): void } {
  const buffer = memory.alloc(64);
  buffer.view.fill(0).set(bytes);
  return { address: buffer.address, dispose: () => memory.free(buffer) };
}

/** As the pieces are laid out for a call's sizes, wherever its operands will be. */
const turned =
  (pieces: Rearrangement['pieces']): NonNullable<Row['cost']> =>
  (call, at, isWide) => {
    const operand = (desc: TensorDesc | undefined) =>
      desc && { dtype: desc.dtype, dims: bindShape(desc.shape, at), address: 0 };
    const [inputs, outputs] = [call.inputs.map(operand), call.outputs.map(operand)];
    const size = sizeIn(call.inputs[0]!);
    const [piece] = pieces({ inputs, outputs }, call, [], size, 0);
    return costOf(piece!, size, isWide);
  };

const rearrangement = ({ op, reject, turns, pieces }: Rearrangement): Row => ({
  op,
  types: op === 'Identity' ? { V: types } : { T: types },
  ...(reject ? { reject } : {}),
  bytes: movedBytes,
  ...(turns ? { cost: turned(pieces) } : {}),
  program(call, constants, engine, code) {
    const size = sizeIn(call.inputs[0]!);
    const zero = op === 'Pad' ? element(engine, new Uint8Array(0)) : undefined;
    const phase = copyPhase(code, size, (bound) => pieces(bound, call, constants, size, zero?.address ?? 0));
    return { resident: 0, phases: [phase], ...(zero ? { dispose: zero.dispose } : {}) };
  },
});

const constantOfShape: Row = {
  op: 'ConstantOfShape',
  types: { T2: types },
  bytes: (call, at) => bytesOf(call.outputs[0]!, at),
  program({ attrs, outputs }, _, engine, code) {
    const value = element(engine, (attrs['value'] as Tensor | undefined)?.bytes ?? new Uint8Array(0));
    const phase = copyPhase(code, sizeIn(outputs[0]!), (bound) => filled(bound, value.address));
    return { resident: 0, phases: [phase], dispose: value.dispose };
  },
};

/** A status says of which axis, of which extent. */
const AXES = 256;

/** Bytes of rows that are written in units of their own: lines, as threads share none. */
const LINE = 64;

function indexedPhase(code: number, argsOf: (bound: NativeCall) => IndexedRows, writes: boolean): NativePhase {
  const unitOf = ({ rows, row }: IndexedRows, { threads }: NativeCall): number => {
    if (!writes) return unitRows(rows, Math.ceil(row / 4), threads);
    const lines = Math.ceil(row / LINE);
    // No more units than threads, as each reads all indices.
    return LINE * Math.max(unitRows(lines, rows * (LINE / 4), threads), Math.ceil(lines / threads));
  };
  return {
    code,
    units(bound) {
      const args = argsOf(bound);
      if (!writes) return Math.ceil(args.rows / unitOf(args, bound));
      // Rows of nothing have indices to check.
      return args.rows > 0 ? Math.max(1, Math.ceil(args.row / unitOf(args, bound))) : 0;
    },
    args(bound) {
      const args = argsOf(bound);
      const words = { ...args, unit: unitOf(args, bound), status: bound.status };
      const axes = args.axes.flatMap(({ axis, extent, stride }) => [extent, stride, extent * AXES + axis + 1]);
      return [...indexedWords.map((name) => words[name]), ...axes];
    },
  };
}

const failure = (kind: number, found: bigint): EspalierError =>
  outOfRange((kind % AXES) - 1, Math.floor(kind / AXES), found);

const gathering = (op: string, given: NativeKernel['types'], rowsOf: typeof gatherRows): Row => ({
  op,
  types: given,
  bytes: (call, at) => movedBytes(call, at) + bytesOf(call.inputs[1]!, at),
  program: (call, _, _engine, { entries }) => {
    const entry = entries.get(`gather ${sizeIn(call.inputs[1]!)}`)!;
    return { resident: 0, phases: [indexedPhase(entry, (bound) => rowsOf(call, bound), false)], failure };
  },
});

/** The name of the code that writes updates. */
function scatterPart({ inputs: [data], attrs }: Call): string | undefined {
  if (attrs['reduction'] === 'none') return 'scatter none';
  const found = scattered.find(({ name, dtype }) => name === attrs['reduction'] && dtype === data!.dtype);
  return found && `scatter ${found.name} ${found.dtype}`;
}

const scatterND: Row = {
  op: 'ScatterND',
  reject: (call) =>
    scatterPart(call) ? undefined : `it reduces ${call.inputs[0]!.dtype} by ${call.attrs['reduction']}`,
  bytes: tensorBytes,
  program: (call, _, _engine, code) => {
    const copy = copyPhase(code, sizeIn(call.inputs[0]!), copied);
    const rowsOf = (bound: NativeCall): IndexedRows => scatterNDRows(call, bound);
    const write = indexedPhase(code.entries.get(scatterPart(call)!)!, rowsOf, true);
    return { resident: 0, phases: [copy, write], failure };
  },
};

const oneHot: Row = {
  op: 'OneHot',
  types: { T1: ['int64', 'int32'], T3: types },
  bytes: (call, at) => movedBytes(call, at) + bytesOf(call.inputs[0]!, at),
  program({ inputs: [indices], outputs: [out], attrs }, _, _engine, code) {
    const size = sizeIn(out!);
    const off = copyPhase(code, size, (bound) => filled(bound, bound.inputs[2]!.address));
    const on: NativePhase = {
      code: code.entries.get(`mark ${sizeIn(indices!)} ${size}`)!,
      units: ({ inputs: [x], outputs: [y] }) => (sizeOf(y!.dims) > 0 ? Math.min(1, sizeOf(x!.dims)) : 0),
      args({ inputs: [x, , values], outputs: [y] }) {
        const axis = normalizeAxis(attrs['axis'] as number, y!.dims.length);
        const [count, depth, inner] = [sizeOf(x!.dims), y!.dims[axis]!, sizeOf(y!.dims.slice(axis + 1))];
        agree(sizeOf(y!.dims), count * depth, 'the elements of its output');
        return [count, inner, depth, x!.address, y!.address, values!.address + size];
      },
    };
    return { resident: 0, phases: [off, on] };
  },
};

/** A few integers that a bound call tells. */
const sizes = ({ values, ...each }: SizeValues): Row => ({
  ...each,
  bytes: (call, at) => bytesOf(call.outputs[0]!, at),
  program(call, _, _engine, { entries }) {
    const phase: NativePhase = {
      code: entries.get(`words ${sizeIn(call.outputs[0]!)}`)!,
      units: (bound) => Math.min(1, sizeOf(bound.outputs[0]!.dims)),
      args(bound) {
        const found = values(call, bound);
        return [found.length, bound.outputs[0]!.address, ...found];
      },
    };
    return { resident: 0, phases: [phase] };
  },
});

const range: Row = {
  op: 'Range',
  types: { T: ['int64', 'int32'] },
  bytes: (call, at) => bytesOf(call.outputs[0]!, at),
  program: ({ outputs: [out] }, _, _engine, { entries }) => ({
    resident: 0,
    phases: [
      {
        code: entries.get(`count ${sizeIn(out!)}`)!,
        units: ({ outputs: [y] }) => Math.min(1, sizeOf(y!.dims)),
        args: ({ inputs: [start, , delta], outputs: [y] }) => [
          sizeOf(y!.dims),
          y!.address,
          start!.address,
          delta!.address,
        ],
      },
    ],
  }),
};

const rows: readonly Row[] = [
  ...rearrangements().map(rearrangement),
  constantOfShape,
  gathering('Gather', { T: types }, gatherRows),
  gathering('GatherND', undefined, gatherNDRows),
  scatterND,
  oneHot,
  ...sizeValues().map(sizes),
  range,
];

export const movement: readonly NativeKernel[] = widths.flatMap((width) => rows.map((each) => row(each, width)));
