/** Ops that move elements, whatever they are: copies, gathers and scatters, and small tensors made of sizes. */

import {
  type Binding,
  bindShape,
  byteLength,
  type Call,
  type Constants,
  type Dim,
  type DType,
  dim,
  dtypes,
  ESPALIER,
  EspalierError,
  normalizeAxis,
  type Rejection,
  sizeOf,
  stridesOf,
  type Tensor,
  type TensorDesc,
  type Work,
} from '@espalier/core';
import { type Rearrangement, rearrangements } from '@espalier/lowering';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeCall, NativePhase, NativeProgram } from '../../program.ts';
import { tensorBytes } from '../elements.ts';
import type { Size } from '../lanes.ts';
import { scattered } from '../reduce/functions.ts';
import { unitRows, widths } from '../row.ts';
import { MOST_AXES } from '../walk.ts';
import { type MovementCode, movementCode } from './code.ts';
import { type IndexedWord, indexedWords } from './indexed.ts';
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

/** Bytes of the result, twice: what is not moved is not read. */
const moved = ({ outputs }: Call, at: Binding): number =>
  2 * outputs.reduce((sum, y) => sum + (y ? bytesOf(y, at) : 0), 0);
const bytesOf = ({ dtype, shape }: TensorDesc, at: Binding): number => byteLength(dtype, sizeOf(bindShape(shape, at)));

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
  bytes: moved,
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
    const phase = copyPhase(code, sizeIn(outputs[0]!), ({ outputs: [y] }) => [
      {
        extents: y!.dims,
        to: { address: y!.address, strides: stridesOf(y!.dims) },
        from: { address: value.address, strides: y!.dims.map(() => 0) },
      },
    ]);
    return { resident: 0, phases: [phase], dispose: value.dispose };
  },
};

type IndexedArgs = Omit<Record<IndexedWord, number>, 'status' | 'unit'> & {
  readonly axes: readonly { readonly axis: number; readonly extent: number; readonly stride: number }[];
};

/** A status says of which axis, of which extent. */
const AXES = 256;

/** Bytes of rows that are written in units of their own: lines, as threads share none. */
const LINE = 64;

function indexedPhase(code: number, argsOf: (bound: NativeCall) => IndexedArgs, writes: boolean): NativePhase {
  const unitOf = ({ rows, row }: IndexedArgs, { threads }: NativeCall): number => {
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

function outOfRange(kind: number, found: bigint): EspalierError {
  const [axis, extent] = [(kind % AXES) - 1, Math.floor(kind / AXES)];
  return new EspalierError('BAD_INPUT', `the index ${found} is out of range for axis ${axis} of extent ${extent}`);
}

function agree(a: number, b: number, what: string): void {
  if (a !== b) throw new EspalierError('SHAPE_MISMATCH', `${what}: ${a} is not ${b}`);
}

const gather: Row = {
  op: 'Gather',
  types: { T: types },
  bytes: (call, at) => moved(call, at) + bytesOf(call.inputs[1]!, at),
  program: ({ inputs: [data, indices], attrs }, _, _engine, { entries }) => {
    const size = sizeIn(data!);
    const argsOf = ({ inputs: [x, at], outputs: [y] }: NativeCall): IndexedArgs => {
      const axis = normalizeAxis(attrs['axis'] as number, x!.dims.length);
      const [outer, inner] = [sizeOf(x!.dims.slice(0, axis)), sizeOf(x!.dims.slice(axis + 1))];
      const [extent, perBatch] = [x!.dims[axis]!, sizeOf(at!.dims)];
      agree(sizeOf(y!.dims), outer * perBatch * inner, 'the elements of its output');
      return {
        rows: outer * perBatch,
        perBatch,
        parts: 1,
        indices: at!.address,
        indexBatch: 0,
        row: inner * size,
        table: x!.address,
        tableBatch: extent * inner * size,
        list: y!.address,
        axes: [{ axis, extent, stride: inner * size }],
      };
    };
    const entry = entries.get(`gather ${sizeIn(indices!)}`)!;
    return { resident: 0, phases: [indexedPhase(entry, argsOf, false)], failure: outOfRange };
  },
};

/** Rows of `x` that index tuples name, in batches. */
function tuples(
  x: { readonly dims: readonly number[]; readonly address: number },
  at: { readonly dims: readonly number[]; readonly address: number },
  batchDims: number,
  size: number,
): Omit<IndexedArgs, 'list'> {
  const parts = at.dims.at(-1)!;
  const lead = at.dims.slice(0, -1);
  lead.slice(0, batchDims).forEach((extent, axis) => void agree(extent, x.dims[axis]!, `the batch axis ${axis}`));
  const strides = stridesOf(x.dims);
  const perBatch = sizeOf(lead.slice(batchDims));
  return {
    rows: sizeOf(lead),
    perBatch,
    parts,
    indices: at.address,
    indexBatch: perBatch * parts * 8,
    row: sizeOf(x.dims.slice(batchDims + parts)) * size,
    table: x.address,
    tableBatch: sizeOf(x.dims.slice(batchDims)) * size,
    axes: Array.from({ length: parts }, (_, part) => {
      const axis = batchDims + part;
      return { axis, extent: x.dims[axis]!, stride: strides[axis]! * size };
    }),
  };
}

const gatherND: Row = {
  op: 'GatherND',
  bytes: (call, at) => moved(call, at) + bytesOf(call.inputs[1]!, at),
  program: ({ inputs: [data], attrs }, _, _engine, { entries }) => {
    const size = sizeIn(data!);
    const argsOf = ({ inputs: [x, at], outputs: [y] }: NativeCall): IndexedArgs => {
      const args = tuples(x!, at!, attrs['batch_dims'] as number, size);
      agree(sizeOf(y!.dims) * size, args.rows * args.row, 'the bytes of its output');
      return { ...args, list: y!.address };
    };
    return { resident: 0, phases: [indexedPhase(entries.get('gather 8')!, argsOf, false)], failure: outOfRange };
  },
};

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
    const size = sizeIn(call.inputs[0]!);
    const copied = copyPhase(code, size, ({ inputs: [x], outputs: [y] }) => {
      agree(sizeOf(x!.dims), sizeOf(y!.dims), 'the elements of its output');
      const whole = { strides: [1] };
      return [
        {
          extents: [sizeOf(x!.dims)],
          to: { address: y!.address, ...whole },
          from: { address: x!.address, ...whole },
        },
      ];
    });
    const argsOf = ({ inputs: [, at, updates], outputs: [y] }: NativeCall): IndexedArgs => {
      const args = tuples(y!, at!, 0, size);
      agree(sizeOf(updates!.dims) * size, args.rows * args.row, 'the bytes of its updates');
      return { ...args, list: updates!.address };
    };
    const written = indexedPhase(code.entries.get(scatterPart(call)!)!, argsOf, true);
    return { resident: 0, phases: [copied, written], failure: outOfRange };
  },
};

const oneHot: Row = {
  op: 'OneHot',
  types: { T1: ['int64', 'int32'], T3: types },
  bytes: (call, at) => moved(call, at) + bytesOf(call.inputs[0]!, at),
  program({ inputs: [indices], outputs: [out], attrs }, _, _engine, code) {
    const size = sizeIn(out!);
    const off = copyPhase(code, size, ({ inputs: [, , values], outputs: [y] }) => [
      {
        extents: y!.dims,
        to: { address: y!.address, strides: stridesOf(y!.dims) },
        from: { address: values!.address, strides: y!.dims.map(() => 0) },
      },
    ]);
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
const sizes = (
  op: string,
  valuesOf: (bound: NativeCall, call: Call) => readonly number[],
  more: Partial<Row> = {},
): Row => ({
  op,
  bytes: (call, at) => bytesOf(call.outputs[0]!, at),
  program(call, _, _engine, { entries }) {
    const phase: NativePhase = {
      code: entries.get(`words ${sizeIn(call.outputs[0]!)}`)!,
      units: (bound) => Math.min(1, sizeOf(bound.outputs[0]!.dims)),
      args(bound) {
        const values = valuesOf(bound, call);
        agree(values.length, sizeOf(bound.outputs[0]!.dims), 'the elements of its output');
        return [values.length, bound.outputs[0]!.address, ...values];
      },
    };
    return { resident: 0, phases: [phase] };
  },
  ...more,
});

const shapeOf = ({ inputs: [x] }: NativeCall, { attrs }: Call): readonly number[] => {
  const at = (name: string): number | undefined => {
    const given = attrs[name] as number | undefined;
    return given === undefined ? undefined : Math.max(given < 0 ? given + x!.dims.length : given, 0);
  };
  return x!.dims.slice(at('start'), at('end'));
};

const isInteger = (dtype: DType): boolean => dtype === 'int64' || dtype === 'int32';

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
  gather,
  gatherND,
  scatterND,
  oneHot,
  sizes('Shape', shapeOf),
  sizes('Size', ({ inputs: [x] }) => [sizeOf(x!.dims)]),
  sizes('Dims', ({ at }, { attrs }) => (attrs['dims'] as readonly Dim[]).map((d) => dim.evaluate(d, at)), {
    domain: ESPALIER,
    types: {},
    reject: ({ outputs: [y] }) => (isInteger(y!.dtype) ? undefined : `its dtype is ${y!.dtype}`),
  }),
  range,
];

export const movement: readonly NativeKernel[] = widths.flatMap((width) => rows.map((each) => row(each, width)));
