/** Products by sparse matrices of bytes, their sums exact: as pattern quads, and as a stream of blocks of four along a column. */

import {
  type Binding,
  bindShape,
  byteLength,
  type Call,
  type Constants,
  dim,
  ESPALIER,
  isRejection,
  type Rejection,
  Slicer,
  sizeOf,
  type Tensor,
} from '@espalier/core';
import { Assembler } from '@espalier/x64';
import { loadCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import { type Epilogue, fuses, quantizedType } from '../matmul/epilogue.ts';
import { avx512 } from '../matmul/isa.ts';
import { levels, notSparse, programOf, remembered, rowwise, type SparseProgram, streamCost } from './common.ts';
import { cutOf, linesOf, NONZERO_BYTES, rowMajor, unitColumns } from './cut.ts';
import { LINE, SUMS_AT } from './frame.ts';
import { countQuads, emitQuads, MOST_QUAD_ROWS, packQuads, QUADS_SUMS, UNIT_COLUMNS } from './quads.ts';
import { columnBytes, packColumns, type Scaling, scaled } from './scaled.ts';
import { SIDE } from './square.ts';
import { emitStreamEntry, emitUnit, type Stream, turned } from './stream.ts';
import { BYTE_ROWS, byteTile, emitTurn, emitTurnBytes } from './turn.ts';

/** Inputs of QuantizedMatMul. */
const [A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO] = [0, 1, 2, 3, 4, 5];
/** What a quad takes beside its dot products, in those of a vector: four lines loaded, eight shuffles in units that are partly free. */
const QUAD_COST = 4.5;
/** What sixteen columns of a tile take beside, in dot products of a vector: summing up, storing. */
const UNIT_COST = 600;
/** What it takes to turn a byte of A, in those of bytes; and in a stream to turn four of them, or a sum. */
const TURN_COST = 8;
const STREAM_TURN_COST = 32;
/** Multiply-adds of a dot product of a vector. */
const DOT_MACS = 64;
/** Bytes of a block. */
const BLOCK = 4;

/** The matrix that a call multiplies by, its tokens and the bytes it moves beside the weights; or why no sparse kernel can. */
function askedOf(
  call: Call,
  at: Binding,
  constants: Constants,
): Rejection | { matrix: Tensor; rows: number; bytes: number } {
  const [weights, scale, zero] = [B, B_SCALE, B_ZERO].map((i) => constants[i]);
  const reason = notSparse(weights);
  if (reason) return { reason };
  if (!scale) return { reason: 'the scales of its weights are not constant' };
  if (call.inputs[B_ZERO] && zero?.structure.nonzeros !== 0)
    return { reason: 'its weights have zero points: a pruned one is not zero' };
  const isSingle = [A_SCALE, A_ZERO].every((i) => {
    const desc = call.inputs[i];
    return !desc || dim.equal(dim.product(desc.shape), 1) === true;
  });
  if (!isSingle) return { reason: 'its activations have more than one scale' };
  const epilogue = rowwise(call, B);
  if (isRejection(epilogue)) return epilogue;
  const matrix = weights!.tensor;
  const bytes = [...call.inputs, ...call.outputs].reduce(
    (sum, desc, i) => sum + (desc && i !== B ? byteLength(desc.dtype, sizeOf(bindShape(desc.shape, at))) : 0),
    0,
  );
  return { matrix, rows: sizeOf(bindShape(call.outputs[0]!.shape, at)) / Math.max(1, matrix.dims[1]!), bytes };
}

/** What the programs of both kernels have in common. */
function describe(call: Call, constants: Constants) {
  const { tensor } = constants[B]!;
  const [k, n] = tensor.dims as [number, number];
  const epilogue = rowwise(call, B) as Epilogue;
  const signed = call.inputs[A]!.dtype === 'int8';
  const result = quantizedType(epilogue) ?? 'float32';
  const scaling: Scaling = { n, epilogue, aZero: { given: call.inputs[A_ZERO] !== undefined, signed }, result };
  const program: Pick<SparseProgram, 'dims' | 'epilogue' | 'a' | 'aScale' | 'aZero' | 'packed' | 'resultBytes'> = {
    ...{ dims: [k, n], epilogue, a: A, aScale: A_SCALE, aZero: A_ZERO, resultBytes: result === 'float32' ? 4 : 1 },
    packed: [B, B_SCALE, ...(call.inputs[B_ZERO] ? [B_ZERO] : [])],
  };
  return { tensor, scale: constants[B_SCALE]!.tensor, k, n, signed, scaling, program };
}

const common = {
  op: 'QuantizedMatMul',
  domain: ESPALIER,
  requires: ['avx512', 'avx512-vnni'],
  types: { T2: ['int8'] },
  fuses: [...fuses, 'QuantizeLinear', 'DequantizeLinear'],
  law: ({ dots, bytes }, rates) =>
    2 * rates['call']! + Math.max(dots! / (rates['dot']! * rates['threads']!), bytes / rates['bytes']!),
} satisfies Partial<NativeKernel>;

const quadsOf = remembered(({ tensor }) => countQuads(tensor));

export const quads: NativeKernel = {
  ...common,
  name: 'quantizedmatmul_i8_quads_4x64__avx512vnni',
  format: { name: 'quads', levels },
  work(call, at, constants) {
    const asked = askedOf(call, at, constants);
    if (isRejection(asked)) return asked;
    const { matrix, rows, bytes } = asked;
    const [k, n] = matrix.dims as [number, number];
    if (k > MOST_QUAD_ROWS) return { reason: `more than ${MOST_QUAD_ROWS} rows of weights` };
    const tiles = Math.ceil(rows / BYTE_ROWS);
    const { quads, dots, bytes: packed } = quadsOf(constants[B]!);
    const units = Math.ceil(n / UNIT_COLUMNS);
    return {
      macs: rows * constants[B]!.structure.nonzeros,
      bytes: bytes + packed,
      resident: packed,
      dots: tiles * (DOT_MACS * (4 * dots + QUAD_COST * quads + UNIT_COST * units) + TURN_COST * BYTE_ROWS * k),
    };
  },
  async prepare(call, constants, engine) {
    const { tensor, scale, k, n, signed, scaling, program } = describe(call, constants);
    const units = Math.ceil(n / UNIT_COLUMNS);
    const columnsAt = Math.ceil(quadsOf(constants[B]!).bytes / 8) * 8;
    const entriesAt = columnsAt + columnBytes(n);
    const buffer = engine.memory.allocLasting(entriesAt + 8 * units);
    const { buffer: memory, byteOffset } = buffer.view;
    const entries = new BigUint64Array(memory, byteOffset + entriesAt, units);
    const slicer = new Slicer();
    let unit = 0;
    for (const begin of packQuads(tensor, new DataView(memory, byteOffset, columnsAt))) {
      entries[unit++] = BigInt(buffer.address + begin);
      if (slicer.due) await slicer.pause();
    }
    packColumns(tensor, scale, memory, byteOffset + columnsAt);
    const code = loadCode(engine.addon, [emitTurnBytes(k, signed), emitQuads(scaling)]);
    return programOf(
      {
        ...{ ...program, units, tileRows: BYTE_ROWS, tileBytes: byteTile(k), elementBytes: 1 },
        threadBytes: () => SUMS_AT + QUADS_SUMS + LINE * LINE,
        ...{ code, buffer, columnsAt, entriesAt },
      },
      engine,
    );
  },
};

/** Blocks as numbers of 32 bits, and what a stream of them takes. */
const blocksOf = remembered(({ tensor: matrix }) => {
  const [k, n] = matrix.dims as [number, number];
  const rows = Math.floor(k / BLOCK);
  const data = matrix.data as Int8Array;
  const bytes = new Int8Array(BLOCK * rows * n);
  for (let row = 0, read = 0; row < BLOCK * rows; row++) {
    const write = (row - (row % BLOCK)) * n + (row % BLOCK);
    for (let column = 0; column < n; column++) bytes[write + BLOCK * column] = data[read++]!;
  }
  const blocks = new Int32Array(bytes.buffer);
  let nonzeros = 0;
  for (let i = 0; i < blocks.length; i++) if (blocks[i] !== 0) nonzeros++;
  const cut = cutOf(rows, n, nonzeros);
  return { blocks, nonzeros, cut, lines: linesOf(rowMajor(blocks, n), cut) };
});

export const blocks: NativeKernel = {
  ...common,
  name: 'quantizedmatmul_i8_blocks1x4_28x16__avx512vnni',
  format: { name: 'bsr', levels: [...levels, { kind: 'block', size: BLOCK }] },
  work(call, at, constants) {
    const asked = askedOf(call, at, constants);
    if (isRejection(asked)) return asked;
    const { matrix, rows, bytes } = asked;
    const [k, n] = matrix.dims as [number, number];
    if (k % BLOCK !== 0) return { reason: `its ${k} rows are no whole number of blocks of ${BLOCK}` };
    const { nonzeros, cut, lines } = blocksOf(constants[B]!);
    const resident = nonzeros * (BLOCK + NONZERO_BYTES);
    const tiles = Math.ceil(rows / SIDE);
    return {
      macs: rows * constants[B]!.structure.nonzeros,
      bytes: bytes + resident,
      resident,
      dots:
        SIDE * (BLOCK * streamCost(nonzeros, lines, cut, tiles, resident) + tiles * STREAM_TURN_COST * (k / BLOCK + n)),
    };
  },
  async prepare(call, constants, engine) {
    const { tensor, scale, k, n, signed, scaling, program } = describe(call, constants);
    const { blocks, nonzeros, cut } = blocksOf(constants[B]!);
    const columnsAt = Math.ceil(nonzeros / 2) * 8;
    const entriesAt = columnsAt + columnBytes(n);
    const buffer = engine.memory.allocLasting(entriesAt + 8 * cut.units.length);
    const { buffer: memory, byteOffset } = buffer.view;
    const weights: Stream = { weights: new Int32Array(memory, byteOffset, nonzeros), used: 0 };
    const parts = [emitTurn(k / BLOCK, signed), emitStreamEntry(scaled(scaling, LINE))];
    const slicer = new Slicer();
    const a = new Assembler();
    const product = { isa: avx512, cut, matrix: rowMajor(blocks, n), lines: turned(k / BLOCK) };
    for (let unit = 0; unit < cut.units.length; unit++) {
      parts.push(emitUnit(a, product, unit, weights));
      if (slicer.due) await slicer.pause();
    }
    packColumns(tensor, scale, memory, byteOffset + columnsAt);
    const code = loadCode(engine.addon, parts);
    new BigUint64Array(memory, byteOffset + entriesAt, cut.units.length).set(code.addresses.slice(2).map(BigInt));
    return programOf(
      {
        ...{ ...program, units: cut.units.length, tileRows: SIDE, tileBytes: (k / BLOCK) * LINE, elementBytes: 1 },
        threadBytes: (tiles) => SUMS_AT + (tiles * unitColumns(cut) + SIDE) * LINE,
        ...{ code, buffer, columnsAt, entriesAt },
      },
      engine,
    );
  },
};
