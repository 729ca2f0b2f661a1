/** Dense products of bytes with exact sums: MatMulInteger, QLinearMatMul, and QuantizedMatMul with whatever follows it. */

import {
  type Binding,
  bindShape,
  byteLength,
  type Call,
  type Constants,
  type Dim,
  dim,
  ESPALIER,
  isRejection,
  type Rejection,
  sizeOf,
  type TensorDesc,
  type Work,
} from '@espalier/core';
import { addressOf, geometry, type Partition, partition } from '@espalier/lowering';
import { sharedCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeBuffer } from '../../memory.ts';
import type { NativeCall, NativePhase, NativeProgram } from '../../program.ts';
import { keptLayout } from '../layouts.ts';
import type { LevelType } from '../levels.ts';
import { type Epilogue, epilogueOf, quantizedType } from '../matmul/epilogue.ts';
import { emitProduct, panelKinds, rowBytes, threadBytes } from './emit.ts';
import { type Finish, resultBytes } from './finish.ts';
import { amx, avx2widened, avx512vnni, type DotIsa, lanesOf, panelColumns, vnni256 } from './isa.ts';
import {
  emitPack,
  hasZeroPoints,
  type Matrix,
  type Packing,
  type PackShape,
  packArgs,
  packConstant,
  packing,
} from './pack.ts';
import {
  blockHeights,
  finishCost,
  knownShapes,
  lawOf,
  paceOf,
  productArgs,
  scaledFuses,
  tiledColumns,
} from './program.ts';
import { emitRows, rowsPerUnit, rowWords } from './rows.ts';

/** An op, and where its operands are among the inputs. */
interface Op {
  readonly op: string;
  readonly domain?: string;
  readonly types: NonNullable<NativeKernel['types']>;
  readonly scaling: Finish['scaling'];
  readonly inputs: {
    readonly a: number;
    readonly b: number;
    readonly aScale?: number;
    readonly aZero: number;
    readonly bScale?: number;
    readonly bZero: number;
    readonly yScale?: number;
    readonly yZero?: number;
  };
}

const ops: readonly Op[] = [
  {
    op: 'QuantizedMatMul',
    domain: ESPALIER,
    types: {},
    scaling: 'scaled',
    inputs: { a: 0, aScale: 1, aZero: 2, b: 3, bScale: 4, bZero: 5 },
  },
  {
    op: 'QLinearMatMul',
    types: { TS: ['float32'] },
    scaling: 'levels',
    inputs: { a: 0, aScale: 1, aZero: 2, b: 3, bScale: 4, bZero: 5, yScale: 6, yZero: 7 },
  },
  { op: 'MatMulInteger', types: {}, scaling: 'sums', inputs: { a: 0, b: 1, aZero: 2, bZero: 3 } },
];

/** What an element of A takes to be laid out, and one of B to be packed. */
const LAID_OUT = 2;
const PACKED = 8;

function kernel(isa: DotIsa, op: Op, packed: boolean): NativeKernel {
  return {
    name: `${op.op.toLowerCase()}_i8_${packed ? 'dense' : 'variable'}_${isa.rows}x${panelColumns(isa)}__${isa.name}`,
    op: op.op,
    ...(op.domain ? { domain: op.domain } : {}),
    requires: isa.requires,
    types: op.types,
    fuses: op.scaling === 'scaled' ? scaledFuses : [],
    work: (call, at, constants) => work(isa, op, packed, call, at, constants),
    law: lawOf(isa),
    prepare: (call, constants, engine) =>
      prepare(isa, op, packed ? matrixOf(op, constants) : undefined, call, constants, engine),
  };
}

function work(isa: DotIsa, op: Op, packed: boolean, call: Call, at: Binding, constants: Constants): Work | Rejection {
  const { inputs } = op;
  const reason = rejection(op, call);
  if (reason !== undefined) return { reason };
  const epilogue = epilogueOf(call, call.inputs[inputs.b]!.shape);
  if (isRejection(epilogue)) return epilogue;
  const [k, n] = matrixShape(call.inputs[inputs.b]!, at);
  if (packed) {
    const isMissing = [inputs.b, inputs.bScale, inputs.bZero].some(
      (i) => i !== undefined && call.inputs[i] && !constants[i],
    );
    if (isMissing) return { reason: 'the second matrix and its parameters are not constant' };
    if (sizeOf(bindShape(call.inputs[inputs.b]!.shape, at)) !== k * n)
      return { reason: 'the constant is more than one matrix' };
  }
  const rows = sizeOf(bindShape(call.outputs[0]!.shape, at)) / Math.max(1, n);
  const bytes = [...call.inputs, ...call.outputs].reduce(
    (sum, desc) => sum + (desc ? byteLength(desc.dtype, sizeOf(bindShape(desc.shape, at))) : 0),
    0,
  );
  const { bytes: resident } = packing(isa, k, n);
  const columns = tiledColumns(isa, n);
  const elements = (index: number): number => sizeOf(bindShape(call.inputs[index]!.shape, at));
  return {
    macs: rows * n * k,
    bytes,
    resident: packed ? resident : 0,
    // What the tiles multiply, padding included; and what comes before and behind, in multiply-adds of float32.
    tiled: rows * columns * k,
    around:
      rows * columns * finishCost(epilogue) +
      LAID_OUT * elements(inputs.a) +
      (packed ? 0 : PACKED * elements(inputs.b)),
  };
}

/** Why a call cannot be served. */
function rejection({ inputs }: Op, call: Call): string | undefined {
  const isOne = (desc: TensorDesc): boolean => dim.equal(dim.product(desc.shape), 1) === true;
  for (const index of [inputs.aScale, inputs.aZero, inputs.yScale, inputs.yZero]) {
    const desc = index === undefined ? undefined : call.inputs[index];
    if (desc && !isOne(desc)) return `input ${index} is more than one number`;
  }
  const { shape } = call.inputs[inputs.b]!;
  const columns = shape.length > 1 ? shape.at(-1)! : 1;
  for (const index of [inputs.bScale, inputs.bZero]) {
    const desc = index === undefined ? undefined : call.inputs[index];
    if (!desc || isOne(desc)) continue;
    const isRow = dim.equal(desc.shape.at(-1)!, columns) === true && desc.shape.slice(0, -1).every((d) => d === 1);
    if (!isRow) return `input ${index} is more than one number for each column`;
  }
  return undefined;
}

function matrixShape({ shape }: TensorDesc, at: Binding): [k: number, n: number] {
  const dims = bindShape(shape, at);
  return dims.length > 1 ? [dims.at(-2)!, dims.at(-1)!] : [dims[0]!, 1];
}

function matrixOf({ inputs }: Op, constants: Constants): Matrix {
  const tensor = (index: number | undefined) => (index === undefined ? undefined : constants[index]?.tensor);
  return { b: tensor(inputs.b)!, scale: tensor(inputs.bScale), zeroPoint: tensor(inputs.bZero) };
}

/** What follows from the sizes of a call. */
interface Layout {
  readonly k: number;
  readonly n: number;
  readonly cut: Partition;
  readonly packing: Packing;
  /** Rows of all of A, and bytes from one to the next in tiles. */
  readonly rows: number;
  readonly pitch: number;
  /** Matrices that are packed when running. */
  readonly matrices: number;
  /** From one row of the result to the next in each operand of the epilogue, in elements. */
  readonly rowSteps: readonly number[];
  /** Where the matrices of each product begin in A, B, the result and the operands of the epilogue, in elements. */
  readonly offsets: readonly (readonly number[])[];
  /** Parts of scratch memory behind those of the threads. */
  readonly rowsAt: number;
  readonly termsAt: number;
  readonly packedAt: number;
  readonly scratch: number;
}

async function prepare(
  isa: DotIsa,
  op: Op,
  matrix: Matrix | undefined,
  call: Call,
  constants: Constants,
  engine: Engine,
): Promise<NativeProgram> {
  const { inputs } = op;
  const epilogue = epilogueOf(call, call.inputs[inputs.b]!.shape, constants) as Epilogue;
  const b = call.inputs[inputs.b]!;
  const signed = call.inputs[inputs.a]!.dtype === 'int8';
  const aZero = { given: call.inputs[inputs.aZero] !== undefined, signed };
  const bZero = matrix ? hasZeroPoints(matrix) : b.dtype === 'uint8' || call.inputs[inputs.bZero] !== undefined;
  const [kDim, nDim]: readonly Dim[] = b.shape.length > 1 ? b.shape.slice(-2) : [b.shape[0]!, 1];
  const laysOut =
    isa.tileSteps !== undefined ||
    signed ||
    bZero ||
    isa.depth === 2 ||
    typeof kDim !== 'number' ||
    kDim % isa.depth !== 0 ||
    (kDim % 64 === 0 && rowBytes(isa, kDim) !== kDim);
  const finish: Finish = { scaling: op.scaling, epilogue, result: resultType(op, call, epilogue) };
  const packShape: PackShape = {
    isSigned: b.dtype === 'int8',
    scale: granularity(inputs.bScale === undefined ? undefined : call.inputs[inputs.bScale]),
    zeroPoint: granularity(call.inputs[inputs.bZero]),
  };
  const others = epilogue.operands.map(({ input }) => input);
  const known = knownShapes([call.inputs[inputs.a]!, b, call.outputs[0]!, ...others.map((i) => call.inputs[i]!)]);
  const product = sharedCode(engine.addon, emitProduct, {
    ...{ isa, aZero, bZero, finish },
    rows: blockHeights(isa, known && geometry(known[0]!, known[1]!, known[2]!, known.slice(3)).m),
    columns: panelKinds(isa, typeof nDim === 'number' ? nDim : undefined),
    ...(typeof nDim === 'number' ? { tail: nDim % lanesOf(isa) } : {}),
  });
  const rows = laysOut ? sharedCode(engine.addon, emitRows, isa, aZero) : undefined;
  const packing = matrix ? undefined : sharedCode(engine.addon, emitPack, isa, packShape);
  const code = [product, rows, packing].filter((each) => each !== undefined);
  const dispose = (): void => {
    for (const each of code) each.dispose();
    if (packed) engine.memory.free(packed);
  };
  let packed: NativeBuffer | undefined;
  try {
    packed = matrix && (await packConstant(isa, matrix, matrixShape(b, {}), engine));
  } catch (error) {
    dispose();
    throw error;
  }
  const layout = keptLayout(
    (bound) => {
      const of = (input: number): readonly number[] => bound.inputs[input]?.dims ?? matrix!.b.dims;
      return [of(inputs.a), of(inputs.b), bound.outputs[0]!.dims, ...others.map(of)];
    },
    ({ threads }, dims) => layOut(isa, dims, threads, !matrix),
  );
  const at = ({ inputs: bound }: NativeCall, index: number | undefined): number =>
    index === undefined ? 0 : addressOf(bound[index]);
  const rowsPhase: Omit<NativePhase, 'code'> = {
    units: (bound) => {
      const { rows, k } = layout(bound);
      return Math.ceil(rows / rowsPerUnit(rows, k, bound.threads));
    },
    args: (bound) => {
      const { rows, k, pitch, rowsAt, termsAt } = layout(bound);
      const words = {
        ...{ from: at(bound, inputs.a), to: bound.scratch + rowsAt, k, pitch, terms: bound.scratch + termsAt, rows },
        ...{ rowsPerUnit: rowsPerUnit(rows, k, bound.threads), aZero: at(bound, inputs.aZero) },
      };
      return rowWords.map((name) => words[name]);
    },
  };
  const packPhase: Omit<NativePhase, 'code'> = {
    units: (bound) => layout(bound).matrices * layout(bound).packing.panels,
    args: (bound) => {
      const { k, n, packing: parts, packedAt } = layout(bound);
      return packArgs(parts, {
        ...{ from: at(bound, inputs.b), to: bound.scratch + packedAt, k, n },
        ...{ scale: at(bound, inputs.bScale), zero: at(bound, inputs.bZero) },
      });
    },
  };
  const productPhase: Omit<NativePhase, 'code'> = {
    units: (bound) => layout(bound).cut.units,
    args: (bound) => {
      const found = layout(bound);
      const { k, n, cut, packing: parts, pitch } = found;
      const aRow = laysOut ? pitch : k;
      const yBytes = resultBytes(finish);
      const rowsOfA = laysOut ? bound.scratch + found.rowsAt : at(bound, inputs.a);
      const matrices = packed?.address ?? bound.scratch + found.packedAt;
      return productArgs(isa, finish, {
        ...{ scratch: bound.scratch, cut, packing: parts, aRow, yRow: yBytes * n, rowSteps: found.rowSteps },
        ...{ aScale: at(bound, inputs.aScale), aZero: at(bound, inputs.aZero) },
        ...{ yScale: at(bound, inputs.yScale), yZero: at(bound, inputs.yZero) },
        entries: found.offsets.map(([aStart, bStart, yStart, ...rest]) => {
          const row = k > 0 ? aStart! / k : 0;
          const begin = matrices + (k * n > 0 ? (bStart! / (k * n)) * parts.bytes : 0);
          return [
            ...[rowsOfA + row * aRow, bound.scratch + found.termsAt + 4 * row, begin, begin + parts.parameters],
            bound.outputs[0]!.address + yBytes * yStart!,
            ...rest.map((start, i) => at(bound, others[i]) + byteLength(epilogue.operands[i]!.dtype, start)),
          ];
        }),
      });
    },
  };
  return {
    resident: code.reduce((sum, { bytes }) => sum + bytes, packed?.bytes ?? 0),
    packed: packed
      ? ([inputs.b, inputs.bScale, inputs.bZero].filter((i) => i !== undefined && call.inputs[i]) as number[])
      : [],
    phases: [
      ...(rows ? [{ ...rowsPhase, code: rows.addresses[0]! }] : []),
      ...(packing ? [{ ...packPhase, code: packing.addresses[0]! }] : []),
      { ...productPhase, code: product.addresses[0]! },
    ],
    scratch: (bound) => layout(bound).scratch,
    dispose,
  };
}

function resultType({ scaling, inputs }: Op, call: Call, epilogue: Epilogue): Finish['result'] {
  if (scaling === 'sums') return 'int32';
  if (scaling === 'levels') return call.inputs[inputs.yZero!]!.dtype as LevelType;
  return quantizedType(epilogue) ?? 'float32';
}

/** How many parameters there are: one, or one for each column. */
const granularity = (desc: TensorDesc | undefined): PackShape['scale'] =>
  desc && (dim.equal(dim.product(desc.shape), 1) === true ? 'one' : 'perColumn');

function layOut(isa: DotIsa, dims: readonly (readonly number[])[], threads: number, packs: boolean): Layout {
  const [a, b, y, ...others] = dims as [number[], number[], number[], ...number[][]];
  const { m, n, k, batch, rowSteps, offsets } = geometry(a, b, y, others);
  const parts = packing(isa, k, n);
  const cut = partition({ m, n, k: paceOf(isa, parts), batch }, isa.rows, panelColumns(isa), threads);
  const rows = sizeOf(a.slice(0, -1));
  const matrices = packs && k * n > 0 ? sizeOf(b) / (k * n) : Math.min(1, n);
  const pitch = rowBytes(isa, k);
  const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;
  const rowsAt = align(threads * threadBytes(isa));
  // Tiles may read a row more than there is.
  const termsAt = rowsAt + align((rows + (isa.tileSteps === undefined ? 0 : 1)) * pitch);
  const packedAt = termsAt + align(4 * rows);
  return {
    ...{ k, n, cut, packing: parts, rows, pitch, matrices, rowSteps },
    offsets: Array.from({ length: batch }, (_, i) => offsets(i)),
    ...{ rowsAt, termsAt, packedAt, scratch: packedAt + (packs ? matrices * parts.bytes : 0) },
  };
}

export const kernelsFor = (isa: DotIsa): readonly NativeKernel[] =>
  [true, false].flatMap((packed) => ops.map((op) => kernel(isa, op, packed)));

/** Best first. */
export const matmulInt8: readonly NativeKernel[] = [amx, avx512vnni, vnni256(false), avx2widened].flatMap(kernelsFor);
