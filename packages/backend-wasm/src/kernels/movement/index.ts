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
import { type BoundOperand, type Rearrangement, rearrangements, unitRows } from '@espalier/lowering';
import type { Engine } from '../../engine.ts';
import type { WasmKernel } from '../../kernel.ts';
import type { WasmCall, WasmPhase, WasmProgram } from '../../program.ts';
import { elementLaw, programOf, tensorBytes } from '../elements.ts';
import type { Size } from '../lanes.ts';
import { emitIndexed, type Indexed, type IndexedWord, indexedWords } from './indexed.ts';
import { copyProgram } from './program.ts';
import { emitCount, emitWords } from './values.ts';

/** All that whole bytes hold. */
const types = (Object.keys(dtypes) as DType[]).filter((dtype) => dtypes[dtype].bits >= 8);
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

/** Bytes of the result, twice: what is not moved is not read. */
const moved = ({ outputs }: Call, at: Binding): number =>
  2 * outputs.reduce((sum, y) => sum + (y ? bytesOf(y, at) : 0), 0);
const bytesOf = ({ dtype, shape }: TensorDesc, at: Binding): number => byteLength(dtype, sizeOf(bindShape(shape, at)));

const rearrangement = ({ op, reject, pieces }: Rearrangement): Row => ({
  op,
  types: op === 'Identity' ? { V: types } : { T: types },
  ...(reject ? { reject } : {}),
  bytes: moved,
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
    return copyProgram(engine, size, value, ({ outputs: [y] }, address) => [
      {
        extents: y!.dims,
        to: { address: y!.address, strides: stridesOf(y!.dims) },
        from: { address, strides: y!.dims.map(() => 0) },
      },
    ]);
  },
};

type IndexedArgs = Omit<Record<IndexedWord, number>, 'status' | 'unit'> & {
  readonly axes: readonly { readonly axis: number; readonly extent: number; readonly stride: number }[];
};

function indexedPhase(argsOf: (bound: WasmCall) => IndexedArgs, isSequential: boolean): Omit<WasmPhase, 'code'> {
  const unitOf = ({ rows, row }: IndexedArgs, { threads }: WasmCall): number =>
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

const outOfRange = (kind: number, found: bigint, extent: number): EspalierError =>
  new EspalierError('BAD_INPUT', `the index ${found} is out of range for axis ${kind - 1} of extent ${extent}`);

const indexedProgram = (
  engine: Engine,
  indexed: Indexed,
  argsOf: (bound: WasmCall) => IndexedArgs,
): Promise<WasmProgram> =>
  programOf(engine, 'indexed', indexed, emitIndexed, indexedPhase(argsOf, indexed.way === 'scatter'), {
    failure: outOfRange,
  });

function agree(a: number, b: number, what: string): void {
  if (a !== b) throw new EspalierError('SHAPE_MISMATCH', `${what}: ${a} is not ${b}`);
}

const gather: Row = {
  op: 'Gather',
  types: { T: types },
  bytes: (call, at) => moved(call, at) + bytesOf(call.inputs[1]!, at),
  program: ({ inputs: [data, indices], attrs }, _, engine) => {
    const size = sizeIn(data!);
    return indexedProgram(engine, { size: sizeIn(indices!) as 4 | 8, way: 'gather' }, (bound) => {
      const { inputs, outputs } = bound;
      const [[x, at], [y]] = [inputs, outputs];
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
    });
  },
};

/** Rows of `x` that index tuples name, in batches. */
function tuples(x: BoundOperand, at: BoundOperand, batchDims: number, size: number): Omit<IndexedArgs, 'list'> {
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
  program: ({ inputs: [data], attrs }, _, engine) => {
    const size = sizeIn(data!);
    return indexedProgram(engine, { size: 8, way: 'gather' }, ({ inputs: [x, at], outputs: [y] }) => {
      const args = tuples(x!, at!, attrs['batch_dims'] as number, size);
      agree(sizeOf(y!.dims) * size, args.rows * args.row, 'the bytes of its output');
      return { ...args, list: y!.address };
    });
  },
};

const scatterND: Row = {
  op: 'ScatterND',
  reject: ({ attrs }) => (attrs['reduction'] === 'none' ? undefined : `it reduces by ${attrs['reduction']}`),
  bytes: tensorBytes,
  async program({ inputs: [data] }, _, engine) {
    const size = sizeIn(data!);
    const copied = await copyProgram(engine, size, undefined, ({ inputs: [x], outputs: [y] }) => {
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
    // In order, so that of updates of one place the last stays.
    const written = await indexedProgram(
      engine,
      { size: 8, way: 'scatter' },
      ({ inputs: [, at, updates], outputs: [y] }) => {
        const args = tuples(y!, at!, 0, size);
        agree(sizeOf(updates!.dims) * size, args.rows * args.row, 'the bytes of its updates');
        return { ...args, list: updates!.address };
      },
    );
    return {
      resident: copied.resident + written.resident,
      phases: [...copied.phases, ...written.phases],
      failure: outOfRange,
      dispose() {
        copied.dispose!();
        written.dispose!();
      },
    };
  },
};

/** The two words of an integer. */
const halves = (value: number): number[] => [value | 0, Math.floor(value / 2 ** 32)];

/** A few integers that a bound call tells. */
const sizes = (
  op: string,
  valuesOf: (bound: WasmCall, call: Call) => readonly number[],
  more: Partial<Row> = {},
): Row => ({
  op,
  bytes: (call, at) => bytesOf(call.outputs[0]!, at),
  program: (call, _, engine) =>
    programOf(engine, 'words', sizeIn(call.outputs[0]!) as 4 | 8, (_module, size) => emitWords(size), {
      units: (bound) => Math.min(1, sizeOf(bound.outputs[0]!.dims)),
      args(bound) {
        const values = valuesOf(bound, call);
        agree(values.length, sizeOf(bound.outputs[0]!.dims), 'the elements of its output');
        return [values.length, bound.outputs[0]!.address, ...values.flatMap(halves)];
      },
    }),
  ...more,
});

const shapeOf = ({ inputs: [x] }: WasmCall, { attrs }: Call): readonly number[] => {
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
    gather,
    gatherND,
    scatterND,
    sizes('Shape', shapeOf),
    sizes('Size', ({ inputs: [x] }) => [sizeOf(x!.dims)]),
    sizes('Dims', ({ at }, { attrs }) => (attrs['dims'] as readonly Dim[]).map((d) => dim.evaluate(d, at)), {
      domain: ESPALIER,
      types: {},
      reject: ({ outputs: [y] }) => (isInteger(y!.dtype) ? undefined : `its dtype is ${y!.dtype}`),
    }),
    range,
  ].map(row);
}
