/** Products by sparse matrices of bytes, their sums exact: as pattern quads, and as a stream of blocks of four along a column. */

import { ESPALIER, isRejection, Slicer } from '@espalier/core';
import { levels, notSparse, remembered } from '@espalier/lowering';
import { Assembler } from '@espalier/x64';
import { loadCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import { avx512 } from '../matmul/isa.ts';
import { streamCost } from './common.ts';
import { cutOf, linesOf, NONZERO_BYTES, rowMajor, unitColumns } from './cut.ts';
import { LINE, SUMS_AT } from './frame.ts';
import { programOf, rowTiles } from './program.ts';
import { countQuads, MOST_QUAD_ROWS, tileLines, turnedTiles } from './quads.ts';
import { prepareQuads, quadsCost } from './quads-program.ts';
import { A, askedOf, B, describe, matrixOf, rowOfBytes } from './quantized.ts';
import { columnBytes, packColumns, scaled } from './scaled.ts';
import { SIDE } from './square.ts';
import { emitStreamEntry, emitUnit, type Stream, turned } from './stream.ts';
import { BYTE_ROWS, byteTile, emitTurn, emitTurnBytes } from './turn.ts';

/** What it takes to turn a byte of A, in multiply-adds of bytes; and in a stream to turn four of them, or a sum. */
const TURN_COST = 8;
const STREAM_TURN_COST = 32;
/** Bytes of a block. */
const BLOCK = 4;

const common = { ...rowOfBytes, op: 'QuantizedMatMul', domain: ESPALIER } satisfies Partial<NativeKernel>;

const quadsOf = remembered(({ tensor }) => countQuads(matrixOf(tensor), tileLines));

export const quads: NativeKernel = {
  ...common,
  name: 'quantizedmatmul_i8_quads_4x64__avx512vnni',
  format: { name: 'quads', levels },
  work(call, at, constants) {
    const reason = notSparse(constants[B]);
    if (reason) return { reason };
    const { tensor, structure } = constants[B]!;
    const asked = askedOf(call, at, constants, tensor.dims);
    if (isRejection(asked)) return asked;
    const [k, n] = tensor.dims as [number, number];
    if (k > MOST_QUAD_ROWS) return { reason: `more than ${MOST_QUAD_ROWS} rows of weights` };
    const tiles = Math.ceil(asked.rows / BYTE_ROWS);
    const count = quadsOf(constants[B]!);
    return {
      macs: asked.rows * structure.nonzeros,
      bytes: asked.bytes + count.bytes,
      resident: count.bytes,
      dots: quadsCost(count, n, tiles, asked.finish, true) + tiles * TURN_COST * BYTE_ROWS * k,
    };
  },
  prepare(call, constants, engine) {
    const matrix = matrixOf(constants[B]!.tensor);
    const { k } = matrix;
    const described = describe(call, constants, matrix);
    const product = {
      ...{ matrix, count: quadsOf(constants[B]!), tiles: turnedTiles },
      turning: rowTiles(A, k, { rows: BYTE_ROWS, bytes: byteTile(k), elementBytes: 1 }),
      turnCode: emitTurnBytes(k, described.signed),
    };
    return prepareQuads(described, product, engine);
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
    const reason = notSparse(constants[B]);
    if (reason) return { reason };
    const { dims } = constants[B]!.tensor;
    const asked = askedOf(call, at, constants, dims);
    if (isRejection(asked)) return asked;
    const { rows, bytes } = asked;
    const [k, n] = dims as [number, number];
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
    const matrix = matrixOf(constants[B]!.tensor);
    const { k, n } = matrix;
    const { scale, signed, scaling, program } = describe(call, constants, matrix);
    const { blocks, nonzeros, cut } = blocksOf(constants[B]!);
    const columnsAt = Math.ceil(nonzeros / 2) * 8;
    const entriesAt = columnsAt + columnBytes(n);
    const buffer = engine.memory.allocLasting(entriesAt + 8 * cut.units.length);
    const { buffer: memory, byteOffset } = buffer.view;
    const weights: Stream = { weights: new Int32Array(memory, byteOffset, nonzeros), used: 0 };
    const parts = [emitTurn(k / BLOCK, signed), emitStreamEntry(scaled(scaling, { tokens: SIDE, pitch: LINE }))];
    const slicer = new Slicer();
    const a = new Assembler();
    const product = { isa: avx512, cut, matrix: rowMajor(blocks, n), lines: turned(k / BLOCK) };
    for (let unit = 0; unit < cut.units.length; unit++) {
      parts.push(emitUnit(a, product, unit, weights));
      if (slicer.due) await slicer.pause();
    }
    packColumns(matrix, scale, memory, byteOffset + columnsAt);
    const code = loadCode(engine.addon, parts);
    new BigUint64Array(memory, byteOffset + entriesAt, cut.units.length).set(code.addresses.slice(2).map(BigInt));
    return programOf(
      {
        ...{ ...program, units: cut.units.length },
        turning: rowTiles(A, k, { rows: SIDE, bytes: (k / BLOCK) * LINE, elementBytes: 1 }),
        threadBytes: (tiles) => SUMS_AT + (tiles * unitColumns(cut) + SIDE) * LINE,
        ...{ code, buffer, columnsAt, entriesAt },
      },
      engine,
    );
  },
};
